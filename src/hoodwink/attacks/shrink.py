"""Down: from a change that fools to a smaller one, in whole levels; the recorded distance never grows.

Averaged gradients point to the best direction, the norm's best change of a given size along it is tried (for L2: scale, then
round), and the size follows the objective by Newton's rule. Decoupling direction and size is Rony et al. 2019 (DDN); searching
on the rounded picture with a cooled step is this project's. A last pass takes back levels that the verdict does not need.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hoodwink.attacks.climb import upward
from hoodwink.attacks.norms import NORMS, Norm
from hoodwink.attacks.objectives import Goal, goal_of
from hoodwink.attacks.queries import Queries, as_queries
from hoodwink.attacks.spaces import Pixels, Space
from hoodwink.attacks.trail import Step, Trail, Watch

__all__ = ["downward", "shrink"]

STEP, LAST_STEP = 1.0, 0.02  # of the direction, in parts of the best distance: first and last, along half a cosine
HOT = 1.6  # the step stays at its first length for the first 1 - 1 / HOT of the way: a long look around finds shorter ways
MOMENTUM = 0.5
RATE = 0.1  # the size moves by at most this part of itself, at first
FALL = 0.5  # ... but may fall by this part: the climb goes far past the threshold
SLACK = 1.2  # the size may exceed the best one by this factor: a detour often leads to a shorter way
SHARPER = {"l1": 4.0, "l0": 10.0}  # the power that the direction is raised to: the dual map of a norm between L1 and L2
_TRIMS = 24  # forward passes of the last pass
_FEW = 256  # changed subpixels up to which single levels are swapped at the end: of more, a level is no part worth having
_CORE = 14  # levels among which every combination is weighed


@dataclass
class _Best:
    """The smallest change that fools, so far."""

    norm: Norm
    change: Tensor
    value: float
    size: float
    steps: list[Step]

    def offer(self, change: Tensor, value: float, size: float, queries: Queries) -> None:
        if size < self.size:
            self.change, self.value, self.size = change, value, size
            self.steps.append(Step("shrink", queries.gradients, value, size))


def downward(
    queries: Queries, space: Space, goal: Goal, start: Trail, *, norm: str = "l2", steps: int, watch: Watch | None = None
) -> Trail:
    """Shrink a change that reaches the goal's threshold; every accepted one is smaller and reaches it too.

    steps: gradient evaluations at most (one is kept for the last pass).
    """
    rule = NORMS[norm]
    best = _Best(rule, start.change, start.value, rule.size(start.change), [])
    if steps > 1:
        _down(queries, space, goal, best, steps - 1, watch)
    if steps > 0 and best.size > 0:
        _trim(queries, space, goal, best)
    return Trail(best.change, best.value, start.steps + tuple(best.steps), None, start.ways)


def _down(queries: Queries, space: Space, goal: Goal, best: _Best, steps: int, watch: Watch | None) -> None:
    """One cooled search; for the sparse norms two, first along a power of the direction, whose changes stay where gradients tell."""
    if best.norm.name in SHARPER:
        _cool(queries, space, goal, best, steps - steps // 3, watch, NORMS["l2"], SHARPER[best.norm.name])
        steps //= 3
    _cool(queries, space, goal, best, steps, watch, best.norm)


def _cool(queries: Queries, space: Space, goal: Goal, best: _Best, steps: int, watch: Watch | None, rule: Norm, power: float = 1.0) -> None:
    """Search for a smaller change along the averaged gradients; `rule` says what is stepped and sized, best.norm what is wanted."""
    change = best.change
    direction = change / torch.linalg.vector_norm(change).clamp_(min=1e-12)
    average = torch.zeros_like(direction)
    for k in range(steps):
        if best.size == 0:
            return
        reading, gradient = queries.gradient(space.decode(change), goal.objective)
        value, size = float(reading), rule.size(change)
        if value >= goal.threshold:
            best.offer(change, value, best.norm.size(change), queries)
        if watch is not None:
            watch(Step("shrink", queries.gradients, best.value, best.size))
        length = float(torch.linalg.vector_norm(gradient))
        if length == 0:
            return
        average.mul_(MOMENTUM).add_(gradient, alpha=1 / length)
        left = min(1.0, HOT * (1 - k / steps))
        step = LAST_STEP + (STEP - LAST_STEP) * (1 - math.cos(math.pi * left)) / 2
        reach = best.size if rule is best.norm else rule.size(best.change)
        along = float(gradient.mul_(change).sum()) / 255  # in place: it is used up, and a copy of a large one costs as much as a pass
        wanted = _next_size(goal.threshold - value, along, size, reach, rule.unit, RATE * max(left, 0.02))
        direction.add_(average, alpha=step / max(float(torch.linalg.vector_norm(average)), 1e-12))
        direction.div_(torch.linalg.vector_norm(direction).clamp_(min=1e-12))
        sharp = direction if power == 1 else (direction / direction.abs().amax()).abs_().pow_(power).copysign_(direction)
        change = rule.extreme(sharp, wanted, space.low, space.high)


def _next_size(missing: float, along: float, size: float, best: float, unit: float | None, rate: float) -> float:
    """Newton's step on the size; never far, and never where only a tie could be won.

    missing: of the objective. along: the inner product of gradient and change, so that along / size is the objective's slope.
    """
    if size == 0:  # it fell too far: the objective says nothing along no change
        return best * FALL
    slope = along / size
    move = missing / slope if slope > 0 else math.copysign(math.inf, missing)
    bound = rate * size if unit is None else max(rate * size, unit)
    if unit is None:
        return min(size + max(-max(bound, FALL * size), min(bound, move)), SLACK * best)
    wanted = size + max(-bound, min(bound, move))
    if missing > 0:  # a part of a unit more would be none
        wanted = math.ceil(wanted / unit - 1e-6) * unit
    return min(wanted, best - unit)


def _trim(queries: Queries, space: Space, goal: Goal, best: _Best) -> None:
    """Move changed subpixels back, those first that help least for what they cost, in blocks as large as the verdict allows."""
    gradient = queries.gradient(space.decode(best.change), goal.objective)[1] / 255  # by the level
    places = best.change.flatten().nonzero()[:, 0]  # few of them: sorting a whole photograph would take seconds
    changes = best.change.flatten()[places]
    back = changes if best.norm.name == "l0" else changes.sign()  # one level, but L0 counts until all levels are back
    loss = gradient.flatten()[places] * back  # of the objective
    saved = 2 * changes.abs() - 1 if best.norm.name == "l2" else torch.ones_like(loss)
    cheapest = (loss / saved).argsort(stable=True)
    falls = loss[cheapest].clamp(min=0).cumsum(0)
    block = max(1, int((falls <= best.value - goal.threshold).sum()))
    at, tries = 0, 0
    while block and at < len(places) and tries < _TRIMS:
        change = best.change.clone()
        chosen = cheapest[at : at + block]
        change.view(-1)[places[chosen]] -= back[chosen]
        value, size, tries = float(queries.value(space.decode(change), goal.objective)), best.norm.size(change), tries + 1
        if value >= goal.threshold and size < best.size:
            best.offer(change, value, size, queries)
            at += len(chosen)
        else:
            block //= 2
    while tries < _TRIMS and best.norm.name == "l2" and 0 < int(torch.count_nonzero(best.change)) <= _FEW:
        change = _swap(best, gradient, goal.threshold, space)
        value, tries = float(queries.value(space.decode(change), goal.objective)), tries + 1
        if value < goal.threshold or best.norm.size(change) >= best.size:
            return
        best.offer(change, value, best.norm.size(change), queries)


def _swap(best: _Best, gradient: Tensor, threshold: float, space: Space) -> Tensor:
    """The change after the single levels back and forth that save most of its L2, as the gradient (by the level) tells what they cost.

    Every combination of the _CORE levels whose price is nearest to the going one is weighed (the core of a knapsack: Balas and
    Zemel 1980).
    """
    change, slope = best.change.flatten(), gradient.flatten()
    way = torch.where(change == 0, slope.sign(), change.sign())
    gain, height = slope * way, change.abs()
    room = torch.where(way > 0, space.high.flatten() - change, change - space.low.flatten())
    more = [torch.where(room >= k, gain / (2 * (height + k) - 1), -torch.inf) for k in (1, 2)]
    less = [torch.where(height >= k, gain / (2 * (height - k) + 1), torch.inf) for k in (1, 2)]
    price = (max(0.0, float(torch.cat(more).max())) + float(torch.cat(less).min())) / 2
    saved = torch.cat([-(2 * (height + k) - 1) for k in (1, 2)] + [2 * (height - k) + 1 for k in (1, 2)])
    lost = torch.cat([-gain, -gain, gain, gain])
    far = torch.where(torch.cat(more + less).isfinite(), (saved * price - lost).abs(), torch.inf)
    core = far.argsort(stable=True)[: min(_CORE, int(far.isfinite().sum()))]
    taken = (torch.arange(2 ** len(core), device=core.device)[:, None] >> torch.arange(len(core), device=core.device)) & 1
    fits = taken.to(lost.dtype) @ lost[core] <= best.value - threshold
    chosen = core[taken[(taken.to(saved.dtype) @ saved[core]).masked_fill(~fits, -torch.inf).argmax()].bool()]
    step = torch.where(chosen < 2 * len(change), 1.0, -1.0).to(change.dtype)
    return change.index_add(0, chosen % len(change), step * way[chosen % len(change)]).view_as(best.change)


def shrink(
    queries: Queries | Callable[[Tensor], Tensor],
    pictures: Tensor,
    labels: Tensor,
    *,
    target: Tensor | None = None,
    norm: str = "l2",
    steps: int = 100,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The nearest whole-level pictures found that fool, after a climb; unchanged where none did. This project, docs/explanation/rounding.md.

    pictures: N x C x H x W, [0, 1] on the grid k/255. labels, target: int64 N; without target any other label will do. steps:
    gradient evaluations a picture, the climb's too.
    """
    every = as_queries(queries)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    out = []
    for index in range(len(pictures)):
        picture, asked = pictures[index : index + 1].contiguous(), every.only(torch.tensor([index]))
        space, goal, before = Pixels(picture), goal_of(labels, target, index), asked.gradients
        trail = upward(asked, space, goal, norm=norm, steps=steps, generator=generator)
        if trail.stall is None:
            trail = downward(asked, space, goal, trail, norm=norm, steps=steps - (asked.gradients - before))
        out.append(picture.clone() if trail.stall else space.decode(trail.change))
    return torch.cat(out) if out else pictures.clone()
