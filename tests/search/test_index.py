from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoodwink.search import engine
from hoodwink.search import index as indexes
from hoodwink.search.engine import CANDIDATES, NEAREST, WANTED, Index
from hoodwink.search.exact import IDS, ROWS, Whole, exact, questions
from hoodwink.search.index import POINTER, VECTORS, open_index, read_pointer
from hoodwink.search.storage import File, SearchError, Storage
from hoodwink.search.store import Store

pytest.importorskip("faiss", reason="faiss is not installed (pip install 'hoodwink[search]')")
Ask = Callable[..., Index]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Open the index of a store; it is closed at the end."""
    found = []

    def opened(store: Storage, place: Path | None = None) -> Index:
        found.append(open_index(store, place))
        assert isinstance(found[-1], Index)
        return found[-1]

    yield opened
    for one in found:
        one.close()


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pictures are many, and the eight components are half of them."""
    monkeypatch.setattr(indexes, "LARGE", 500)
    monkeypatch.setattr(indexes, "KEPT", (8,))


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Store]:
    """A store in SQLite, empty."""
    with closing(Store.open(tmp_path / "one", model="m", weights_sha256="ab", dimension=16)) as store:
        yield store


def oracle(store: Storage, queries: Any, k: int) -> tuple[Any, Any]:
    """All cosines of the kept embeddings in float64, sorted."""
    ids = store.ids()
    rows = store.vectors(ids).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = questions(queries, 1, store.card.dimension).astype(np.float64) @ rows.T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return ids[order], np.take_along_axis(cosines, order, axis=1)


def agree(index: Index | Whole, store: Storage, queries: Any, k: int) -> None:
    """The answers are those of the oracle, up to the order of those that are equal but for rounding."""
    ids, cosines = index.query(queries, k)
    wanted, values = oracle(store, queries, k)
    np.testing.assert_allclose(cosines, values, atol=2e-6)
    clear = np.abs(np.diff(values, axis=1, prepend=2.0, append=-2.0)) > 1e-5
    same = clear[:, :-1] & clear[:, 1:]
    assert (ids[same] == wanted[same]).all()


# exact answers


@pytest.mark.parametrize("k", [1, 5, 200, 400])
def test_a_flat_index_answers_as_the_definition(store: Storage, filled: Callable[..., Any], ask: Ask, k: int) -> None:
    queries = filled(store, 400)[:7] + 0.1
    index = ask(store)
    agree(index, store, queries, k)
    assert index.built.kind == "flat" and index.recall() == 1.0 and index.note == "every picture is compared"


def test_more_than_there_are(one: Store, filled: Callable[..., Any], ask: Ask) -> None:
    queries = filled(one, 5)
    ids, cosines = ask(one).query(queries, 50)
    assert ids.shape == cosines.shape == (5, 5) and (np.sort(ids, axis=1) == one.ids()).all()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 12), st.integers(1, 14), st.integers(0, 999))
def test_few_pictures_some_of_them_equal(tmp_path: Path, count: int, k: int, seed: int) -> None:
    shutil.rmtree(tmp_path / "few", ignore_errors=True)
    draw = np.random.default_rng(seed)
    with closing(Store.open(tmp_path / "few", model="m", weights_sha256="ab", dimension=3)) as store:
        store.add([File(f"/{at}", 1, 1, "a") for at in range(count)], draw.integers(1, 3, (count, 3)))
        with closing(open_index(store)) as index:
            queries = draw.standard_normal((2, 3))
            ids, cosines = index.query(queries, k)
            assert ids.shape == cosines.shape == (2, min(k, count))
            np.testing.assert_allclose(cosines, oracle(store, queries, k)[1], atol=2e-6)
            assert all(len(set(row)) == len(row) for row in ids.tolist())
            assert [np.lexsort((row, -values)).tolist() for row, values in zip(ids, cosines, strict=True)] == [[*range(min(k, count))]] * 2


def test_no_questions(one: Store, filled: Callable[..., Any], ask: Ask) -> None:
    filled(one, 5)
    assert ask(one).query(np.empty((0, 16)), 3)[0].shape == (0, 3)


# cells


