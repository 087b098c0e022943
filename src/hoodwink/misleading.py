"""Fooling image search: a picture is changed until its nearest neighbours are another picture's, and judged from its file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from hoodwink.attacks.neighbours import among, least_of
from hoodwink.attacks.objectives import Goal
from hoodwink.attacks.trail import Step, Watch
from hoodwink.changing import Budget, Changed, FoolError, Mask, View, read_mask, search
from hoodwink.evidence.misled import Misled, Sought, holds, keep, record_of
from hoodwink.evidence.searched import NEAREST, Searched, absolute, ask, index_of, open_for_model
from hoodwink.models.embed import Embedder, as_embedder
from hoodwink.models.model import Model
from hoodwink.pictures.levels import Levels, distances
from hoodwink.pictures.read import MAX_PIXELS, Picture, read_bytes, take_picture
from hoodwink.pictures.write import encode_png
from hoodwink.runs import Run
from hoodwink.search.storage import Floats, Ids, Storage

SHARE = 0.9  # of the answers, where nothing else is said
RIVALS = 5000  # pictures around each embedding that are looked at; what comes from further away is found when the file is judged


def fool_search(
    picture: str | Path | Picture | Levels,
    other: str | Path | Picture | Levels,
    *,
    store: str | Path,
    model: Model,
    k: int = NEAREST,
    share: float = SHARE,
    eps: float | None = None,
    norm: str = "l2",
    steps: int = 300,
    mask: str | Path | Mask | None = None,
    seed: int = 0,
    max_pixels: int = MAX_PIXELS,
    watch: Watch | None = None,
) -> Misled:
    """Change a picture, in whole levels and as little as can be found, until a store answers its file as it answers another picture.

    picture, other: a path, a Picture or uint8 H x W x C; neither need be in the store. The first of the k answers shall be the first that
    `other` gets (`other` itself, if it is in the store), and at least this share of them answers that `other` gets. store: a folder, or
    "lance:DIR"; model: the one whose embeddings it holds. eps, norm, steps, mask, seed: as in `hoodwink.fool`; with an eps the picture
    inside the ball that leads furthest. Raises FoolError, PictureError, SearchError or ValueError, which say what to type instead.
    """
    with opened(store, model, k) as ground:
        return _search(_prepare(ground, picture, other, share, Budget(norm, eps, steps, seed), mask, max_pixels), watch)


def fool_search_into(
    directory: str | Path,
    picture: str | Path,
    other: str | Path,
    *,
    store: str | Path,
    model: Model,
    k: int = NEAREST,
    share: float = SHARE,
    eps: float | None = None,
    norm: str = "l2",
    steps: int = 300,
    mask: str | Path | None = None,
    seed: int = 0,
    max_pixels: int = MAX_PIXELS,
    force: bool = False,
    arguments: Sequence[str] = (),
    watch: Watch | None = None,
) -> Misled:
    """`fool_search` with its run folder open from the start: record first, events while it works, manifest last."""
    with opened(store, model, k) as ground:
        job = _prepare(ground, picture, other, share, Budget(norm, eps, steps, seed), mask, max_pixels)
        run = Run.create(directory, record_of(job.before, job.other, job.sought, arguments), force=force)

        def tell(step: Step) -> None:
            run.event(**asdict(step))
            if watch is not None:
                watch(step)

        return keep(run, _search(job, tell), ground.store)


@dataclass(frozen=True)
class Ground:
    """The store that is asked, as the judge asks it, and what its answers are made of."""

    store: Storage
    where: str
    query: Callable[[Any, int], tuple[Ids, Floats]]  # the index's
    embedder: Embedder
    model: Model
    k: int

    def ask(self, picture: Picture) -> Searched:
        return ask(picture, self.store, self.embedder, model=self.model, where=self.where, k=self.k)

    def around(self, embedding: Floats, count: int) -> Ids:
        """The ids of the pictures nearest to an embedding, 1 x D."""
        found: Ids = self.query(embedding, count)[0][0]
        return found

    def goal(self, wanted: Ids, known: Ids, share: float) -> Goal:
        rivals = known[~np.isin(known, wanted)]
        first, rest = (normalize(torch.from_numpy(self.store.vectors(ids)), dim=1).to(self.model.device) for ids in (wanted, rivals))
        return among(first, rest, share)


@dataclass(frozen=True, eq=False)
class _Job:
    """Two pictures, read, asked about and checked: all that the search needs."""

    ground: Ground
    levels: Levels
    before: Searched
    other: Searched
    sought: Sought
    budget: Budget
    mask: Mask | None
    view: View


@contextmanager
def opened(store: str | Path, model: Model, k: int) -> Iterator[Ground]:
    where = absolute(store)
    with closing(open_for_model(where, model)) as kept, closing(index_of(kept, where)) as index:
        yield Ground(kept, where, index.query, as_embedder(model, kept.card.layer), model, k)


def _prepare(ground: Ground, picture: Any, other: Any, share: float, budget: Budget, mask: Any, max_pixels: int) -> _Job:
    budget.check()
    if not 0 < share <= 1:
        raise FoolError(f"share must lie above 0 and be at most 1, got {share:g}; type, for example, {SHARE}")
    channels = ground.model.card.picture.channels
    source, target = (take_picture(one, channels=channels, max_pixels=max_pixels) for one in (picture, other))
    before, wanted = ground.ask(source), ground.ask(target)
    if before.count < 2:
        raise FoolError(
            f"{ground.where}: two pictures at least were wanted, this store has {before.count}; hoodwink search index adds some"
        )
    least = least_of(len(wanted.answers), share)
    sought = Sought(ground.where, ground.store.card.layer, ground.k, share, least, **asdict(budget), masked=mask is not None)
    if holds(before, wanted, sought):
        raise FoolError("the store already answers this picture as it answers the other; name another")
    view = View((ground.embedder.model,), source.levels.shape)
    view.check_exact(source.levels)
    allowed = read_mask(mask, source.levels.shape[:2], view)
    return _Job(ground, source.levels, before, wanted, sought, budget, allowed, view)


def _search(job: _Job, watch: Watch | None) -> Misled:
    """Search among the pictures around both; where others come between in the end, among those too, while evaluations are left."""
    ground, known = job.ground, np.empty(0, np.int64)
    wanted = ground.around(job.other.embedding, job.sought.k)
    near, total, budget = [job.before.embedding, job.other.embedding], np.zeros(3), job.budget
    while True:
        known = np.unique(np.concatenate([known, *(ground.around(one, RIVALS) for one in near)]))
        part = budget if len(known) == job.before.count else replace(budget, steps=-(-budget.steps // 2))  # half is kept for another round
        goal = ground.goal(wanted, known, job.sought.share)
        found = search(job.levels, job.view, goal, part, job.mask, watch, walking=True)
        after = ground.ask(read_bytes(encode_png(found.picture), "array", channels=found.picture.shape[2], max_pixels=found.picture.size))
        total += (found.gradients, found.forwards, found.seconds)
        budget = replace(budget, steps=budget.steps - found.gradients)
        strangers = ~np.isin(ground.around(after.embedding, job.sought.k), known)
        if holds(after, job.other, job.sought) or not strangers.any() or budget.steps < 1:
            return _result(job, found, after, total)
        near = [after.embedding]


def _result(job: _Job, found: Changed, after: Searched, total: Any) -> Misled:
    return Misled(
        picture=found.picture,
        original=job.levels,
        fooled=holds(after, job.other, job.sought),
        before=job.before,
        after=after,
        other=job.other,
        distances=distances(job.levels, found.picture),
        gradients=int(total[0]),
        forwards=int(total[1]),
        seconds=float(total[2]),
        history=found.trail.steps,
        stall=found.trail.stall,
        ways=found.trail.ways,
        sought=job.sought,
    )
