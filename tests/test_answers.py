"""What the questions and answers print is what they say."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_the_answers_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(str(ROOT / "docs/explanation/answers.md"), module_relative=False)
    assert tried > 20 and not failed, "python -m doctest docs/explanation/answers.md says what differs"
