"""What every job that changes a picture needs: networks as one function of the part they see, and the search, climb and shrink, on it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from torch import Tensor

from hoodwink.attacks.climb import upward
from hoodwink.attacks.objectives import Goal
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.shrink import downward
from hoodwink.attacks.spaces import Pixels
from hoodwink.attacks.trail import Trail, Watch
from hoodwink.attacks.walk import walk
from hoodwink.models.model import Model
from hoodwink.models.preprocess import Preprocess
from hoodwink.pictures.levels import NORMS, Levels, radius
from hoodwink.pictures.read import read_picture

SHRINK = 185  # gradient evaluations after which a longer shrink of a photograph gains little; half the budget if that is more
Mask = np.ndarray[Any, np.dtype[np.bool_]]


class FoolError(ValueError):
    """A request that makes no sense for this picture; the message says what to type instead."""


@dataclass(frozen=True)
class Budget:
    """How is searched: the norm; eps, the ball's size in [0, 1] units (l0: subpixels), None for the smallest change; gradient evaluations; seed."""

    norm: str = "l2"
    eps: float | None = None
    steps: int = 300
    seed: int = 0

    def check(self) -> None:
        """Raise FoolError or ValueError for what cannot be."""
        if self.norm not in NORMS:
            raise FoolError(f"norm must be one of {', '.join(NORMS)}, got {self.norm!r}")
        if self.steps < 1:
            raise FoolError(f"steps must be at least 1 gradient evaluation, got {self.steps}")
        radius(1.0 if self.eps is None else self.eps, self.norm)


@dataclass(frozen=True, eq=False)
class Changed:
    """The changed picture, uint8 H x W x C, the search's trail and what it took."""

    picture: Levels
    trail: Trail
    gradients: int
    forwards: int
    seconds: float


class View:
    """The networks as one function of the part of the picture that any of them sees: what each gives, a tuple where they are several."""

    def __init__(self, models: Sequence[Model], shape: tuple[int, ...], at_model_size: bool = False) -> None:
        height, width = shape[:2]
        cards = [replace(m.card.picture, resize=None, size=None) if at_model_size else m.card.picture for m in models]
        self.steps = [(Preprocess(card, height, width, model.device), model) for card, model in zip(cards, models, strict=True)]
        self.rows = _union([one.rows for one, _ in self.steps])
        self.columns = _union([one.columns for one, _ in self.steps])

    def __call__(self, part: Tensor) -> Tensor | tuple[Tensor, ...]:
        found = tuple(model.outputs(one(self._cut(part, one)).to(model.device)).to(part.device) for one, model in self.steps)
        return found if len(found) > 1 else found[0]

    def _cut(self, part: Tensor, one: Preprocess) -> Tensor:
        rows, columns = (slice(s.start - box.start, s.stop - box.start) for s, box in ((one.rows, self.rows), (one.columns, self.columns)))
        return part[:, :, rows, columns].to(one.device)

    def check_exact(self, levels: Levels) -> None:
        """The search may start only if it sees what the judge sees, bit for bit, in this very picture; FoolError."""
        for preprocess, model in self.steps:
            mine = preprocess(_tensor(levels[preprocess.rows, preprocess.columns]).to(model.device))
            if not torch.equal(mine, model.encode(levels)):
                raise FoolError(f"Pillow {PIL.__version__} prepares this picture in a way that hoodwink does not know; use --at-model-size")


def read_mask(mask: Any, shape: tuple[int, ...], view: View) -> Mask | None:
    """Where the part of the picture that is searched may change; mask: a picture, white where it may, or bool H x W."""
    if mask is None:
        return None
    allowed = read_picture(mask, channels=1).levels[..., 0] >= 128 if isinstance(mask, (str, Path)) else np.asarray(mask, dtype=bool)
    if allowed.shape != tuple(shape):
        wanted, came = (" x ".join(str(side) for side in sides[::-1]) for sides in (shape, allowed.shape))
        raise FoolError(f"the mask must have the picture's size, {wanted} pixels, got {came}")
    if not allowed.any():
        raise FoolError("the mask is black everywhere, so nothing may change; paint white where it may")
    seen = allowed[view.rows, view.columns]
    if not seen.any():
        raise FoolError("the mask allows only pixels that the network never sees (it crops); paint white nearer to the middle")
    return seen


def search(
    levels: Levels,
    view: View,
    goal: Goal,
    budget: Budget,
    mask: Mask | None = None,
    watch: Watch | None = None,
    *,
    walking: bool = False,
) -> Changed:
    """The smallest change of a picture found that reaches the goal, or, with an eps, the one inside the ball that gets furthest.

    levels: uint8 H x W x C. mask: bool, of the part that the view sees. walking: by `attacks.walk`, and only
    where that comes to nothing by the climb and the shrink.
    """
    started, device = time.perf_counter(), view.steps[0][1].device
    pictures = _tensor(levels[view.rows, view.columns]).to(device)
    allowed = None if mask is None else torch.from_numpy(np.ascontiguousarray(mask))[None, None].to(device)
    ball = None if budget.eps is None else float(radius(budget.eps, budget.norm))
    space = Pixels(pictures, allowed, 255 if ball is None or budget.norm != "linf" else int(ball))
    queries = Queries(view)
    trail = (_walk_or_climb if walking else _climb_and_shrink)(queries, space, goal, budget, watch)
    changed = levels.copy()
    whole = (space.levels + trail.change)[0].permute(1, 2, 0).to("cpu", torch.uint8).numpy()
    changed[view.rows, view.columns] = whole
    return Changed(changed, trail, queries.gradients, queries.forwards, time.perf_counter() - started)


def _climb_and_shrink(queries: Queries, space: Pixels, goal: Goal, budget: Budget, watch: Watch | None) -> Trail:
    generator = torch.Generator().manual_seed(budget.seed)
    trail = upward(queries, space, goal, norm=budget.norm, radius=budget.eps, steps=budget.steps, generator=generator, watch=watch)
    left = budget.steps - queries.gradients
    if budget.eps is not None or trail.stall is not None or left <= 0:
        return trail
    steps = min(left, max(SHRINK, budget.steps // 2))
    return downward(queries, space, goal, trail, norm=budget.norm, steps=steps, watch=watch)


def _walk_or_climb(queries: Queries, space: Pixels, goal: Goal, budget: Budget, watch: Watch | None) -> Trail:
    walked = walk(queries, space, goal, norm=budget.norm, radius=budget.eps, steps=budget.steps, watch=watch)
    left = budget.steps - queries.gradients
    if walked.stall is None or left < 1:
        return walked
    climbed = _climb_and_shrink(queries, space, goal, replace(budget, steps=left), watch)
    return replace(climbed, ways=("the climb", *climbed.ways)) if climbed.value > walked.value else walked


def _union(spans: Sequence[slice]) -> slice:
    return slice(min(span.start for span in spans), max(span.stop for span in spans))


def _tensor(levels: Levels) -> Tensor:
    """uint8 H x W x C to 1 x C x H x W in [0, 1] on the grid."""
    return torch.tensor(np.ascontiguousarray(levels.transpose(2, 0, 1)))[None].float().div_(255)
