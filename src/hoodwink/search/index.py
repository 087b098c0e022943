"""The index of image search: FAISS finds candidates, the kept embeddings rank them; it is made from the store, and anew when that has changed."""

from __future__ import annotations

import importlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.runs import one_line, write_json
from hoodwink.search.exact import IDS, ROWS, Rows, Whole, best, exact, questions
from hoodwink.search.store import Floats, Halves, Ids, SearchError, Storage

LARGE = 100_000  # pictures; from here on some cells are searched, not every picture
KEPT = (128, 320)  # principal components in the cells, tried in this order, then all: the fewer, the less is read, held and computed
CANDIDATES = 256  # ranked again with the kept embeddings
WANTED, NEAREST, SAMPLE = 0.995, 20, 200  # of the nearest 20 of 200 pictures, how many the cells that are searched must hold
POINTER, VECTORS = "index.json", "vectors.faiss"
_PER_CELL = 32  # pictures a cell that it is trained on
_DRIFT = 0.02  # of the pictures may change before the recall is measured again
_SAME = 1e-6  # cosines as close as that differ by rounding
_DAY = 86400.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """What an index was built from, and how.

    stamp: the store's. kind: "flat" (every picture is compared) or "cells" (of `cells` cells the `probes` nearest to the question).
    kept: principal components in the cells. trained: how many pictures there were when the cells were made. recall: how many of the
    nearest 20 were found when that was last measured; drift: pictures that came and went since. size: of the FAISS file, in bytes.
    """

    stamp: str
    folder: str
    count: int
    dimension: int
    kind: str = "flat"
    recall: float = 1.0
    kept: int = 0
    cells: int = 0
    probes: int = 0
    trained: int = 0
    drift: int = 0
    size: int = 0


class Index:
    """Answers which pictures are nearest to an embedding, by the cosine."""

    def __init__(self, built: Built, rows: Rows, engine: Any) -> None:
        self.built, self.rows = built, rows
        self._engine = engine

    @property
    def note(self) -> str:
        """How the answers are found, in words."""
        if self.built.kind == "flat":
            return "every picture is compared"
        return f"{self.built.probes} of {self.built.cells} cells are searched: {self.built.recall:.1%} of the nearest {NEAREST} are found"

    def query(self, vectors: Any, k: int) -> tuple[Ids, Floats]:
        """The ids and cosines, N x min(k, pictures), of the nearest to each embedding N x D; nearest first, equal ones by id.

        For k > 128 every picture is compared. Raises SearchError for another shape, an embedding without direction, k < 1.
        """
        queries, k = questions(vectors, k, self.built.dimension), min(k, len(self.rows.ids))
        if self.built.kind == "cells" and k > CANDIDATES // 2:
            return exact(self.rows.chunks(), queries, k)
        ids, cosines = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
        if ids.size == 0:
            return ids, cosines
        _, candidates = self._engine.search(queries, min(max(CANDIDATES, 2 * k), len(self.rows.ids)))
        for at, query in enumerate(queries):
            some = candidates[at][candidates[at] >= 0]
            if len(some) < k:  # the cells that are searched hold fewer
                (ids[at],), (cosines[at],) = exact(self.rows.chunks(), query[None], k)
            else:
                ids[at], cosines[at] = best(some, self.rows.take(some) @ query, k)
        return ids, cosines

    def recall(self, k: int = NEAREST, sample: int = SAMPLE) -> float:
        """How many of the k nearest the index finds, in [0, 1]: some of the pictures against all the others, compared one by one."""
        if len(self.rows.ids) < 2:
            return 1.0
        return self._recall(*measure(self.rows, k, sample))

    def tune(self, faiss: Any, own: Ids, truth: Floats) -> None:
        """Take as many probes as the wanted recall needs, or all; own, truth: what `measure` returned."""
        cells, probes = faiss.extract_index_ivf(self._engine), 8
        while True:
            probes = cells.nprobe = min(probes, self.built.cells)
            self.built = replace(self.built, probes=probes, recall=self._recall(own, truth), drift=0)
            if self.built.recall >= WANTED or probes == self.built.cells:
                return
            probes += probes // 2

    def write(self, faiss: Any, path: Path) -> None:
        """Write the FAISS file."""
        faiss.write_index(self._engine, str(path))

    def close(self) -> None:
        """Let go of the files."""
        self._engine = None
        self.rows.close()

    def _recall(self, own: Ids, truth: Floats) -> float:
        found = _without(own, *self.query(self.rows.take(own), truth.shape[1] + 1))
        return float((found >= truth[:, -1:] - _SAME).mean())  # by the cosine: of equal pictures any will do


