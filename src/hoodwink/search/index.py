"""The index of image search on the disk: it is made from the store, and anew when much has changed; a little change is held in memory."""

from __future__ import annotations

import importlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext, suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.runs import one_line, reason, write_json
from hoodwink.search.engine import WANTED, Built, Index, measure
from hoodwink.search.exact import IDS, ROWS, Rows, Whole, widened
from hoodwink.search.storage import Damaged, Halves, Ids, SearchError, Storage

__all__ = ["IDS", "POINTER", "ROWS", "VECTORS", "Built", "Index", "open_index", "read_pointer"]
LARGE = 100_000  # pictures; from here on some cells are searched, not every picture
KEPT = (128, 320)  # principal components in the cells, tried in this order, then all: the fewer, the less is read, held and computed
POINTER, VECTORS = "index.json", "vectors.faiss"
_PER_CELL = 32  # pictures a cell that it is trained on
_SHARE = 0.02  # of the pictures may come and go before the index on the disk is made anew
_HELD = 32 << 20  # bytes of the embeddings that came since, in float32: comparing a question with so many takes a millisecond or two
_TURNS = 5  # another process may make an index meanwhile, and remove the one before
_DAY = 86400 * 10**9  # nanoseconds
_TYPES: dict[Any, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}

Say = Callable[[str], None]


def open_index(store: Storage, place: str | Path | None = None, *, say: Say | None = None) -> Index | Whole:
    """The index of a store, up to date: the one on the disk, with what came and went since in memory if that is little; else built anew.

    place: the folder that it lies in, the store's own if None. say: is told what takes time. Without FAISS, and where the index cannot be
    written, every embedding is read for each question, and `note` says so.
    """
    faiss = _faiss()
    if faiss is None:
        return Whole(store, "faiss is not installed (pip install 'hoodwink[search]')")
    if place is None and store.place is None:
        raise SearchError("index: a folder on this machine was wanted, the store is on none: give `place`")
    place = Path(place or store.place or "")
    stamp = store.stamp()
    for _ in range(_TURNS):
        begun, known = time.time_ns(), read_pointer(place)
        old = _open(faiss, place, known, store.card.dimension)
        if old is not None and (old.built.stamp == stamp or _followed(faiss, old, store)):
            return old
        with closing(old) if old is not None else nullcontext():
            try:
                built = _build(faiss, store, place, old, stamp, say or (lambda text: None))
            except (OSError, RuntimeError) as error:  # FAISS raises the second
                if old is None or (place / old.built.folder).exists():
                    why = reason(error) if isinstance(error, OSError) else one_line(error)
                    return Whole(store, f"the index cannot be written to {one_line(place)}: {why}")
                continue
        _clean(place, built.folder, known.folder if known is not None else "", begun)
        found = _open(faiss, place, built, store.card.dimension)
        if found is not None:
            return found
    raise SearchError(f"{one_line(place)}: the index was written and cannot be read; if other processes write there too, ask again")


def _followed(faiss: Any, old: Index, store: Storage) -> bool:
    """Whether so little came and went since that an index can hold it in memory; it does then. Nothing is written."""
    before, now = old.rows.ids, store.ids()
    gone, came = _others(before, now), _others(now, before)
    if old.built.kind == "cells" and len(now) < LARGE:
        return False  # a verdict asks that every picture was compared
    if len(gone) + len(came) > _SHARE * len(before) or 4 * store.card.dimension * len(came) > _HELD:
        return False
    old.change(faiss, gone, *store.rows_of(came))  # what went meanwhile is not among them
    return True


def _others(ids: Ids, known: Ids) -> Ids:
    """Those that are not among the known; both rise."""
    if len(known) == 0:
        return ids
    others: Ids = ids[known[np.minimum(np.searchsorted(known, ids), len(known) - 1)] != ids]
    return others


