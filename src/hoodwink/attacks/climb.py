"""Up: the climb on whole levels, which never falls.

Along the projected gradient g' the objective grows at the rate <g, g'> = |g'|^2, so only a bound, a vanished gradient or the grid
itself can stop it. Each of these stalls has a name and ways out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hoodwink.attacks.norms import NORMS, Norm
from hoodwink.attacks.objectives import Goal, Objective, goal_of
from hoodwink.attacks.queries import Queries, as_queries
from hoodwink.attacks.spaces import Pixels, Space, tangent
from hoodwink.attacks.trail import AT_BOUND, NO_GRADIENT, NO_STEP, SPENT, Step, Trail, Watch

__all__ = ["climb", "upward"]

FIRST_STEP = 0.25  # L2 of the first step tried, [0, 1] units: about a quarter of what fooling a photograph takes
MOMENTUM = 0.7  # of the averaged gradient on the way out of a stall
_PRESS = 20  # gradients a way out may spend before the next is tried


@dataclass
class _Climb:
    """The state of one climb; `value` never falls."""

    queries: Queries
    space: Space
    goal: Goal
    norm: Norm
    radius: float | None
    budget: int
    aim: float
    generator: torch.Generator
    watch: Watch | None
    change: Tensor = field(init=False)
    value: float = field(init=False, default=-float("inf"))
    steps: list[Step] = field(init=False, default_factory=list)
    ways: list[str] = field(init=False, default_factory=list)

    @property
    def left(self) -> int:
        return self.budget - self.queries.gradients

    @property
    def done(self) -> bool:
        return self.value >= self.aim or self.left <= 0

    def fit(self, change: Tensor) -> Tensor:
        """The change inside the ball; bounds are kept by every move already."""
        return change if self.radius is None else self.norm.inside(change, self.radius)

    def look(self, change: Tensor) -> float:
        return float(self.queries.value(self.space.decode(change), self.goal.objective))

    def slope(self, change: Tensor, objective: Objective) -> tuple[float, Tensor]:
        value, gradient = self.queries.gradient(self.space.decode(change), objective)
        if self.watch is not None:
            self.watch(Step("climb", self.queries.gradients, self.value, self.norm.size(self.change)))
        return float(value), gradient

    def accept(self, change: Tensor, value: float) -> None:
        self.change, self.value = change, value
        self.steps.append(Step("climb", self.queries.gradients, value, self.norm.size(change)))


def upward(
    queries: Queries,
    space: Space,
    goal: Goal,
    *,
    norm: str = "l2",
    radius: float | None = None,
    steps: int,
    generator: torch.Generator,
    watch: Watch | None = None,
) -> Trail:
    """Climb from no change until the goal's threshold, or with a radius to the most confident change inside the ball.

    norm, radius: the ball, [0, 1] units (l0: subpixels). steps: gradient evaluations at most, counted by `queries`.
    """
    aim = goal.threshold if radius is None else float("inf")
    state = _Climb(queries, space, goal, NORMS[norm], radius, queries.gradients + steps, aim, generator, watch)
    start = torch.zeros_like(space.low)
    state.accept(start, state.look(start))
    if radius is not None and not state.done:
        _press(state, state.left // 2, radius)  # a ball is filled faster from outside in
    stall = SPENT if state.done else _ascend(state)
    while not state.done:
        before = state.value
        for name, way in _WAYS:
            way(state)
            if state.value > before:
                if name not in state.ways:
                    state.ways.append(name)
                break
            if state.done:
                break
        if state.value <= before:
            break
        if not state.done:
            stall = _ascend(state)
    if state.left <= 0 and stall != AT_BOUND:
        stall = SPENT
    reached = state.value >= goal.threshold
    return Trail(state.change, state.value, tuple(state.steps), None if reached else stall, tuple(state.ways))


def _ascend(state: _Climb) -> str:
    """Steps along g', halved while the objective would fall, doubled while it grows; ends at the aim or returns the stall."""
    size = FIRST_STEP
    while not state.done:
        gradient = state.slope(state.change, state.goal.objective)[1]
        free = tangent(gradient, state.change, state.space, state.radius if state.norm.name == "l2" else None)
        if not bool(free.any()):
            return AT_BOUND if bool(gradient.any()) else NO_GRADIENT
        moved = False
        for step, change in _moves(state, free, size):
            value = state.look(change)
            # A plateau is no progress along the objective itself: only a strict gain is taken there.
            if value > state.value:
                state.accept(change, value)
                size, moved = 2 * step, True
                break
        if not moved:
            return NO_STEP
    return SPENT