def open_index(store: Storage, place: str | Path | None = None, *, say: Say | None = None) -> Index | Whole:
    """The index of a store: the one on the disk if it is up to date, else brought up to date or built anew.

    place: the folder that it lies in, the store's own if None. say: is told what takes time. Without FAISS every embedding is read for
    each question, and `note` says so. Raises SearchError where it cannot be written.
    """
    faiss = _faiss()
    if faiss is None:
        return Whole(store, "faiss is not installed (pip install 'hoodwink[search]')")
    if place is None and store.place is None:
        raise SearchError("index: a folder on this machine was wanted, the store is on none: name one for the index")
    place = Path(place or store.place or "")
    stamp, old = store.stamp(), _open(faiss, place, store.card.dimension)
    try:
        if old is not None and _fits(old, store, stamp, place):
            return old
        with closing(old) if old is not None else nullcontext():
            _build(faiss, store, place, old, stamp, say or (lambda text: None))
    except (OSError, RuntimeError) as error:  # FAISS raises the second
        raise SearchError(
            f"{one_line(place)}: the index cannot be written: {one_line(error)}; make room, or name another folder for it"
        ) from error
    found = _open(faiss, place, store.card.dimension)
    if found is None:
        raise SearchError(f"{one_line(place)}: the index was written and cannot be read; if another process writes there too, ask again")
    return found


def _fits(old: Index, store: Storage, stamp: str, place: Path) -> bool:
    """Whether an index is of the store's pictures; where only names and times are others, its stamp is brought up to date."""
    if old.built.stamp == stamp:
        return True
    if not np.array_equal(old.rows.ids, store.ids()):
        return False
    old.built = replace(old.built, stamp=stamp)
    write_json(place / POINTER, asdict(old.built))
    return True


def measure(rows: Rows, k: int = NEAREST, sample: int = SAMPLE) -> tuple[Ids, Floats]:
    """Some of the pictures, and the cosines of the min(k, pictures - 1) others nearest to each, by exact search."""
    own = np.sort(np.random.default_rng(0).choice(rows.ids, min(sample, len(rows.ids)), replace=False))
    return own, _without(own, *exact(rows.chunks(), rows.take(own), min(k + 1, len(rows.ids))))


def _without(own: Ids, ids: Ids, cosines: Floats) -> Floats:
    """The cosines N x k of k + 1 answers but for the picture that was asked with; without the last where that was not found."""
    return np.array([values[names != one][: ids.shape[1] - 1] for one, names, values in zip(own, ids, cosines, strict=True)], np.float32)


def _faiss() -> Any:
    try:
        return importlib.import_module("faiss")
    except ImportError:
        return None


def _open(faiss: Any, place: Path, dimension: int) -> Index | None:
    """The index on the disk, up to date or not; None where there is none, or one that is damaged or of another store."""
    try:
        built = Built(**json.loads((place / POINTER).read_bytes()))
        folder = place / built.folder
        if built.dimension != dimension or (folder / VECTORS).stat().st_size != built.size:
            return None
        rows = Rows(folder, dimension)
    except (OSError, ValueError, TypeError):
        return None
    try:
        mapped = faiss.IO_FLAG_MMAP if built.kind == "cells" else getattr(faiss, "IO_FLAG_MMAP_IFC", 0)
        engine = faiss.read_index(str(folder / VECTORS), mapped)
        if built.kind == "cells":
            faiss.extract_index_ivf(engine).nprobe = built.probes
        if engine.ntotal != len(rows.ids):
            raise RuntimeError("another number of pictures")
    except RuntimeError:
        rows.close()
        return None
    return Index(built, rows, engine)


