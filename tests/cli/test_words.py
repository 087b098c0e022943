from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

VECTORS = "man 1 0 0\nwoman 1 1 0\nking 1 0 2\nqueen 1 1 2\napple -3 -1 0\n"


@pytest.fixture
def vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "cache"))
    (tmp_path / "made.txt").write_text(VECTORS)
    return str(tmp_path / "made.txt")


def test_neighbours(run: Any, vectors: str) -> None:
    result = run("words", "near", "king", "--vectors", vectors, "-n", "2", "--json")
    assert [one["word"] for one in json.loads(result.stdout)["near"]] == ["queen", "man"]
    assert "queen" in run("words", "near", "king", "--vectors", vectors).stdout


def test_distance(run: Any, vectors: str) -> None:
    found = json.loads(run("words", "distance", "king", "man", "--vectors", vectors, "--json").stdout)
    assert found["distance"] == 2 and found["cosine"] == pytest.approx(1 / 5**0.5)
    assert "2.0000" in run("words", "distance", "king", "man", "--vectors", vectors).stdout


def test_an_analogy_without_and_with_the_words_asked_for(run: Any, vectors: str) -> None:
    (answer,) = json.loads(run("words", "analogy", "king", "man", "woman", "--vectors", vectors, "-n", "2", "--json").stdout)["answers"]
    assert answer["without"][0]["word"] == "queen" and [one["word"] for one in answer["with"]] == ["queen", "king"]


def test_bias_asks_both_ways_round(run: Any, vectors: str) -> None:
    document = json.loads(run("words", "bias", "queen", "woman", "man", "--vectors", vectors, "--json").stdout)
    assert [one["question"] for one in document["answers"]] == [["queen", "woman", "man"], ["queen", "man", "woman"]]
    shown = run("words", "bias", "queen", "woman", "man", "--vectors", vectors).stdout
    assert "queen - woman + man" in shown and "without the words asked for" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("near", "kin"), "there is no vector of 'kin'; did you mean king"),
        (("near", "king", "--vectors", "no.txt"), "there is no file no.txt"),
    ],
)
def test_a_slip_is_one_line_and_ends_with_2(run: Any, vectors: str, words: tuple[str, ...], said: str) -> None:
    result = run("words", *words) if "--vectors" in words else run("words", *words, "--vectors", vectors)
    assert result.exit_code == 2 and said in result.stderr and result.stderr.count("error: ") == 1
