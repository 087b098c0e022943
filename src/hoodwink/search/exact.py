"""Exact search: every embedding compared with the question, in chunks; and the file of embeddings that lies beside an index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.search.storage import Damaged, Floats, Halves, Ids, SearchError, Storage, unit

CHUNK = 4096
ROWS, IDS = "rows.f16", "ids.npy"
CLOSE = 1e-6  # cosines as close as that differ by rounding


class Whole:
    """Answers as `Index` does, by reading the whole store for each question."""

    built = None
    note = "every embedding is read for each question"

    def __init__(self, store: Storage, why: str = "") -> None:
        self._store = store
        self.note += f": {why}" if why else ""

    def query(self, vectors: Any, k: int) -> tuple[Ids, Floats]:
        """See `Index`."""
        return exact(self._store.rows(CHUNK), questions(vectors, k, self._store.card.dimension), k)

    def recall(self, k: int = 20, sample: int = 200) -> float:
        """1: nothing is missed."""
        return 1.0

    def close(self) -> None:
        """Nothing is held."""


class Rows:
    """The embeddings as a store keeps them, in one file, but for those that went since; and those that came since, in memory.

    ids: of all that are there, rising; came: of those in memory.
    The file is read, not mapped: what was read does not stay in this process's memory.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self._stored = _read_ids(folder / IDS)
        self._dimension = dimension
        self._file = open(folder / ROWS, "rb", buffering=0)  # noqa: SIM115
        if os.fstat(self._file.fileno()).st_size != 2 * dimension * len(self._stored):
            self.close()
            raise ValueError("the embeddings are cut short")
        self.change(self._stored[:0], self._stored[:0], np.empty((0, dimension), np.float16))

    @classmethod
    def copied(cls, store: Storage, folder: Path) -> Rows:
        """Write the two files from a store."""
        ids = [np.empty(0, np.int64)]
        with open(folder / ROWS, "wb") as file:
            for some, halves in store.rows(CHUNK):
                file.write(halves.tobytes())
                ids.append(some)
        np.save(folder / IDS, np.concatenate(ids))
        return cls(folder, store.card.dimension)

    def change(self, gone: Ids, came: Ids, halves: Halves) -> None:
        """Leave out some ids of the file, and hold others with their embeddings n x D, beside all of the file."""
        self.came, self._halves, self._units = came, halves, units(halves)
        names = np.concatenate([self._stored, came])
        order = np.argsort(names, kind="stable")  # quick where they rise already
        there = np.ones(len(names), np.bool_)
        there[np.searchsorted(names, gone, sorter=order)] = False
        self._order = order[there]
        self.ids: Ids = names[self._order]
        self._live = np.ones(len(self._stored), np.bool_)
        self._live[order[~there]] = False

    def take(self, ids: Ids) -> Floats:
        """The unit vectors n x D of ids that are there, in their order; Damaged where one is not."""
        found = np.searchsorted(self.ids, ids)
        if len(found) and (found.max() == len(self.ids) or (self.ids[found] != ids).any()):
            raise Damaged("the index: it finds pictures that it does not know; remove its folder")
        places = self._order[found]
        late, out = places >= len(self._stored), np.empty((len(places), self._dimension), np.float32)
        if late.any():
            out[late], out[~late] = self._units[places[late] - len(self._stored)], self.take(self._stored[places[~late]])
            return out
        width = 2 * self._dimension
        for at in range(0, len(places), CHUNK):
            out[at : at + CHUNK] = units(
                self._joined(b"".join([self._read(width, place * width) for place in places[at : at + CHUNK].tolist()]))
            )
        return out

    def newest(self, query: Floats, k: int) -> Ids:
        """Of those that came, the k nearest to a unit vector, and those as near as the last of them."""
        if len(self.came) <= k:
            return self.came
        found = self._units @ query
        near: Ids = self.came[found >= np.partition(found, -k)[-k] - CLOSE]
        return near

    def chunks(self) -> Iterator[tuple[Ids, Halves]]:
        """All ids and embeddings in the order of the file, and those that came."""
        width = 2 * self._dimension
        for at in range(0, len(self._stored), CHUNK):
            live = self._live[at : at + CHUNK]
            yield self._stored[at : at + CHUNK][live], self._joined(self._read(len(live) * width, at * width))[live]
        yield self.came, self._halves

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _joined(self, data: bytes) -> Halves:
        return np.frombuffer(data, np.float16).reshape(-1, self._dimension)

    def _read(self, size: int, at: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), size, at)
        self._file.seek(at)
        return self._file.read(size) or b""


