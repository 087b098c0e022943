from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import hoodwink

ROOT = Path(__file__).resolve().parents[1]


def test_every_public_name_is_there_and_listed() -> None:
    for name in hoodwink.__all__:
        assert getattr(hoodwink, name) is not None
        assert name in dir(hoodwink)
    assert hoodwink.__all__ == sorted(hoodwink.__all__)
    assert callable(hoodwink.fool)
    assert callable(hoodwink.judge)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'foool'"):
        hoodwink.foool  # noqa: B018


def test_the_import_alone_is_light() -> None:
    code = "import sys, hoodwink; dir(hoodwink); print([name for name in ('torch', 'numpy', 'PIL', 'click') if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_checkout_that_is_not_installed_has_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", absent)
    assert hoodwink._version() == "0+checkout"
