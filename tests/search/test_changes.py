"""An index on the disk, and what came and went since it was built."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoodwink.search import engine
from hoodwink.search import index as indexes
from hoodwink.search.engine import Index
from hoodwink.search.exact import exact, questions
from hoodwink.search.index import POINTER, open_index
from hoodwink.search.storage import File, Storage
from hoodwink.search.store import Store

pytest.importorskip("faiss", reason="faiss is not installed (pip install 'hoodwink[search]')")
CARD: dict[str, Any] = {"model": "m", "weights_sha256": "ab", "dimension": 8}
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "again", "copy", "remove"]), st.integers(1, 30), st.integers(0, 9)), min_size=1, max_size=6
)


def files(count: int, name: str) -> list[File]:
    return [File(f"/{name}{at}", 1, 1, f"{name}{at}") for at in range(count)]


def right(index: Any, store: Storage, queries: Any, *counts: int) -> None:
    """The answers are those of a comparison with all that is in the store, to the last bit."""
    for k in counts:
        wanted = exact(store.rows(), questions(queries, k, store.card.dimension), k)
        for found, true in zip(index.query(queries, k), wanted, strict=True):
            np.testing.assert_array_equal(found, true)


def step(store: Storage, kind: str, count: int, seed: int) -> None:
    """Pictures come, come again as others, come as copies of what is there, or go."""
    draw, known = np.random.default_rng(seed), sorted(store.known().values(), key=lambda file: file.path)
    some = known[:: max(1, len(known) // count)]
    if kind == "add":
        store.add(files(count, f"{seed}-"), draw.standard_normal((count, 8)))
    elif kind == "again" and some:
        store.add(some, draw.integers(1, 3, (len(some), 8)))  # small whole numbers: equal ones
    elif kind == "copy":
        store.copied([File(f"/copy{seed}{file.path}", 1, 1, file.sha256) for file in some])
    else:
        store.remove([file.path for file in some])


def walk(where: Path, steps: Any) -> list[int]:
    """Follow the steps, look at all answers after each, and return how many pictures each index held in memory."""
    held, queries = [], np.random.default_rng(0).standard_normal((3, 8))
    with closing(Store.open(where, **CARD)) as store:
        store.add(files(60, "first"), np.random.default_rng(1).integers(1, 3, (60, 8)))
        for asked in [None, *steps]:
            if asked is not None:
                step(store, *asked)
            with closing(open_index(store)) as index:
                right(index, store, queries, 1, 7, max(1, len(store) - 1), len(store) + 3)
                assert isinstance(index, Index) and len(index.rows.ids) == len(store)
                held.append(len(index.rows.came))
    return held


@pytest.mark.parametrize("share", [0.02, 0.4, 1e9])  # hardly ever, now and then, always in memory
@pytest.mark.parametrize("large", [10**6, 1])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_comes_and_goes_the_answers_are_exact(share: float, large: int, steps: Any) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexes, "_SHARE", share)
        patch.setattr(indexes, "LARGE", 40 if large == 1 else large)
        patch.setattr(indexes, "KEPT", (8,))
        patch.setattr(engine, "WANTED", 2.0)  # all cells are searched
        walk(Path(folder), steps)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(tmp_path, **CARD)) as opened:
        yield opened


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "LARGE", 500)
    monkeypatch.setattr(indexes, "KEPT", (4,))


def test_a_little_change_writes_nothing(store: Store, cells: None, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    store.add(files(1000, "p"), draw.standard_normal((1000, 8)))
    open_index(store).close()
    before = (tmp_path / POINTER).read_bytes(), sorted(path.name for path in tmp_path.iterdir())
    queries = draw.standard_normal((10, 8))
    store.add(files(10, "q"), queries)
    store.remove([f"/p{at}" for at in range(10)])
    with closing(open_index(store)) as index:
        ids, cosines = index.query(queries, 5)
        assert (cosines[:, 0] > 1 - 1e-5).all() and np.isin(ids, store.ids()).all()
        assert index.note.endswith("; 10 that came since are compared one by one")
        assert index.recall() > 0.98
        right(index, store, queries, 129, 995, 1000)
    assert before == ((tmp_path / POINTER).read_bytes(), sorted(path.name for path in tmp_path.iterdir()))


def test_the_nearest_may_all_be_gone(store: Store, cells: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "_SHARE", 0.9)
    draw = np.random.default_rng(0)
    near, far = draw.standard_normal((600, 8)) * 0.01 + 1, draw.standard_normal((600, 8))
    store.add(files(600, "near"), near)
    store.add(files(600, "far"), far)
    open_index(store).close()
    store.remove([file.path for file in files(600, "near")])
    with closing(open_index(store)) as index:
        assert isinstance(index, Index) and index.built is not None and index.built.count == 1200
        assert np.isin(index.query(near[:5], 20)[0], store.ids()).all()
        right(index, store, near[:5], 200, 400)


@pytest.mark.parametrize(("limit", "held"), [(4 * 8 * 12, 12), (4 * 8 * 12 - 1, 0)])
def test_many_bytes_are_not_held(store: Store, monkeypatch: pytest.MonkeyPatch, limit: int, held: int) -> None:
    monkeypatch.setattr(indexes, "_HELD", limit)
    draw = np.random.default_rng(0)
    store.add(files(1000, "p"), draw.standard_normal((1000, 8)))
    open_index(store).close()
    store.add(files(12, "q"), draw.standard_normal((12, 8)))
    with closing(open_index(store)) as index:
        assert isinstance(index, Index) and (len(index.rows.came), index.built.count) == (held, 1012 - held)


def test_copies_come_by_their_ids_wherever_they_are(store: Store) -> None:
    vector = np.random.default_rng(0).standard_normal(8)
    store.add(files(150, "p"), np.tile(vector, (150, 1)))
    open_index(store).close()
    store.copied([File("/copy", 1, 1, "p3")])
    store.remove(["/p0"])
    with closing(open_index(store)) as index:
        assert isinstance(index, Index) and len(index.rows.came) == 1
        assert index.query(vector[None], 150)[0].tolist() == [store.ids().tolist()]
        assert index.query(vector[None], 20)[0].tolist() == [store.ids()[:20].tolist()]


def test_what_goes_while_an_index_is_opened_is_left_out(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    store.add(files(1000, "p"), draw.standard_normal((1000, 8)))
    open_index(store).close()
    store.add(files(2, "q"), draw.standard_normal((2, 8)))
    seen = store.ids

    def then_one_goes() -> Any:
        ids = seen()
        with closing(Store.open(tmp_path)) as other:
            other.remove(["/q0"])
        return ids

    monkeypatch.setattr(store, "ids", then_one_goes)
    with closing(open_index(store)) as index:
        right(index, store, draw.standard_normal((3, 8)), 5, 1001)


def test_the_other_store(store: Store, tmp_path: Path, filled: Callable[..., Any]) -> None:
    pytest.importorskip("lancedb", reason="lancedb is not installed (pip install 'hoodwink[lance]')")
    from hoodwink.search.store import open_store

    with closing(open_store(f"lance:{tmp_path / 'lance'}", **CARD)) as lance:
        queries = filled(lance, 300)[:3]
        open_index(lance).close()
        filled(lance, 3, seed=4, name="q")
        lance.remove(["/p000001.png", "/p000002.png"])
        with closing(open_index(lance)) as index:
            assert isinstance(index, Index) and len(index.rows.came) == 3
            right(index, lance, queries, 1, 10, 301)
