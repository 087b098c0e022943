"""What the tests of audits share."""

from __future__ import annotations

import pytest

from hoodwink.auditing import sentinels


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentinels that spend little."""
    monkeypatch.setattr(sentinels, "QUERIES", 40)
    monkeypatch.setattr(sentinels, "_STEPS", 8)
