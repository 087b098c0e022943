"""Projected gradient steps whose length each picture finds for itself (Croce and Hein 2020, 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hoodwink.attacks.balls import Ball, each, find_ball, l2_size
from hoodwink.attacks.losses import Loss, find_loss
from hoodwink.attacks.pgd import shown, space_of
from hoodwink.attacks.queries import Queries, as_queries
from hoodwink.attacks.spaces import Pixels, outward
from hoodwink.attacks.standing import Standing

FORWARD = 0.75  # of a step is taken, the rest along the step before
RISES = 0.75  # the part of the steps that must gain, or the length is halved
FEW = 0.2  # L1: the part of the subpixels that the first steps change
SPARSER = 1.5  # L1: a step changes so many times fewer subpixels than the best change, and is shortened by so much
SMALL = 1e-3  # L1: levels that count for nothing: what a projection leaves by rounding
SETTLED = 0.95  # L1: the best change's subpixels grew no fewer than by this part: the step is shortened


def apgd(
    queries: Queries | Callable[[Tensor], Any],
    pictures: Tensor,
    labels: Tensor,
    *,
    target: Tensor | None = None,
    toward: Tensor | None = None,
    norm: str = "linf",
    eps: float,
    steps: int = 100,
    loss: str = "probability",
    restarts: int = 1,
    random_start: bool = False,
    free: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Auto-PGD (Croce and Hein 2020, arXiv:2003.01690; in L1 balls 2021, arXiv:2103.01208).

    pictures: N x C x H x W, [0, 1], on the grid k/255. labels, target: int64 N; without target any other label will do. toward:
    classes that the loss pulls up while any other label will do. eps: [0, 1] units. loss: a name in losses.LOSSES. restarts: the
    first starts from the picture (with random_start not), the others at random. free: off the grid. Pictures that fool leave the
    batch. Returns the best pictures found; MARGIN decides.
    """
    ball, chosen = find_ball(norm), find_loss(loss)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    stand = Standing(as_queries(queries), space_of(pictures, norm, eps, free), labels, target, toward)
    for restart in range(restarts if len(labels) else 0):
        start = torch.zeros_like(stand.space.low)
        if random_start or restart:
            start = stand.space.clip(ball.random(start, eps, generator))
        _climb(stand, ball, start, eps, steps, chosen, free)
        if not len(stand):
            break
    return stand.pictures


def _climb(stand: Standing, ball: Ball, start: Tensor, eps: float, steps: int, loss: Loss, free: bool) -> None:
    """One run from a change, and a last look; `stand` keeps what was found."""
    course, sparse = _Course.start(start, eps, ball.name == "l1"), ball.name == "l1"
    marks, last = (_often(steps) if sparse else _marks(steps)), 0
    for step in range(steps):
        logits, gradient = stand.slope(_shown(course.now, ball, eps, free), loss)
        if not len(stand):
            return
        course.keep(stand)
        course.note(loss(logits, stand.pull, stand.down), gradient)
        if step in marks:
            back = course.check_sparse(eps, stand.change[stand.rows]) if sparse else course.check(step - last)
            course.back(back, gradient)
            last = step
        ahead = _inside(_step(course, gradient, ball, stand.space), ball, eps, stand.space)
        if step and not sparse:  # momentum
            ahead.lerp_(course.before.lerp_(course.now, 2.0), 1 - FORWARD)  # the place before is used up
            ahead = _inside(ahead, ball, eps, stand.space)
        course.before, course.now = course.now, ahead
    stand.look(_shown(course.now, ball, eps, free))


def _shown(change: Tensor, ball: Ball, eps: float, free: bool) -> Tensor:
    """The change as the network is shown it; of linf one inside the box, which is the ball's."""
    return change.round() if ball.name == "linf" and not free else shown(change, ball, eps, free)


def _step(course: _Course, gradient: Tensor, ball: Ball, space: Pixels) -> Tensor:
    """A step along the gradient, which is used up."""
    if ball.name == "linf":
        way, length = gradient.sign_(), course.length
    elif ball.name == "l2":
        way, length = gradient, course.length / l2_size(gradient).clamp(min=1e-30)
    else:
        gradient.masked_fill_(outward(gradient, course.now, space), 0.0)  # where the box ends a step gains nothing
        way, length = _sparse(gradient, course.count), course.length
    return torch.addcmul(course.now, way, each(length, way), out=way)


