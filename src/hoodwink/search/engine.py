"""How an index answers: FAISS finds candidates, the kept embeddings rank them; what came since is compared, what went is passed over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.search.exact import CLOSE, Rows, best, compare, exact, questions
from hoodwink.search.storage import Floats, Halves, Ids

CANDIDATES = 256  # ranked again with the kept embeddings
WANTED, NEAREST, SAMPLE = 0.995, 20, 200  # of the nearest 20 of 200 pictures, how many the cells that are searched must hold


@dataclass(frozen=True)
class Built:
    """What an index on the disk was built from, and how.

    stamp: the store's. kind: "flat" (every picture is compared) or "cells" (of `cells` cells the `probes` nearest to the question).
    kept: principal components in the cells. trained: how many pictures there were when the cells were made. recall: how many of the
    nearest 20 were found when it was built. size: of the FAISS file, in bytes.
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
    size: int = 0


class Index:
    """Answers which pictures are nearest to an embedding, by the cosine.

    Of pictures that came since the index was built each is compared with the question, and those that went are passed over.
    """

    def __init__(self, built: Built, rows: Rows, engine: Any) -> None:
        self.built, self.rows = built, rows
        self._engine, self._passing = engine, None

    @property
    def note(self) -> str:
        """How the answers are found, in words."""
        late = f"; {len(self.rows.came)} that came since are compared one by one" if len(self.rows.came) else ""
        if self.built.kind == "flat":
            return f"every picture is compared{late}"
        built = self.built
        return f"{built.probes} of {built.cells} cells are searched: {built.recall:.1%} of the nearest {NEAREST} are found{late}"

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
        left = len(self.rows.ids) - len(self.rows.came)  # that the engine knows
        _, candidates = self._engine.search(queries, min(max(CANDIDATES, 2 * k), max(left, 1)), params=self._passing)
        for at, query in enumerate(queries):
            some = candidates[at][candidates[at] >= 0]
            if len(some) < min(k, left):  # the cells that are searched hold fewer
                (ids[at],), (cosines[at],) = exact(self.rows.chunks(), query[None], k)
            else:
                some = np.concatenate([some, self.rows.newest(query, k)])
                ids[at], cosines[at] = best(some, compare(self.rows.take(some), query), k)
        return ids, cosines

    def change(self, faiss: Any, gone: Ids, came: Ids, halves: Halves) -> None:
        """Pass over the ids that are gone, and compare others, with their embeddings n x D, one by one."""
        self.rows.change(gone, came, halves)
        self._passing = _passing(faiss, self.built, gone)

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
            self.built = replace(self.built, probes=probes, recall=self._recall(own, truth))
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
        return float((found >= truth[:, -1:] - CLOSE).mean())  # by the cosine: of equal pictures any will do


def _passing(faiss: Any, built: Built, gone: Ids) -> Any:
    """FAISS's parameters for a search that passes over some ids; None where there are none."""
    if len(gone) == 0:
        return None
    left = faiss.IDSelectorNot(faiss.IDSelectorBatch(gone))
    if built.kind == "flat":
        return faiss.SearchParameters(sel=left)
    cells = faiss.SearchParametersIVF(sel=left, nprobe=built.probes)
    return faiss.SearchParametersPreTransform(index_params=cells) if built.kept < built.dimension else cells


def measure(rows: Rows, k: int = NEAREST, sample: int = SAMPLE) -> tuple[Ids, Floats]:
    """Some of the pictures, and the cosines of the min(k, pictures - 1) others nearest to each, by exact search."""
    own = np.sort(np.random.default_rng(0).choice(rows.ids, min(sample, len(rows.ids)), replace=False))
    return own, _without(own, *exact(rows.chunks(), rows.take(own), min(k + 1, len(rows.ids))))


def _without(own: Ids, ids: Ids, cosines: Floats) -> Floats:
    """The cosines N x k of k + 1 answers but for the picture that was asked with; without the last where that was not found."""
    return np.array([values[names != one][: ids.shape[1] - 1] for one, names, values in zip(own, ids, cosines, strict=True)], np.float32)
