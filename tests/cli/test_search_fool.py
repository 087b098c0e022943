from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import small_stores
from hoodwink.models.model import Model

from .conftest import Run

SMALL = ("--model", "python:small_stores:embedder")
Fool = Callable[..., object]


@pytest.fixture(scope="module")
def model() -> Model:
    return small_stores.embedder()


@pytest.fixture
def store(tmp_path: Path, model: Model) -> Path:
    """A store, and some of its pictures by short names."""
    place = small_stores.fill(tmp_path, model, 12)
    for number, name in enumerate(("one.png", "two.png")):
        (tmp_path / name).write_bytes((tmp_path / "pictures" / f"{number:02d}.png").read_bytes())
    return place


def test_a_fooled_picture_is_0_and_verified(run: Run, store: Path) -> None:
    line = ("search", "fool", "one.png", "--as", "two.png", "--store", store, "-k", "4", "--steps", "60", "--out", "out", *SMALL)
    result = run(*line)
    assert result.exit_code == 0 and result.stdout.startswith("one.png  fooled\n")
    assert "of 4, 4 and the first were asked for; cosine" in result.stdout and "fooled.png" in result.stdout
    assert run("verify", "out", "--trust-code").exit_code == 0
    record = json.loads(Path("out/run.json").read_text())
    assert record["arguments"] == [str(word) for word in line]


def test_json_holds_both_answers(run: Run, store: Path) -> None:
    result = run("search", "fool", "one.png", "--as", "two.png", "--store", store, "-k", "4", "--steps", "60", "--json", *SMALL)
    document = json.loads(result.stdout)
    assert document["fooled"] is True and document["folder"] == "hoodwink-out" and document["shared"] == 4
    assert document["after"]["answers"][0]["path"] == document["other"]["answers"][0]["path"]
    assert len(document["before"]["answers"]) == 4 and document["cosine"] > document["cosine_before"]


def test_one_that_is_not_fooled_is_1_and_kept(run: Run, store: Path) -> None:
    result = run("search", "fool", "one.png", "--as", "two.png", "--store", store, "-k", "4", "--steps", "1", *SMALL)
    assert result.exit_code == 1 and "not fooled: the budget is spent" in result.stdout
    assert Path("hoodwink-out/not-fooled.png").exists()
    assert run("verify", "hoodwink-out", "--trust-code").exit_code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("one.png", "--store", "none", "--as", "two.png"), "a store was wanted, there is none"),
        (("one.png", "--as", "gone.png"), "gone.png"),
        (("one.png", "--as", "one.png"), "already answers this picture as it answers the other"),
        (("one.png",), "--as"),
        (("one.png", "--as", "two.png", "--share", "0"), "--share"),
    ],
)
def test_what_cannot_be_asked_is_2(run: Run, store: Path, words: tuple[str, ...], message: str) -> None:
    result = run("search", "fool", *words, *(() if "--store" in words else ("--store", store)), *SMALL)
    assert result.exit_code == 2 and message in result.stderr