def _faiss() -> Any:
    try:
        return importlib.import_module("faiss")
    except ImportError:
        return None


def read_pointer(place: Path) -> Built | None:
    """Which index counts; None where there is none, or what says so is damaged."""
    try:
        built = Built(**json.loads((place / POINTER).read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    values = [(getattr(built, one.name), _TYPES[one.type]) for one in fields(Built)]
    sound = all(isinstance(value, kinds) and not isinstance(value, bool) for value, kinds in values)
    sound = sound and all(isinstance(value, str) or 0 <= value < 2**62 for value, _ in values)
    if not sound or built.kind not in ("flat", "cells") or not re.fullmatch("index-[0-9a-f]{16}", built.folder):
        return None
    return built if built.kind == "flat" or built.probes else None


def _open(faiss: Any, place: Path, built: Built | None, dimension: int) -> Index | None:
    """An index on the disk, up to date or not; None where there is none, or one that is damaged or of another store."""
    if built is None or built.dimension != dimension:
        return None
    folder = place / built.folder
    try:
        if (folder / VECTORS).stat().st_size != built.size:
            return None
        rows = Rows(folder, dimension)
    except (OSError, ValueError):
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


def _build(faiss: Any, store: Storage, place: Path, old: Index | None, stamp: str, say: Say) -> Built:
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
        built = replace(index.built, size=(work / VECTORS).stat().st_size)
        os.utime(work)
        os.replace(work, folder)
        write_json(place / POINTER, asdict(built))
    except BaseException:
        for one in (work, folder):
            shutil.rmtree(one, ignore_errors=True)
        raise
    return built


def _filled(faiss: Any, blank: Built, rows: Rows, old: Index | None, place: Path, say: Say) -> Index:
    """An index of all rows: flat, in the cells of before, or in new ones."""
    if blank.count < LARGE:
        engine = faiss.index_factory(blank.dimension, "IDMap,SQfp16", faiss.METRIC_INNER_PRODUCT)  # float16 as it is: nothing is lost
        engine.train(np.zeros((1, blank.dimension), np.float32))
        return Index(blank, rows, _add(engine, rows.chunks()))
    measured = measure(rows)
    if old is not None and old.built.kind == "cells" and old.built.trained / 2 <= blank.count <= 1.5 * old.built.trained:
        say("index: bringing it up to date")
        built = replace(old.built, stamp=blank.stamp, folder=blank.folder, count=blank.count)
        with suppress(Damaged, RuntimeError):  # the second is FAISS's, of a file that is none; else there are new cells
            index = Index(built, rows, _updated(faiss, place / old.built.folder / VECTORS, old.rows.ids, rows))
            index.tune(faiss, *measured)
            return index
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


def _updated(faiss: Any, path: Path, before: Ids, rows: Rows) -> Any:
    """The cells as they were, without what is gone and with what is new."""
    engine = faiss.read_index(str(path))
    engine.remove_ids(faiss.IDSelectorBatch(_others(before, rows.ids)))
    fresh = ((ids, halves, ~np.isin(ids, before)) for ids, halves in rows.chunks())
    return _add(engine, ((ids[new], halves[new]) for ids, halves, new in fresh if new.any()))


def _add(engine: Any, chunks: Iterable[tuple[Ids, Halves]]) -> Any:
    for ids, halves in chunks:
        engine.add_with_ids(widened(halves), ids)
    return engine


def _clean(place: Path, mine: str, old: str, begun: int) -> None:
    """Remove the indexes before this one, and what builders left a day ago; who reads one goes on reading it.

    One that another process has finished since this one was begun stays: it may be about to be opened.
    """
    for pattern, until in (("index-*/", begun), (".building-*/", begun - _DAY)):
        for folder in place.glob(pattern):
            with suppress(OSError):
                if folder.name == old or (folder.name != mine and folder.stat().st_mtime_ns < until):
                    shutil.rmtree(folder, ignore_errors=True)