def _build(faiss: Any, store: Storage, place: Path, old: Index | None, stamp: str, say: Say) -> None:
    """Write a folder with the index under a new name, then the pointer to it: whatever interrupts that leaves the old one."""
    token = secrets.token_hex(8)
    work, folder = place / f".building-{token}", place / f"index-{token}"
    work.mkdir(parents=True)
    try:
        say("index: reading the embeddings")
        with closing(Rows.copied(store, work)) as rows:
            blank = Built(stamp, folder.name, len(rows.ids), store.card.dimension)
            index = _filled(faiss, blank, rows, old, place, say)
            index.write(faiss, work / VECTORS)
            index.close()
        for name in (VECTORS, ROWS, IDS):
            with open(work / name, "rb+") as file:
                os.fsync(file.fileno())
        os.replace(work, folder)
        write_json(place / POINTER, asdict(replace(index.built, size=(folder / VECTORS).stat().st_size)))
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    _clean(place, folder)


def _filled(faiss: Any, blank: Built, rows: Rows, old: Index | None, place: Path, say: Say) -> Index:
    """An index of all rows: flat, in the cells of before, or in new ones."""
    if blank.count < LARGE:
        engine = faiss.index_factory(blank.dimension, "IDMap,SQfp16", faiss.METRIC_INNER_PRODUCT)  # float16 as it is: nothing is lost
        engine.train(np.zeros((1, blank.dimension), np.float32))
        return Index(blank, rows, _add(engine, rows.chunks()))
    if old is not None and old.built.kind == "cells" and old.built.trained / 2 <= blank.count <= 1.5 * old.built.trained:
        say("index: bringing it up to date")
        engine, changes = _updated(faiss, place / old.built.folder / VECTORS, old.rows.ids, rows)
        drift = old.built.drift + changes
        index = Index(replace(old.built, stamp=blank.stamp, folder=blank.folder, count=blank.count, drift=drift), rows, engine)
        if drift > _DRIFT * blank.count:
            index.tune(faiss, *measure(rows))
        return index
    measured = measure(rows)
    for kept in sorted({min(one, blank.dimension) for one in (*KEPT, blank.dimension)}):
        built = replace(blank, kind="cells", kept=kept, cells=round(4 * blank.count**0.5), trained=blank.count)
        say(f"index: making {built.cells} cells of {blank.count} pictures in {kept} components")
        index = Index(built, rows, _add(_trained(faiss, built, rows), rows.chunks()))
        index.tune(faiss, *measured)
        if index.built.recall >= WANTED:
            break  # else the components that were left out are missed
    return index


def _trained(faiss: Any, built: Built, rows: Rows) -> Any:
    shorter = f"PCA{built.kept}," if built.kept < built.dimension else ""
    # The nearest unit vectors are those of the largest cosine; L2 lets PCA take the mean away.
    engine = faiss.index_factory(built.dimension, f"{shorter}IVF{built.cells},SQ8", faiss.METRIC_L2)
    faiss.extract_index_ivf(engine).cp.min_points_per_centroid = 1  # no warnings on stderr
    count = min(built.count, max(_PER_CELL * built.cells, 2 * built.dimension))
    engine.train(rows.take(np.sort(np.random.default_rng(0).choice(rows.ids, count, replace=False))))
    return engine


def _updated(faiss: Any, path: Path, before: Ids, rows: Rows) -> tuple[Any, int]:
    """The cells as they were, without what is gone and with what is new; and how many that are."""
    engine = faiss.read_index(str(path))
    gone = np.setdiff1d(before, rows.ids, assume_unique=True)
    if len(gone):
        engine.remove_ids(faiss.IDSelectorBatch(gone))
    fresh = ((ids, halves, ~np.isin(ids, before)) for ids, halves in rows.chunks())
    _add(engine, ((ids[new], halves[new]) for ids, halves, new in fresh if new.any()))
    return engine, len(gone) + len(rows.ids) - (len(before) - len(gone))


def _add(engine: Any, chunks: Iterable[tuple[Ids, Halves]]) -> Any:
    for ids, halves in chunks:
        engine.add_with_ids(halves.astype(np.float32), ids)
    return engine


def _clean(place: Path, keep: Path) -> None:
    """Remove the indexes before this one, and what builders left a day ago; who reads one goes on reading it."""
    for folder in place.glob("index-*/"):
        if folder.name != keep.name:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in place.glob(".building-*/"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > _DAY:
                shutil.rmtree(folder, ignore_errors=True)
