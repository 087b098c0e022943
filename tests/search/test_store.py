from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoodwink.search import lance
from hoodwink.search import store as stores
from hoodwink.search.index import open_index
from hoodwink.search.storage import File, SearchError, Storage, unit
from hoodwink.search.store import DATABASE, Store, open_store

Open = Callable[..., Storage]
KEPT = 2**-11  # the relative rounding of float16


def file(path: str, content: str = "a", at: int = 0) -> File:
    return File(path, at, at, content * 64)


def vectors(*values: float) -> Any:
    """Directions in the first two dimensions, by their angle."""
    out = np.zeros((len(values), 16))
    out[:, 0], out[:, 1] = np.cos(values), np.sin(values)
    return out


def held(store: Storage) -> dict[str, np.ndarray[Any, Any]]:
    """Each path's embedding, by way of the ids."""
    ids = store.ids()
    named = store.files(ids)
    return {named[int(one)].path: row for one, row in zip(ids, store.vectors(ids), strict=True)}


# what was added is there


def test_an_embedding_is_kept_as_a_unit_vector_of_float16(store: Storage) -> None:
    given = np.random.default_rng(0).standard_normal((5, 16)) * np.array([1e-30, 1e-3, 1, 1e4, 1e30])[:, None]
    store.add([file(f"/{at}", "abcde"[at]) for at in range(5)], given)
    wanted = (given / np.linalg.norm(given, axis=1, keepdims=True)).astype(np.float32).astype(np.float16)
    found = held(store)
    assert [found[f"/{at}"].tobytes() for at in range(5)] == [row.astype(np.float32).tobytes() for row in wanted]


def test_files_come_back_as_they_were_given(store: Storage, reopen: Open) -> None:
    names = ["/it's", '/"quoted"', "/a;b -- c", "/%_", "/ein Bär 🐻", "/\\", "/line\nend", "/" + "x" * 3000]
    files = [File(name, 2**53 + 1, 1_700_000_000_123_456_789 + at, f"{at:064x}") for at, name in enumerate(names)]
    store.add(files, np.ones((len(files), 16)))
    again = reopen()
    assert again.known() == {one.path: one for one in files} and len(again) == len(files)
    assert sorted(again.files(again.ids()).values(), key=lambda one: one.mtime) == files
    assert again.remove(names) == len(names) and again.known() == {}


def test_rows_come_in_chunks_each_once(store: Storage, filled: Callable[..., Any]) -> None:
    filled(store, 50)
    chunks = list(store.rows(7))
    assert all(len(ids) == len(rows) <= 7 and rows.dtype == np.float16 for ids, rows in chunks)
    ids = np.concatenate([ids for ids, _ in chunks])
    assert sorted(ids.tolist()) == store.ids().tolist() and len(set(ids.tolist())) == 50
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in chunks]).astype(np.float32), store.vectors(ids))


def test_vectors_come_in_the_order_asked_for_more_than_one_question_long(store: Storage, filled: Callable[..., Any]) -> None:
    given = filled(store, 1200)
    ids = store.ids()[::-1]
    wanted = [unit(given[store.files([one])[int(one)].size][None])[0][0] for one in ids[:5]]
    found = store.vectors(ids)
    assert found.shape == (1200, 16) and found.dtype == np.float32
    np.testing.assert_allclose(found[:5], wanted, atol=KEPT)
    with pytest.raises(SearchError, match="1 of 2 ids are not in the store"):
        store.vectors([int(ids[0]), 5])
    assert store.files([5]) == {}


def test_rows_of_some_ids_leave_out_those_that_are_gone(store: Storage, filled: Callable[..., Any]) -> None:
    filled(store, 600)
    ids = store.ids()
    store.remove(["/p000003.png"])
    found, halves = store.rows_of(ids)
    assert halves.dtype == np.float16 and sorted(found.tolist()) == store.ids().tolist() and len(found) == 599
    np.testing.assert_array_equal(halves.astype(np.float32), store.vectors(found))
    assert store.rows_of(ids[:0])[1].shape == (0, 16)


def test_an_empty_store(store: Storage) -> None:
    assert (len(store), store.known(), store.ids().tolist(), list(store.rows()), store.remove(["/none"])) == (0, {}, [], [], 0)
    stamp = store.stamp()
    store.add([], np.empty((0, 16)))
    store.add([], [])
    assert store.copied([file("/x")]) == store.moved([("/none", file("/x"))]) == [file("/x")]
    assert store.stamp() == stamp and len(store) == 0


