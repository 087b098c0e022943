"""Up and down in one walk: short steps along averaged gradients until a change fools, then a little back whenever it does.

For goals that lie far away and round many corners, such as another picture's embedding: there the climb's steps, each of which must
gain, grow long or come to nothing on the grid. What is below a level is kept from step to step, and the picture is looked at rounded.
Walking back by a part of the change where it fools is Rony et al. 2019 (DDN); the rounded picture and short cooled steps are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from hoodwink.attacks.norms import NORMS, Norm
from hoodwink.attacks.objectives import Goal
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.shrink import downward
from hoodwink.attacks.spaces import Space
from hoodwink.attacks.trail import NO_GRADIENT, SPENT, Step, Trail, Watch

STEP, LAST_STEP = 0.3, 0.1  # L2 of a step, [0, 1] units, until a change fools; and what is left of it at the end, as a part
MOMENTUM = 0.5
BACK = 0.05  # of the change is taken back where it fools


@dataclass
class _Best:
    """The best change so far: of the highest value until one fools, then the smallest that does (in a ball the highest to the end)."""

    norm: Norm
    goal: Goal
    radius: float | None
    change: Tensor
    value: float = -float("inf")
    size: float = float("inf")
    steps: list[Step] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return self.value >= self.goal.threshold

    def offer(self, change: Tensor, value: float, gradients: int) -> None:
        size, shrinks = self.norm.size(change), self.radius is None and self.holds
        if (value >= self.goal.threshold and size < self.size) if shrinks else value > self.value:
            self.change, self.value, self.size = change, value, size
            self.steps.append(Step("shrink" if shrinks else "climb", gradients, value, size))


def walk(
    queries: Queries,
    space: Space,
    goal: Goal,
    *,
    norm: str = "l2",
    radius: float | None = None,
    steps: int,
    watch: Watch | None = None,
) -> Trail:
    """Walk from no change to a small one that reaches the goal's threshold, or with a radius to the highest inside the ball.

    norm, radius: the ball, [0, 1] units (l0: subpixels). steps: gradient evaluations at most (one is kept for the last pass, which takes
    back levels that are not needed); without a radius it gives up where nothing fools after two thirds of them.
    """
    best = _Best(NORMS[norm], goal, radius, torch.zeros_like(space.low))
    stall = _walk(queries, space, best, steps - 1 if steps > 1 else 1, watch)
    if not best.holds:
        return Trail(best.change, best.value, tuple(best.steps), stall)
    trail = Trail(best.change, best.value, tuple(best.steps))
    return trail if radius is not None or steps < 2 else downward(queries, space, goal, trail, norm=norm, steps=1, watch=watch)


def _walk(queries: Queries, space: Space, best: _Best, steps: int, watch: Watch | None) -> str:
    place = torch.zeros_like(space.low)  # in levels and parts of them
    average = torch.zeros_like(place)
    for k in range(steps):
        if best.radius is None and not best.holds and 3 * k > 2 * steps:
            break
        change = _whole(place, space, best)
        reading, gradient = queries.gradient(space.decode(change), best.goal.objective)
        value, length = float(reading), float(torch.linalg.vector_norm(gradient))
        best.offer(change, value, queries.gradients)
        if watch is not None:
            watch(Step("shrink" if best.holds else "climb", queries.gradients, best.value, best.size))
        if length == 0:
            return NO_GRADIENT
        average.mul_(MOMENTUM).add_(gradient, alpha=(1 - MOMENTUM) / length)
        cool = max(LAST_STEP, 1 - k / steps) if best.holds else 1.0
        if value >= best.goal.threshold and best.radius is None:
            place.mul_(1 - BACK * cool)
        else:
            place.add_(average, alpha=255 * STEP * cool / max(float(torch.linalg.vector_norm(average)), 1e-12))
        place = torch.minimum(torch.maximum(place, space.low), space.high)
    return SPENT


def _whole(place: Tensor, space: Space, best: _Best) -> Tensor:
    """The change in whole levels where the walk stands, which is led back into the ball if it left it."""
    change = space.nearest(place)
    if best.radius is None:
        return change
    inside = best.norm.inside(change, best.radius)
    if not torch.equal(inside, change):
        place.copy_(inside)
    return inside