def _read_ids(path: Path) -> Ids:
    """Ids, each once; ValueError where they are none, whatever NumPy makes of a damaged file."""
    try:
        ids: Ids = np.load(path)
    except OSError:
        raise
    except Exception as error:
        raise ValueError("the ids cannot be read") from error
    if ids.dtype != np.int64 or ids.ndim != 1 or (np.diff(np.sort(ids, kind="stable")) == 0).any():
        raise ValueError("the ids cannot be")
    return ids


def exact(chunks: Iterable[tuple[Ids, Halves]], queries: Floats, k: int) -> tuple[Ids, Floats]:
    """The k best of all rows, N x min(k, rows), by cosine and then by id, for unit vectors N x D."""
    ids, cosines = [np.empty(0, np.int64)] * len(queries), [np.empty(0, np.float32)] * len(queries)
    floor = np.full(len(queries), -np.inf, np.float32)  # the last of the best so far
    for some, halves in chunks:
        rows = units(halves)
        found = queries @ rows.T  # N x n
        if len(some) > k and not np.isfinite(floor).all():  # else all of the first rows were looked at closely
            floor = np.maximum(floor, np.partition(found, -k, axis=1)[:, -k] - CLOSE)
        reach = found >= floor[:, None] - CLOSE
        for at in np.flatnonzero(reach.any(axis=1)):
            names, values = some[reach[at]], compare(rows[reach[at]], queries[at])
            ids[at], cosines[at] = best(np.concatenate([ids[at], names]), np.concatenate([cosines[at], values]), k)
            if len(ids[at]) == k:
                floor[at] = cosines[at][-1]
    width = min((len(one) for one in ids), default=0)
    return np.array(ids, np.int64).reshape(len(queries), width), np.array(cosines, np.float32).reshape(len(queries), width)


def best(ids: Ids, cosines: Floats, k: int) -> tuple[Ids, Floats]:
    """The k of the largest cosines, the smaller id first where they are equal."""
    order = np.lexsort((ids, -cosines))[:k]
    return ids[order], cosines[order]


def compare(rows: Floats, query: Floats) -> Floats:
    """The cosines n of unit vectors n x D with one; no matrix product, which rounds equal rows differently at different places."""
    found: Floats = np.einsum("nd,d->n", rows, query)
    return found


def units(halves: Halves) -> Floats:
    """Kept embeddings n x D at length one: float16 leaves them within 0.1 % of it."""
    rows = widened(halves)
    rows /= np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return rows


def widened(halves: Halves) -> Floats:
    """Finite float16 as float32, exactly: sign and digits are moved, the exponent is corrected. NumPy's own way takes three times as long."""
    bits = halves.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= np.int32(-0x70002000)  # 0x8fffe000: the sign came three times more
    rows = bits.view(np.float32)
    rows *= np.float32(2.0**112)  # the biases are 127 and 15
    return rows


def questions(vectors: Any, k: int, dimension: int) -> Floats:
    """Embeddings N x D to ask with, at length one; SearchError for another shape, no direction, k < 1."""
    shape = np.shape(vectors)
    if len(shape) != 2 or shape[1] != dimension:
        came = " x ".join(map(str, shape)) or "a number"
        raise SearchError(f"query: embeddings N x {dimension} were wanted, {came} came; embed with the store's own model")
    if k < 1:
        raise SearchError(f"k: 1 or more was wanted, not {k}")
    queries, good = unit(vectors)
    if not good.all():
        raise SearchError("query: embeddings with a direction were wanted, one is zero or not finite; ask with another picture")
    return queries