def _inside(change: Tensor, ball: Ball, eps: float, space: Pixels) -> Tensor:
    """The nearest change in the ball and the box; may be in place."""
    return space.clip(change) if ball.name == "linf" else ball.within(change, eps, space.low, space.high)  # linf: its box is the ball's


def _marks(steps: int) -> set[int]:
    """The checkpoints: after 22 % of the steps, then after ever fewer."""
    marks, at, gap = set(), 0.0, 0.22
    while at < 1:
        at += gap
        marks.add(math.ceil(at * steps - 1e-9))
        gap = max(gap - 0.03, 0.06)
    return marks


def _often(steps: int) -> set[int]:
    gap = max(1, math.ceil(0.04 * steps))
    return set(range(gap, steps, gap))


@dataclass
class _Course:
    """Where the search of each standing picture is, where it was best, and what its next checkpoint asks; in levels.

    gradient, top: the gradient and the loss at the best change. value: the last loss. rises: steps that gained since the last
    checkpoint. length: of a step. count: of the subpixels that a step changes (L1). *_then: at the last checkpoint.
    """

    now: Tensor
    before: Tensor
    best: Tensor
    gradient: Tensor
    top: Tensor
    top_then: Tensor
    value: Tensor
    rises: Tensor
    length: Tensor
    length_then: Tensor
    count: Tensor
    count_then: Tensor

    @classmethod
    def start(cls, change: Tensor, eps: float, sparse: bool) -> _Course:
        """Nothing is known yet."""

        def fill(value: float) -> Tensor:
            return torch.full((len(change),), value, device=change.device)

        length, subpixels = 255 * eps * (1 if sparse else 2), change[0].numel()
        return cls(
            change,
            *[change.clone() for _ in range(3)],
            *[fill(-torch.inf) for _ in range(2)],
            *[fill(value) for value in (torch.inf, 0, length, length, FEW * subpixels, subpixels)],
        )

    def keep(self, stand: Standing) -> None:
        """Only what belongs to those that stand."""
        names = list(vars(self))
        for name, part in zip(names, stand.kept(*(getattr(self, name) for name in names)), strict=True):
            setattr(self, name, part)

    def note(self, value: Tensor, gradient: Tensor) -> None:
        """The loss and the gradient where the search is now."""
        value = value.to(self.top)
        self.rises += value > self.value
        better = (value > self.top).nonzero()[:, 0]
        self.value = value
        for kept, found in ((self.top, value), (self.best, self.now), (self.gradient, gradient)):
            kept[better] = found[better]  # the cheapest way: most steps gain on a part of the pictures

    def check(self, steps: int) -> Tensor:
        """Halve the length where too few of the steps gained, or where nothing did and the length is no new one; and go back there."""
        stuck = (self.rises < RISES * steps) | ((self.length == self.length_then) & (self.top == self.top_then))
        self.length_then, self.top_then, self.rises = self.length, self.top, torch.zeros_like(self.rises)
        self.length = torch.where(stuck, self.length / 2, self.length)
        return stuck

    def check_sparse(self, eps: float, best: Tensor) -> Tensor:
        """Shorter steps while the best change has as many subpixels as before; where they became fewer, long steps from there."""
        count = (best.abs() > SMALL).sum((1, 2, 3)).to(self.count)
        fewer = count < SETTLED * self.count_then
        self.length = torch.where(fewer, 255 * eps, (self.length / SPARSER).clamp(min=255 * eps / 10))
        self.count, self.count_then = count / SPARSER, count
        return fewer

    def back(self, which: Tensor, gradient: Tensor) -> None:
        """Some return to their best change, and so does the gradient; in place."""
        rows = which.nonzero()[:, 0]
        for change, best in ((self.now, self.best), (self.before, self.best), (self.value, self.top), (gradient, self.gradient)):
            change[rows] = best[rows]


def _sparse(gradient: Tensor, count: Tensor) -> Tensor:
    """A step of L1 size one: alike on as many of the steepest subpixels of each picture as `count` says."""
    flat, many = gradient.flatten(1), count.round().clamp(1, gradient[0].numel())
    best = flat.abs().topk(int(many.max()), 1).indices
    taken = torch.arange(best.shape[1], device=flat.device) < many[:, None]
    return torch.zeros_like(flat).scatter_(1, best, flat.gather(1, best).sign() * taken / many[:, None]).view(gradient.shape)