def test_cells_find_nearly_all_and_rank_them_exactly(store: Storage, filled: Callable[..., Any], ask: Ask, cells: None) -> None:
    queries = filled(store, 1500)[:60] + 0.05
    index = ask(store)
    assert (index.built.kind, index.built.kept, index.built.cells, index.built.count) == ("cells", 8, 155, 1500)
    ids, cosines = index.query(queries, NEAREST)
    wanted, values = oracle(store, queries, NEAREST)
    share = np.mean([len(set(a) & set(b)) / NEAREST for a, b in zip(ids.tolist(), wanted.tolist(), strict=True)])
    assert share >= 0.98 and index.recall() == index.built.recall >= WANTED
    lookup = dict(zip(store.ids().tolist(), store.vectors(store.ids()), strict=True))
    for row, found, query in zip(ids, cosines, questions(queries, 1, 16), strict=True):
        rows = np.array([lookup[int(one)] for one in row])
        np.testing.assert_allclose(found, rows @ query / np.linalg.norm(rows, axis=1), atol=2e-6)
        assert (np.diff(found) <= 0).all()
    assert (cosines <= values + 2e-6).all()
    assert "of 155 cells are searched" in index.note


def test_the_recall_that_is_told_is_that_of_a_count_by_hand(one: Store, filled: Callable[..., Any], ask: Ask, cells: None) -> None:
    filled(one, 1500)
    index = ask(one)
    import faiss

    faiss.extract_index_ivf(index._engine).nprobe = 1
    told = index.recall(k=10, sample=1500)
    queries = one.vectors(one.ids())
    hits = []
    for own, found, wanted in zip(one.ids(), index.query(queries, 11)[0], oracle(one, queries, 11)[0], strict=True):
        right = [name for name in wanted if name != own][:10]
        hits.append(len({name for name in found if name != own} & set(right)) / 10)
    assert 0.3 < told < 0.99 and told == pytest.approx(np.mean(hits), abs=2e-3)


def test_components_that_lose_too_much_are_not_left_out(one: Store, ask: Ask, cells: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "KEPT", (2,))
    monkeypatch.setattr(engine, "CANDIDATES", 2 * NEAREST + 2)
    draw = np.random.default_rng(0)
    one.add([File(f"/{at}", at, at, "a") for at in range(900)], draw.standard_normal((900, 16)))  # no direction is more than another
    built = ask(one).built
    assert built.kept == 16 and built.recall >= WANTED


