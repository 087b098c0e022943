from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from hoodwink.search.index import open_index
from hoodwink.studies.image_search import NEAREST, _filled, _framed, _named, counted, found_again, nearest_others
from hoodwink.studies.result import read_result
from hoodwink.studies.runner import run

draw = np.random.default_rng(0)


def test_the_nearest_others_are_those_of_the_largest_cosines() -> None:
    vectors = torch.from_numpy(draw.standard_normal((1200, 8)) * draw.uniform(0.1, 10, (1200, 1))).float()  # over one chunk
    found = nearest_others(vectors, 5)
    for row in (0, 999, 1000, 1199):
        cosines = torch.cosine_similarity(vectors.double(), vectors[row].double()[None])
        cosines[row] = -2
        assert found[row].tolist() == cosines.argsort(descending=True)[:5].tolist()


def test_chance_is_what_random_answers_give() -> None:
    labels = torch.tensor([0] * 30 + [1] * 10)
    assert counted(labels).tolist() == [30.0] * 30 + [10.0] * 10
    chance = float(((counted(labels) - 1) / 39).mean())
    others = [np.delete(labels.numpy(), at) for at in range(40)]
    assert chance == pytest.approx(np.mean([(others[at] == labels.numpy()[at]).mean() for at in range(40)]))


def test_what_an_index_misses_is_counted(tmp_path: Path) -> None:
    rows = draw.standard_normal((80, 16))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with closing(_filled(tmp_path / "store", rows)) as store, closing(open_index(store)) as index:
        assert found_again(store, index, rows) > 0.98

        class Wrong:
            """Answers with the farthest."""

            def query(self, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
                ids, cosines = index.query(-vectors, k)
                return ids, -cosines

        assert found_again(store, Wrong(), rows) == 0.0


def test_wrong_answers_are_framed() -> None:
    levels = np.full((4, 4, 3), 9, np.uint8)
    assert (_framed(levels, True)[0] == 255).all() and (_framed(levels, False)[0] == (209, 73, 91)).all()
    assert (_framed(levels, False)[3:-3, 3:-3] == 9).all()


def test_a_quick_run_measures_and_shows_nothing_in_public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "cache"))
    result = run("image-search", quick=True, out=tmp_path / "run", limit="40", sizes="25")
    for line in result.lines:
        measures = {one.measure: one for one in line.measured}
        assert measures[f"recall@{NEAREST} of the index"].mean > 0.99
        assert measures[f"precision@{NEAREST}"].mean > measures[f"precision@{NEAREST} by chance"].mean
        assert measures[_named("index", 25)].timed and measures[_named("comparing all", 40)].mean > 0
    assert {figure.file: figure.private for figure in read_result(result.folder).figures} == {
        "precision.png": False,
        "ranks.png": False,
        "sheet-dogs.png": True,
        "sheet-dogs-all.png": True,
        "sheet-cifar10.png": True,
    }
