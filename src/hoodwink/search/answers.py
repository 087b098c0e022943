"""Answers for a user or a verdict: those of the index, held against the embeddings that the store itself has."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.search.exact import CHUNK, Whole, compare, questions, units
from hoodwink.search.index import POINTER, open_index
from hoodwink.search.storage import Damaged, Floats, Ids, Storage

_ROUNDING = 1e-5  # the same embeddings, compared in another order


@dataclass(frozen=True)
class Answers:
    """The ids and cosines, N x min(k, pictures), of the nearest, and how they were found, in words."""

    ids: Ids
    cosines: Floats
    note: str


def find_answers(store: Storage, vectors: Any, k: int, place: Path | None = None) -> Answers:
    """Ask a store's index (see `open_index`, `Index.query`) and compare what it says of each answer with the store.

    A damaged index is made anew, once; where that does not help, or it cannot be written, all embeddings are read. Damage that hides an
    answer, and changes none that is given, is not seen.
    """
    for _ in range(2):
        stamp = store.stamp()
        with closing(open_index(store, place)) as index, suppress(Damaged), np.errstate(all="ignore"):
            found = Answers(*index.query(vectors, k), index.note)
            if isinstance(index, Whole) or _agrees(store, questions(vectors, k, store.card.dimension), found, stamp):
                return found
        with suppress(OSError):
            (place or store.place or Path()).joinpath(POINTER).unlink()
    whole = Whole(store, "the index is damaged, and cannot be made anew")
    return Answers(*whole.query(vectors, k), whole.note)


def _agrees(store: Storage, queries: Floats, found: Answers, stamp: str) -> bool:
    """Whether the store's own embeddings have these cosines; an answer may have gone since the stamp."""
    for query, ids, cosines in zip(queries, found.ids, found.cosines, strict=True):
        if len(np.unique(ids)) < len(ids):
            return False
        for at in range(0, len(ids), CHUNK):
            some, told = ids[at : at + CHUNK], cosines[at : at + CHUNK]
            there, halves = store.rows_of(some)
            order = np.argsort(some)
            known = told[order[np.searchsorted(some, there, sorter=order)]]
            if not (abs(compare(units(halves), query) - known) <= _ROUNDING).all():  # NaN too
                return False
            if len(there) < len(some) and store.stamp() == stamp:
                return False
    return True