# a model of it


def operations() -> Any:
    path, content, angle = st.sampled_from("pqrst"), st.sampled_from("abc"), st.integers(0, 30)
    one = st.tuples(path, content, angle)
    return st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.lists(one, min_size=1, max_size=4)),
            st.tuples(st.just("remove"), st.lists(path, max_size=3)),
            st.tuples(st.just("copied"), st.lists(st.tuples(path, content), max_size=3, unique_by=lambda pair: pair[0])),
            st.tuples(st.just("moved"), st.tuples(path, path)),
        ),
        max_size=8,
    )


def follow(model: dict[str, tuple[str, set[int]]], name: str, asked: Any) -> None:
    """What an operation does to a path's content and the embeddings that it may have."""
    if name == "add":
        model.update({path: (content, {angle}) for path, content, angle in asked})
    elif name == "remove":
        for path in asked:
            model.pop(path, None)
    elif name == "copied":
        there: dict[str, set[int]] = {}
        for content, angles in model.values():
            there.setdefault(content, set()).update(angles)
        model.update({path: (content, there[content]) for path, content in asked if content in there})
    elif asked[0] in model:
        model[asked[1]] = model.pop(asked[0])


def carry_out(store: Storage, model: dict[str, Any], name: str, asked: Any) -> None:
    if name == "add":
        store.add([file(path, content) for path, content, _ in asked], vectors(*(angle / 10 for *_, angle in asked)))
    elif name == "remove":
        assert store.remove(asked) == len(set(asked) & model.keys())
    elif name == "copied":
        store.copied([file(path, content) for path, content in asked])
    else:
        source, target = asked
        store.moved([(source, file(target, model[source][0] if source in model else "a", at=1))])


def walk(where: str, steps: Any) -> None:
    model: dict[str, Any] = {}
    with closing(open_store(where, model="m", weights_sha256="ab", dimension=16)) as store:
        seen: dict[int, bytes] = {}
        for name, asked in steps:
            before, stamp = store.known(), store.stamp()
            carry_out(store, model, name, asked)
            follow(model, name, asked)
            assert {path: one.sha256[0] for path, one in store.known().items()} == {path: content for path, (content, _) in model.items()}
            assert before == store.known() or store.stamp() != stamp
            for path, row in held(store).items():
                assert any(np.allclose(row, vectors(angle / 10)[0], atol=2 * KEPT) for angle in model[path][1])
            for one in store.ids().tolist():  # an id has one embedding for ever
                assert seen.setdefault(one, store.vectors([one]).tobytes()) == store.vectors([one]).tobytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(operations())
