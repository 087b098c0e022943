from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.data.made_vectors import made_vectors
from hoodwink.studies.analogies import ANALOGIES, PAIRS, asked
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import page
from hoodwink.studies.record import StudyError
from hoodwink.studies.runner import run
from hoodwink.studies.word_maps import parallel, pca, same_group, tsne, write_beside
from hoodwink.studies.words import FIRST, FIVE, KING, NURSE, WORDS, analogies, best, place, places, scores, solve
from hoodwink.texts.vectors import Vectors

HOW = {"alone": False, "distance": False, "unit": False, "keep": False}
# The first number is royal, the second female: king - man + woman = queen, and the nearest to it but these three is the apple.
TOY = Vectors(
    ("king", "queen", "man", "woman", "apple"), np.array([[2, -1, 1], [2, 1, 1], [0, -1, 1], [0, 1, 1], [1, 0, 0]], dtype=np.float32)
)


def desk(**changes: Any) -> Desk:
    return Desk("line", dict(WORDS.lines[0].settings) | {"vectors": "made"} | changes, 0, Path())


def test_a_hundred_analogies_ten_of_each_kind() -> None:
    assert len(set(ANALOGIES)) == 100 and len(PAIRS) == 10
    for kind in PAIRS:
        found = asked(kind)
        assert len(found) == 10 and {analogy.kind for analogy in found} == {kind}
        assert sorted(analogy.wanted for analogy in found) == sorted(analogy.a for analogy in found), "each pair is asked once"
    assert all(len(set(analogy.words)) == 4 and " ".join(analogy.words).islower() for analogy in ANALOGIES)
    assert asked("capital")[0].words == ("paris", "france", "italy", "rome")


@pytest.mark.parametrize("distance", [False, True])
def test_scores_order_words_as_their_definitions_do(distance: bool) -> None:
    random = np.random.default_rng(0)
    known = Vectors(tuple(map(str, range(30))), random.standard_normal((30, 5)).astype(np.float32))
    sums = random.standard_normal((4, 5)).astype(np.float32)
    for row, wanted in zip(scores(known, sums, distance), sums, strict=True):
        if distance:
            order = np.argsort(np.linalg.norm(known.array - wanted, axis=1))
        else:
            order = np.argsort(-known.array @ wanted / np.linalg.norm(known.array, axis=1))
        assert best(known, row, 30) == [str(k) for k in order]
        assert [place(known, row, str(k)) for k in order] == list(range(1, 31))


def test_answers_are_those_of_the_vectors() -> None:
    known = made_vectors()
    for keep in (True, False):
        (row,) = solve(known, [("doctor", "man", "woman")], HOW | {"keep": keep})
        assert best(known, row, 8) == [word for word, _ in known.analogy("doctor", "man", "woman", 8, keep=keep)]


def test_a_toy_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = solve(TOY, [KING], HOW)
    assert best(TOY, row, 2) == ["queen", "apple"] and place(TOY, row, "queen") == 1 and np.isneginf(row).sum() == 3
    # The sum is (2, 1, 1): its cosines with queen, king, woman and man are 1, 4/6, 2/sqrt(12) and 0.
    (row,) = solve(TOY, [KING], HOW | {"keep": True})
    assert [place(TOY, row, word) for word in ("queen", "apple", "king", "woman", "man")] == [1, 2, 3, 4, 5]
    # Alone, woman (0, 1, 1) is nearest to queen, 2/sqrt(12), then to the apple, 0.
    (row,) = solve(TOY, [KING], HOW | {"alone": True})
    assert best(TOY, row, 2) == ["queen", "apple"] and row[TOY.index["queen"]] == pytest.approx(2 / np.sqrt(6))
    monkeypatch.setattr("hoodwink.studies.analogies.PAIRS", {"gender": "man woman, king queen", "plural": "apple apples, man men"})
    monkeypatch.setattr("hoodwink.studies.words.PAIRS", ("gender", "plural"))
    assert places(TOY, HOW) == {"gender": [1, 1]}, "what is not known is left out"


def test_words_of_no_analogy_are_refused() -> None:
    with pytest.raises(StudyError, match="none is whole; type glove-50"):
        places(Vectors(("one", "two"), np.eye(2, dtype=np.float32)), HOW)


def test_the_made_vectors_know_four_kinds() -> None:
    found = analogies(desk(keep=False))
    assert set(found.series["places"]) == {"capital", "gender", "plural", "comparative"}
    assert found.values["analogies not known"] == 60 and found.values[FIRST] == found.values[FIVE] == 1
    she, he = (found.values[measure] for measure in NURSE.values())
    assert she == 1 and he > 10
    alone = analogies(desk(keep=False, alone=True)).values
    assert alone[FIRST] < 0.5, "c alone does not know what is asked"


def test_pca_finds_the_plane() -> None:
    random = np.random.default_rng(1)
    flat = random.standard_normal((20, 2)) * (5, 1)
    rows = (np.pad(flat, ((0, 0), (0, 3))) @ np.linalg.qr(random.standard_normal((5, 5)))[0] + 7).astype(np.float32)
    plane, kept = pca(rows)
    assert kept == pytest.approx(1)
    np.testing.assert_allclose(np.linalg.norm(plane[:, None] - plane, axis=2), np.linalg.norm(rows[:, None] - rows, axis=2), atol=1e-4)
    assert plane.var(0)[0] > plane.var(0)[1] and pca(np.eye(4, dtype=np.float32))[1] == pytest.approx(2 / 3)


def test_same_group_and_parallel_by_hand() -> None:
    line = np.array([[0], [1], [10], [11.5], [12]], dtype=np.float32)
    assert same_group(line, ["a", "a", "b", "b", "a"]) == pytest.approx(3 / 5), "the last two are each other's nearest"
    start = np.zeros((3, 2), np.float32)
    assert parallel(start, np.array([[1, 0], [2, 0], [3, 0]], np.float32)) == pytest.approx(1)
    assert parallel(start, np.array([[1, 0], [0, 2], [-3, 0]], np.float32)) == pytest.approx(-1 / 3)


def test_without_scikit_learn_there_is_no_t_sne_picture_and_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    assert tsne(np.eye(6, dtype=np.float32), 2.0, 0) is None
    result = run(WORDS, quick=True, out=tmp_path)
    assert [figure.file for figure in result.figures] == ["arrows.png", "analogies.png"]
    assert "needs pip install scikit-learn" in result.findings[-1]


def test_words_are_written_apart() -> None:
    with page(width=5, height=5) as figure:
        panel = figure.panels[0]
        places = np.array([[0.5, 0.5], [0.501, 0.5], [0.5, 0.501], [0, 0], [1, 1]])
        panel.plot(*places.T, "o")
        write_beside(panel, places, ["one", "two", "three", "four", "five"], ["k"] * 5, places[:0])
        boxes = [text.get_window_extent() for text in panel.texts]
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])
