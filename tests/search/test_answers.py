from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.search import answers as asking
from hoodwink.search.answers import find_answers
from hoodwink.search.engine import Index
from hoodwink.search.exact import IDS, ROWS, exact, questions
from hoodwink.search.index import open_index
from hoodwink.search.storage import Storage

pytest.importorskip("faiss", reason="faiss is not installed (pip install 'hoodwink[search]')")


def right(store: Storage, queries: Any, k: int) -> str:
    """The answers are the nearest; returns how they were found."""
    found = find_answers(store, queries, k)
    ids, cosines = exact(store.rows(), questions(queries, k, 16), k)
    np.testing.assert_array_equal(found.ids, ids)
    np.testing.assert_allclose(found.cosines, cosines, atol=1e-6)
    return found.note


def folder(store: Storage) -> Path:
    with closing(open_index(store)) as index:
        assert isinstance(index, Index) and store.place is not None
        return store.place / index.built.folder


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)


def test_a_sound_index_answers_and_stays(store: Storage, filled: Callable[..., Any]) -> None:
    queries, first = filled(store, 60)[:4], folder(store)
    assert right(store, queries, 5) == right(store, queries, 100) == "every picture is compared" and folder(store) == first


@pytest.mark.parametrize("harm", ["noise", "zeros", "nan"])
def test_embeddings_beside_the_index_that_are_others(store: Storage, filled: Callable[..., Any], harm: str) -> None:
    queries, first = filled(store, 60)[:4], folder(store)
    noise = np.random.default_rng(0).standard_normal(60 * 16).astype(np.float16)
    (first / ROWS).write_bytes((noise * {"noise": 1, "zeros": 0, "nan": np.nan}[harm]).astype(np.float16).tobytes())
    assert right(store, queries, 5) == "every picture is compared" and folder(store) != first


@pytest.mark.parametrize("at", [3, 7])
@pytest.mark.parametrize("later", [False, True])
def test_ids_beside_the_index_that_are_others(store: Storage, filled: Callable[..., Any], at: int, later: bool) -> None:
    queries, first = filled(store, 60)[:4], folder(store)
    flipped(first / IDS, 128 + 8 * 20 + at)
    if later:  # it is held in memory that one came and one went
        store.remove(["/p000050.png"])
    right(store, queries, 60)
    assert later or folder(store) != first


def test_where_the_index_cannot_be_made_anew_all_is_read(
    store: Storage, filled: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = filled(store, 60)[:4]
    monkeypatch.setattr(asking, "_agrees", lambda *given: False)
    assert right(store, queries, 5) == "every embedding is read for each question: the index is damaged, and cannot be made anew"


def test_an_answer_that_went_meanwhile_is_no_damage(store: Storage, filled: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    queries, first = filled(store, 60)[:1], folder(store)
    query = Index.query

    def late(self: Index, *given: Any) -> Any:
        found = query(self, *given)
        store.remove(["/p000000.png"])
        return found

    monkeypatch.setattr(Index, "query", late)
    assert len(find_answers(store, queries, 5).ids[0]) == 5 and len(store) == 59
    monkeypatch.undo()
    assert store.place is not None and first.is_dir()