def test_any_operations_do_what_they_do_to_a_dictionary(steps: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        walk(folder, steps)


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(operations())
def test_any_operations_do_what_they_do_to_a_dictionary_in_lance(steps: Any) -> None:
    pytest.importorskip("lancedb", reason="lancedb is not installed (pip install 'hoodwink[lance]')")
    with tempfile.TemporaryDirectory() as folder:
        walk(f"lance:{folder}/store", steps)


def test_two_files_that_changed_names_keep_their_embeddings(store: Storage) -> None:
    store.add([file("/p", "a"), file("/q", "b")], vectors(0, 1))
    store.copied([file("/p", "b", 1), file("/q", "a", 1)])
    found = held(store)
    np.testing.assert_allclose([found["/p"], found["/q"]], vectors(1, 0), atol=KEPT)


def test_a_moved_file_must_have_the_content_and_may_stay_where_it_is(store: Storage) -> None:
    store.add([file("/p", "a"), file("/q", "b")], vectors(0, 1))
    store.moved([("/p", file("/x", "b")), ("/q", file("/q", "b", 9))])
    assert store.known() == {"/p": file("/p", "a"), "/q": file("/q", "b", 9)}


def test_an_id_is_not_given_twice_even_if_it_was_the_last(store: Storage) -> None:
    seen = set()
    for _ in range(5):
        store.add([file("/p")], vectors(1))
        seen.add(int(store.ids()[0]))
        store.remove(["/p"])
    assert len(seen) == 5


# what cannot be


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.ones((1, 16)), "2 x 16 were wanted, 1 x 16 came"),
        (np.ones((2, 15)), "2 x 16 were wanted, 2 x 15 came"),
        (np.ones(16), "2 x 16 were wanted, 16 came"),
        (1.0, "one number came"),
        (np.array([[1.0] * 16, [0.0] * 16]), "^/q: .* zero or not finite"),
        (np.array([[np.nan] * 16, [1.0] * 16]), "^/p: .* zero or not finite"),
        (np.array([[1.0] * 16, [np.inf] * 16]), "^/q: "),
    ],
)
def test_embeddings_that_cannot_be_kept(store: Storage, given: Any, said: str) -> None:
    stamp = store.stamp()
    with pytest.raises(SearchError, match=said):
        store.add([file("/p", "a"), file("/q", "b")], given)
    assert len(store) == 0 and store.stamp() == stamp  # all or none


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"weights_sha256": "cd"}, "weights cd were wanted, this store holds those of abab.*; ask with model tiny"),
        ({"dimension": 17}, "dimension 17 were wanted, this store holds those of 16"),
        ({"layer": "pool"}, "layer pool were wanted, this store holds those of the last layer; leave --layer out"),
        ({"card_sha256": "other"}, "of others with the same weights; give the network, size"),
    ],
)
def test_a_store_of_other_embeddings_is_not_opened(store: Storage, reopen: Open, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(SearchError, match=said) as error:
        reopen(**asked)
    assert "\n" not in str(error.value)


def test_the_last_layer_is_wanted_of_a_store_of_another(reopen: Open) -> None:
    reopen(layer="pool")
    with pytest.raises(SearchError, match="of the last layer were wanted, this store holds those of layer pool; type --layer pool"):
        reopen(layer="")


def test_a_models_name_is_a_label(store: Storage, reopen: Open) -> None:
    assert reopen(model="other").card == store.card


def test_a_store_of_before_is_taken_whatever_the_models_card_says(reopen: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def older(card: Any) -> dict[str, Any]:
        return {name: value for name, value in asdict(card).items() if name != "card_sha256"}

    for module in (stores, lance):
        monkeypatch.setattr(module, "asdict", older)
    assert reopen().card.card_sha256 == "" and reopen(card_sha256="other").card.card_sha256 == ""


def test_a_store_says_whose_embeddings_it_holds_without_being_asked(store: Storage, reopen: Open) -> None:
    again = reopen(model=None, weights_sha256=None, dimension=None)
    assert again.card == store.card and again.card.dimension == 16 and again.card.model == "tiny"


def test_none_to_open_and_none_made(reopen: Open, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="a store was wanted, there is none"):
        reopen(weights_sha256=None)
    with pytest.raises(SearchError, match="dimension: 1 or more"):
        reopen(dimension=0)
    assert not list(tmp_path.iterdir())


def test_a_newer_format_is_not_opened(tmp_path: Path) -> None:
    open_store(tmp_path, model="m", weights_sha256="ab", dimension=4).close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection, connection:
        connection.execute("UPDATE meta SET value = '2' WHERE name = 'format'")
    with pytest.raises(SearchError, match="a store of format 1 was wanted, this is of 2"):
        Store.open(tmp_path)


@pytest.mark.parametrize("asked", [{}, {"model": "m", "weights_sha256": "ab", "dimension": 4}])
def test_files_that_are_no_stores(tmp_path: Path, asked: dict[str, Any]) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / DATABASE).write_bytes(b"no database at all " * 100)
    (tmp_path / "other").mkdir()
    with closing(sqlite3.connect(tmp_path / "other" / DATABASE)) as connection, connection:
        connection.execute("CREATE TABLE songs (name)")
    for name in ("text", "other"):
        before = (tmp_path / name / DATABASE).read_bytes()
        with pytest.raises(SearchError, match="a store was wanted, this is none") as error:
            Store.open(tmp_path / name, **asked)
        assert "\n" not in str(error.value) and (tmp_path / name / DATABASE).read_bytes() == before
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SearchError, match="no store can be had there|there is none"):
        Store.open(tmp_path / "file", **asked)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("UPDATE meta SET value = 'abc' WHERE name = 'dimension'", "its dimension is abc"),
        ("UPDATE meta SET value = '0' WHERE name = 'dimension'", "its dimension is 0"),
        ("UPDATE meta SET value = '' WHERE name = 'format'", "its format is "),
        ("DELETE FROM meta WHERE name = 'stamp'", "it has no stamp"),
        ("DELETE FROM meta WHERE name = 'layer'", "does not say whose embeddings"),
        ("UPDATE vectors SET vector = x'0000' WHERE id = (SELECT max(id) FROM vectors)", "has not the 16 numbers"),
        ("UPDATE vectors SET vector = 'text' WHERE id = (SELECT max(id) FROM vectors)", "has not the 16 numbers"),
    ],
)
def test_damaged_values_in_a_sound_file(tmp_path: Path, filled: Callable[..., Any], harm: str, said: str) -> None:
    with closing(Store.open(tmp_path, model="m", weights_sha256="ab", dimension=16)) as store:
        filled(store, 5)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection, connection:
        assert connection.execute(harm).rowcount == 1
    with pytest.raises(SearchError, match=said) as error, closing(Store.open(tmp_path)) as store:
        [store.stamp(), *store.rows()]
    assert "\n" not in str(error.value)