def test_many_answers_from_cells_are_exact(one: Store, filled: Callable[..., Any], ask: Ask, cells: None) -> None:
    queries = filled(one, 700)[:4]
    agree(ask(one), one, queries, CANDIDATES // 2 + 1)
    agree(ask(one), one, queries, 700)


def test_cells_that_hold_too_few_are_made_up_for(one: Store, filled: Callable[..., Any], ask: Ask, cells: None) -> None:
    queries = filled(one, 700)[:4]
    index = ask(one)
    import faiss

    faiss.extract_index_ivf(index._engine).nprobe = 1
    agree(index, one, queries, 100)


# up to date, or not


def folders(store: Storage) -> list[str]:
    assert store.place is not None
    return sorted(path.name for path in store.place.iterdir() if path.is_dir() and not path.name.endswith(".lance"))


def test_an_index_that_is_up_to_date_is_opened_as_it_is(store: Storage, filled: Callable[..., Any], ask: Ask) -> None:
    filled(store, 30)
    first = ask(store).built
    assert ask(store).built == first and folders(store) == [first.folder]


def test_a_stale_index_is_built_again(store: Storage, filled: Callable[..., Any], ask: Ask) -> None:
    filled(store, 30)
    first = ask(store)
    more = filled(store, 5, seed=9, name="q")
    agree(ask(store), store, more, 3)
    store.remove([f"/p{at:06d}.png" for at in range(20)])
    third = ask(store)
    agree(third, store, more, 15)
    assert third.built.count == 15 and folders(store) == [third.built.folder]
    assert first.query(more, 3)[0].shape == (5, 3)  # who had opened it goes on


def test_other_names_need_no_other_index(one: Store, filled: Callable[..., Any], ask: Ask) -> None:
    filled(one, 30)
    first = ask(one).built
    known = one.known()["/p000003.png"]
    one.moved([(known.path, File("/elsewhere.png", known.size, known.mtime, known.sha256))])
    assert ask(one).built == first and first.stamp != one.stamp()
    assert "/elsewhere.png" in {file.path for file in one.files(one.ids()).values()}


def test_cells_are_brought_up_to_date_without_being_made_again(one: Store, filled: Callable[..., Any], ask: Ask, cells: None) -> None:
    filled(one, 1000)
    first = ask(one).built
    one.remove([f"/p{at:06d}.png" for at in range(0, 200, 2)])
    queries = filled(one, 150, seed=5, name="q")
    second = ask(one)
    assert (second.built.count, second.built.trained, second.built.cells) == (1050, 1000, first.cells)
    ids, cosines = second.query(queries, 10)
    assert set(ids.ravel().tolist()) <= set(one.ids().tolist())
    assert (cosines[:, 0] > 1 - 1e-5).all()  # each new picture finds itself
    assert second.recall() == second.built.recall >= WANTED
    filled(one, 700, seed=6, name="r")  # many more: the cells are made again
    assert ask(one).built.trained == 1750


def test_a_store_that_has_shrunk_to_few_is_compared_whole(one: Store, filled: Callable[..., Any], ask: Ask, cells: None) -> None:
    queries = filled(one, 504)[:3]
    assert ask(one).built.kind == "cells"
    one.remove([f"/p{at:06d}.png" for at in range(500, 504)])
    assert ask(one).built.kind == "cells" and len(one) == 500
    one.remove(["/p000499.png"])
    found = ask(one)
    assert found.built.kind == "flat"
    agree(found, one, queries, 3)


@pytest.mark.parametrize("share", [0.3, 0.99])
def test_damaged_cells_are_made_anew_though_much_has_changed(
    one: Store, filled: Callable[..., Any], ask: Ask, cells: None, share: float
) -> None:
    filled(one, 1000)
    assert one.place is not None
    path = one.place / ask(one).built.folder / VECTORS
    data = bytearray(path.read_bytes())
    data[int(share * len(data)) :] = bytes(len(data) - int(share * len(data)))
    path.write_bytes(data)
    queries = filled(one, 50, seed=5, name="q")[:3]
    agree(ask(one), one, queries, 1)


def test_a_store_made_anew_in_the_same_folder(tmp_path: Path, filled: Callable[..., Any], ask: Ask) -> None:
    for seed in (0, 1):
        for path in tmp_path.glob("search.db*"):
            path.unlink()
        with closing(Store.open(tmp_path, model="m", weights_sha256="ab", dimension=16)) as store:
            queries = filled(store, 30, seed=seed)
            agree(ask(store), store, queries, 5)


def test_a_store_put_back_from_a_copy(tmp_path: Path, filled: Callable[..., Any], ask: Ask) -> None:
    asked: dict[str, Any] = {"model": "m", "weights_sha256": "ab", "dimension": 16}
    with closing(Store.open(tmp_path, **asked)) as store:
        filled(store, 30)
    shutil.copy(tmp_path / "search.db", tmp_path / "copy")
    for seed, name in ((1, "q"), (2, "r")):
        shutil.copy(tmp_path / "copy", tmp_path / "search.db")
        with closing(Store.open(tmp_path, **asked)) as store:
            queries = filled(store, 10, seed=seed, name=name)
            agree(ask(store), store, queries, 5)


@pytest.mark.parametrize("name", [VECTORS, ROWS, IDS, POINTER])
@pytest.mark.parametrize("harm", ["gone", "short", "junk"])
def test_a_damaged_index_is_built_again(one: Store, filled: Callable[..., Any], ask: Ask, cells: None, name: str, harm: str) -> None:
    queries = filled(one, 600)[:3]
    assert one.place is not None
    with closing(open_index(one)) as index:
        assert isinstance(index, Index)
        path = one.place / POINTER if name == POINTER else one.place / index.built.folder / name
    data = path.read_bytes()
    path.unlink()
    if harm != "gone":
        path.write_bytes(data[:-7] if harm == "short" else os.urandom(100))
    found = ask(one)
    agree(found, one, queries, 1)
    assert folders(one) == [found.built.folder]


@pytest.mark.parametrize(
    "change",
    [
        {"folder": 5},
        {"folder": None},
        {"folder": "../elsewhere"},
        {"recall": "x"},
        {"recall": float("nan")},
        {"kind": "what"},
        {"kind": "cells", "probes": 0},
        {"count": True},
        {"probes": 10**30},
        {"more": 1},
        "[" * 100_000,
        "[]",
        b"\xff",
    ],
)
def test_a_damaged_pointer_is_none(one: Store, filled: Callable[..., Any], ask: Ask, change: Any) -> None:
    filled(one, 5)
    assert one.place is not None and read_pointer(one.place) is None
    built, path = ask(one).built, one.place / POINTER
    assert read_pointer(one.place) == built
    text = json.dumps(json.loads(path.read_bytes()) | change) if isinstance(change, dict) else change
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert read_pointer(one.place) is None and ask(one).built.folder != built.folder


@pytest.mark.parametrize(
    "ids", [b"", np.arange(30, dtype=np.int32), np.zeros(30, np.int64), np.zeros((30, 1), np.int64), [0.5] * 30, [None]]
)
def test_ids_that_cannot_be_make_the_index_anew(one: Store, filled: Callable[..., Any], ask: Ask, ids: Any) -> None:
    queries = filled(one, 30)[:3]
    first = ask(one).built.folder
    assert one.place is not None
    path = one.place / first / IDS
    path.write_bytes(ids) if isinstance(ids, bytes) else np.save(path, ids)
    found = ask(one)
    agree(found, one, queries, 3)
    assert found.built.folder != first


def test_what_interrupts_a_build_leaves_the_index_of_before(
    one: Store, filled: Callable[..., Any], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(one, 30)
    first = ask(one).built
    filled(one, 5, name="q")
    for error in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) if isinstance(error, KeyboardInterrupt) else nullcontext():

            def fail(*given: Any, error: BaseException = error) -> None:
                raise error

            patch.setattr(indexes, "write_json", fail)
            whole = open_index(one)
            assert isinstance(whole, Whole) and whole.note.endswith("no space left on device")
        assert one.place is not None and json.loads((one.place / POINTER).read_bytes())["folder"] == first.folder
        assert first.folder in folders(one) and not any(name.startswith(".building") for name in folders(one))
    assert ask(one).built.count == 35 and len(folders(one)) == 1


def test_what_a_dead_builder_left_goes_after_a_day(one: Store, filled: Callable[..., Any], ask: Ask) -> None:
    filled(one, 5)
    assert one.place is not None
    for name, age in ((".building-new", 0.0), (".building-old", 2 * 86400.0)):
        (one.place / name).mkdir()
        stamp = (one.place / name).stat().st_mtime - age
        os.utime(one.place / name, (stamp, stamp))
    ask(one)
    assert ".building-new" in folders(one) and ".building-old" not in folders(one)


# where, and without FAISS


def test_another_folder_for_the_index(one: Store, filled: Callable[..., Any], ask: Ask, tmp_path: Path) -> None:
    filled(one, 5)
    place = tmp_path / "there" / "index"
    index = ask(one, place)
    assert (place / index.built.folder / VECTORS).is_file() and folders(one) == []


def test_what_takes_time_is_said(one: Store, filled: Callable[..., Any], cells: None) -> None:
    filled(one, 600)
    said: list[str] = []
    for _ in range(2):
        open_index(one, say=said.append).close()
    assert said == ["index: reading the embeddings", "index: making 98 cells of 600 pictures in 8 components"]


def test_without_faiss_the_store_is_read_and_that_is_said(
    store: Storage, filled: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = filled(store, 100)[:3]

    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(indexes.importlib, "import_module", absent)
    index = open_index(store)
    assert isinstance(index, Whole) and "pip install 'hoodwink[search]'" in index.note
    agree(index, store, queries, 7)


def test_an_index_that_cannot_be_written(one: Store, filled: Callable[..., Any], tmp_path: Path) -> None:
    queries = filled(one, 5)
    (tmp_path / "file").write_bytes(b"")
    index = open_index(one, tmp_path / "file")
    assert isinstance(index, Whole) and f"the index cannot be written to {tmp_path}/file: not a directory" in index.note
    agree(index, one, queries, 3)


def test_the_index_asks_as_the_exact_search_does(one: Store, filled: Callable[..., Any], ask: Ask) -> None:
    queries = filled(one, 50)[:4]
    index = ask(one)
    ids, cosines = exact(one.rows(9), questions(queries, 5, 16), 5)
    found = index.query(queries, 5)
    assert (found[0] == ids).all()
    np.testing.assert_allclose(found[1], cosines, atol=2e-7)
    for bad in (np.ones((1, 3)), np.zeros((1, 16))):
        with pytest.raises(SearchError):
            index.query(bad, 5)