def _moves(state: _Climb, free: Tensor, size: float) -> Iterator[tuple[float, Tensor]]:
    """Changes one step further along g', of L2 size, size / 2, ... until less than a level is left, each only once."""
    low, high = state.space.low - state.change, state.space.high - state.change
    last: Tensor | None = None
    while size * 255 >= 0.5:
        move = NORMS["l2"].extreme(free, size, low, high)
        if not bool(move.any()):
            break
        change = state.fit(state.change + move)
        if not torch.equal(change, state.change) and (last is None or not torch.equal(change, last)):
            yield size, change
        last = change
        size /= 2
    top = torch.zeros_like(free)  # the last word: one level on the steepest subpixel alone
    steepest = int(free.abs().argmax())
    top.view(-1)[steepest] = free.view(-1)[steepest].sign()
    change = state.fit(torch.minimum(torch.maximum(state.change + top, state.space.low), state.space.high))
    if not torch.equal(change, state.change):
        yield 1 / 255, change


def _larger(state: _Climb) -> None:
    """A step over the dip: 2 to 64 times the first one."""
    _stride(state, state.goal.objective, range(1, 7))


def _momentum(state: _Climb) -> None:
    """Averaged gradients, the best change of a growing size along them."""
    _press(state, _PRESS, state.radius)


def _press(state: _Climb, gradients: int, radius: float | None) -> None:
    end = state.queries.gradients + min(gradients, state.left)
    size = max(state.norm.size(state.change), FIRST_STEP if state.norm.name == "l2" else 4 * (state.norm.unit or 0.0))
    change, average = state.change, torch.zeros_like(state.change)
    while state.queries.gradients < end and state.value < state.aim:
        value, gradient = state.slope(change, state.goal.objective)
        if value > state.value:
            state.accept(change, value)
        length = float(torch.linalg.vector_norm(gradient))
        if length == 0:
            return
        average.mul_(MOMENTUM).add_(gradient, alpha=1 / length)
        size = radius if radius is not None else size * 1.1
        change = state.fit(state.norm.extreme(average, size, state.space.low, state.space.high))
    if state.value < state.aim:
        _best(state, [change])


def _margin(state: _Climb) -> None:
    """The plain margin's gradient, where the log-odds' vanishes or misleads."""
    _stride(state, state.goal.lead, range(-3, 5))


def _stride(state: _Climb, objective: Objective, powers: range) -> None:
    """One step along an objective's gradient, of the first step's length times a power of two: the first that is better."""
    free = tangent(state.slope(state.change, objective)[1], state.change, state.space)
    if bool(free.any()):
        low, high = state.space.low - state.change, state.space.high - state.change
        _best(state, [state.fit(state.change + NORMS["l2"].extreme(free, FIRST_STEP * 2.0**k, low, high)) for k in powers])


def _restart(state: _Climb) -> None:
    """A climb from a random change nearby, of 8 levels a subpixel and more with each try; kept when it ends higher."""
    for levels in (8, 32, 128):
        noise = torch.empty(state.change.shape).uniform_(-levels, levels, generator=state.generator).to(state.change).round_()
        start = torch.minimum(torch.maximum(state.change + noise, state.space.low), state.space.high)
        other = _Climb(
            state.queries,
            state.space,
            state.goal,
            state.norm,
            state.radius,
            min(state.budget, state.queries.gradients + _PRESS),
            state.aim,
            state.generator,
            None,
        )
        other.change = other.fit(start)
        other.value = other.look(other.change)
        _ascend(other)
        if other.value > state.value:
            state.accept(other.change, other.value)
            return
        if state.done:
            return


_WAYS: tuple[tuple[str, Callable[[_Climb], None]], ...] = (
    ("a larger step", _larger),
    ("momentum", _momentum),
    ("the margin instead of the log-odds", _margin),
    ("a random restart", _restart),
)


def _best(state: _Climb, changes: list[Tensor]) -> None:
    """Take the first change in the list that is better than what stands."""
    for change in changes:
        value = state.look(change)
        if value > state.value:
            state.accept(change, value)
            return


def climb(
    queries: Queries | Callable[[Tensor], Tensor],
    pictures: Tensor,
    labels: Tensor,
    *,
    target: Tensor | None = None,
    norm: str = "linf",
    eps: float,
    steps: int = 100,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The most confident whole-level pictures found inside the ball; this project, docs/explanation/objective.md.

    pictures: N x C x H x W, [0, 1] on the grid k/255. labels, target: int64 N; without target any other label will do. eps: [0, 1]
    units (l0: subpixels). steps: gradient evaluations a picture.
    """
    every = as_queries(queries)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    levels = int(255 * eps + 1e-6) if norm == "linf" else 255
    out = []
    for index in range(len(pictures)):
        picture, asked = pictures[index : index + 1].contiguous(), every.only(torch.tensor([index]))
        space = Pixels(picture, radius=levels)
        goal = goal_of(labels, target, index)
        trail = upward(asked, space, goal, norm=norm, radius=eps, steps=steps, generator=generator)
        out.append(space.decode(trail.change))
    return torch.cat(out) if out else pictures.clone()