def test_a_store_that_cannot_be_written_is_read(tmp_path: Path, filled: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {"model": "m", "weights_sha256": "ab", "dimension": 16}
    with closing(Store.open(tmp_path / "a #?", **asked)) as store:
        filled(store, 5)
        known, vectors = store.known(), store.vectors(store.ids())

    def refused(*given: Any) -> None:
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorname = "SQLITE_READONLY_CANTINIT"
        raise error

    monkeypatch.setattr(stores, "_begin", refused)
    with closing(Store.open(tmp_path / "a #?", weights_sha256="ab")) as store:
        assert store.known() == known and (store.vectors(store.ids()) == vectors).all()
        with pytest.raises(SearchError, match="cannot be written: attempt to write a readonly database"):
            store.remove(list(known))
        index = open_index(store)
        assert len(index.query(vectors, 2)[0]) == 5
        index.close()
    with pytest.raises(SearchError, match="this cannot be opened and written: attempt to write a readonly database; name another"):
        Store.open(tmp_path / "a #?", **asked)


def test_a_damaged_store_says_so_in_one_line(tmp_path: Path, filled: Callable[..., Any]) -> None:
    with closing(Store.open(tmp_path, model="m", weights_sha256="ab", dimension=16)) as store:
        filled(store, 2000)
    data = bytearray((tmp_path / DATABASE).read_bytes())
    data[8192 * 3 :] = os.urandom(len(data) - 8192 * 3)
    (tmp_path / DATABASE).write_bytes(data)
    with pytest.raises(SearchError) as error, closing(Store.open(tmp_path)) as store:
        [*store.rows(), store.known()]
    assert "\n" not in str(error.value)


# as others see it


def test_a_copy_of_the_database_alone_is_the_store(tmp_path: Path, filled: Callable[..., Any]) -> None:
    with closing(Store.open(tmp_path / "a", model="m", weights_sha256="ab", dimension=16)) as store:
        filled(store, 10)
        stamp = store.stamp()
    (tmp_path / "b").mkdir()
    shutil.copy(tmp_path / "a" / DATABASE, tmp_path / "b")
    with closing(Store.open(tmp_path / "b")) as copy:
        assert len(copy) == 10 and copy.stamp() == stamp


def test_who_reads_sees_what_another_commits(store: Storage, reopen: Open) -> None:
    other, stamp = reopen(), store.stamp()
    other.add([file("/p")], vectors(1))
    assert list(store.known()) == ["/p"] and store.stamp() == other.stamp() != stamp


def test_rows_go_on_while_another_writes(store: Storage, reopen: Open, filled: Callable[..., Any]) -> None:
    filled(store, 40)
    other, ids = reopen(), set(store.ids().tolist())
    reading = store.rows(10)
    found = next(reading)[0].tolist()
    filled(other, 10, name="q")
    found += [one for some, _ in reading for one in some.tolist()]
    assert ids <= set(found) and len(set(found)) == len(found)


def test_a_store_whose_log_needs_a_folder_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {"model": "m", "weights_sha256": "ab", "dimension": 16}
    Store.open(tmp_path, **asked).close()

    def refused(*given: Any) -> Any:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorname = "SQLITE_CANTOPEN"
        raise error

    monkeypatch.setattr(stores, "_connect", refused)
    with pytest.raises(
        SearchError, match=r"search.db: cannot be read: its log of changes \(search.db-wal\) asks for a folder that can be written"
    ):
        Store.open(tmp_path)
    with pytest.raises(SearchError, match="a store was wanted, this cannot be opened and written"):
        Store.open(tmp_path, **asked)
