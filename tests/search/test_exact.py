from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoodwink.search.exact import IDS, ROWS, Rows, Whole, best, exact, questions, units, widened
from hoodwink.search.storage import SearchError, Storage


def chunked(ids: Any, rows: Any, size: int) -> Iterator[tuple[Any, Any]]:
    for at in range(0, len(ids), size):
        yield ids[at : at + size], rows[at : at + size]


def one_by_one(ids: Any, rows: Any, query: Any, k: int) -> list[int]:
    """By the definition: float64, sorted by cosine, then by id."""
    rows = rows.astype(np.float64)
    cosines = [float(np.dot(row, query) / np.sqrt(np.dot(row, row))) for row in rows]
    order = sorted(range(len(ids)), key=lambda at: (-round(cosines[at], 6), ids[at]))
    return [int(ids[at]) for at in order[:k]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 45), st.integers(1, 12), st.integers(0, 10**6))
def test_the_nearest_are_those_of_the_definition(count: int, k: int, size: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows = draw.integers(-2, 3, (count, 4)).astype(np.float16)  # small whole numbers: many equal ones
    rows[(rows == 0).all(axis=1)] = 1
    ids = draw.permutation(count * 3)[:count].astype(np.int64)
    queries = questions(draw.standard_normal((3, 4)), k, 4)
    found, cosines = exact(chunked(ids, rows, size), queries, k)
    assert found.shape == cosines.shape == (3, min(k, count))
    for at, query in enumerate(queries.astype(np.float64)):
        assert [round(float(c), 4) for c in cosines[at]] == sorted((round(float(c), 4) for c in cosines[at]), reverse=True)
        wanted = one_by_one(ids, rows, query, k)
        gap = np.abs(np.diff(np.sort(units(rows).astype(np.float64) @ query)))
        if not ((gap > 0) & (gap < 1e-5)).any():  # else float32 may order them either way
            assert sorted(found[at].tolist()) == sorted(wanted) or np.isclose(cosines[at][-1], cosines[at][-2:], atol=1e-6).all()


def test_equal_ones_come_by_their_ids_also_across_chunks() -> None:
    rows = np.ones((9, 4), np.float16)
    ids = np.array([50, 3, 40, 7, 30, 1, 20, 9, 10])
    found, cosines = exact(chunked(ids, rows, 2), questions(np.ones((1, 4)), 4, 4), 4)
    assert found.tolist() == [[1, 3, 7, 9]]
    np.testing.assert_allclose(cosines, 1, atol=1e-6)


def test_the_length_does_not_count() -> None:
    rows = np.array([[1, 0], [100, 1], [0.01, 0.01]], np.float16)
    found, cosines = exact([(np.arange(3), rows)], questions([[5.0, 0.0]], 3, 2), 3)
    assert found.tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(cosines[0], [1, 100 / np.hypot(100, 1), np.sqrt(0.5)], atol=1e-6)


def test_every_finite_half_is_widened_to_the_same_number() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    np.testing.assert_array_equal(widened(halves).view(np.uint32), halves.astype(np.float32).view(np.uint32))


def test_no_rows_and_no_questions() -> None:
    assert exact([], questions(np.ones((2, 4)), 3, 4), 3)[0].shape == (2, 0)
    assert exact([(np.arange(2), np.ones((2, 4), np.float16))], np.empty((0, 4), np.float32), 3)[0].size == 0


def test_best_of_few() -> None:
    ids, cosines = best(np.array([5, 4, 3]), np.array([0.1, 0.9, 0.9], np.float32), 2)
    assert ids.tolist() == [3, 4] and cosines.tolist() == [np.float32(0.9)] * 2


@pytest.mark.parametrize(
    ("vectors", "k", "said"),
    [
        (np.ones(4), 1, "N x 4 were wanted, 4 came"),
        (np.ones((2, 5)), 1, "N x 4 were wanted, 2 x 5 came"),
        (3.0, 1, "a number came"),
        (np.ones((2, 4)), 0, "1 or more was wanted, not 0"),
        (np.zeros((1, 4)), 1, "zero or not finite"),
        (np.full((1, 4), np.nan), 1, "zero or not finite"),
    ],
)
def test_questions_that_are_none(vectors: Any, k: int, said: str) -> None:
    with pytest.raises(SearchError, match=said):
        questions(vectors, k, 4)


def test_the_whole_store_answers(store: Storage, filled: Callable[..., Any]) -> None:
    given = filled(store, 60)
    whole = Whole(store, "because")
    ids, cosines = whole.query(given[:3], 5)
    named = store.files(ids.ravel())
    oracle = np.argsort(-(given[:3] @ given.T) / np.linalg.norm(given, axis=1), axis=1)[:, :5]
    assert [[named[one].size for one in row] for row in ids.tolist()] == oracle.tolist()
    np.testing.assert_allclose(cosines[:, 0], 1, atol=1e-3)
    assert whole.note.endswith(": because") and whole.recall() == 1.0 and whole.built is None
    whole.close()


# the file


def test_the_file_holds_what_the_store_holds(
    store: Storage, filled: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hoodwink.search.exact.CHUNK", 7)
    filled(store, 40)
    ids = np.random.default_rng(1).permutation(store.ids())
    for _ in ("pread", "seek"):
        with closing(Rows.copied(store, tmp_path)) as rows:
            np.testing.assert_array_equal(rows.ids, store.ids())
            np.testing.assert_array_equal(rows.take(ids), units(store.vectors(ids).astype(np.float16)))
            some = list(rows.chunks())
            assert max(len(part) for part, _ in some) == 7 and rows.take(ids[:0]).shape == (0, 16)
            for part, halves in some:
                np.testing.assert_array_equal(halves.astype(np.float32), store.vectors(part))
        monkeypatch.delattr("os.pread", raising=False)


@pytest.mark.parametrize("name", [ROWS, IDS])
def test_a_file_cut_short_is_refused(store: Storage, filled: Callable[..., Any], tmp_path: Path, name: str) -> None:
    filled(store, 40)
    Rows.copied(store, tmp_path).close()
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1])
    with pytest.raises(ValueError):
        Rows(tmp_path, 16)
