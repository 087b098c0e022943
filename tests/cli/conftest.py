"""What the tests of the command line share: the program in this process, a tiny network, and photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hoodwink.cli.main import cli
from hoodwink.pictures.write import encode_png

COLOURS = "python:tiny_nets:colours"
TINY = ("--model", COLOURS)

Run = Callable[..., Result]
Paint = Callable[..., Path]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path


@pytest.fixture
def run() -> Run:
    """Run a command line as `hoodwink` does: run("look", photo).exit_code, .stdout, .stderr."""

    def run_line(*words: object) -> Result:
        result = CliRunner().invoke(cli, [str(word) for word in words], prog_name="hoodwink")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run_line


@pytest.fixture
def paint(tmp_path: Path) -> Paint:
    """Write a small photo of nearly one colour; the tiny network calls the default red, and is easily told otherwise."""

    def write(name: str = "red.png", levels: tuple[int, int, int] = (150, 130, 100), size: tuple[int, int] = (12, 16)) -> Path:
        noise = np.random.default_rng(0).integers(-8, 9, (*size, 3))
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(np.clip(np.array(levels) + noise, 0, 255).astype(np.uint8)))
        return Path(name)

    return write
