"""Steps inside a ball whose radius follows the boundary (Pintor et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hoodwink.attacks.balls import BALLS, L0, Ball, each, find_ball, l2_size
from hoodwink.attacks.losses import margin
from hoodwink.attacks.nearest import Nearest, led
from hoodwink.attacks.objectives import MARGIN
from hoodwink.attacks.polish import polish
from hoodwink.attacks.queries import Queries, as_queries

LAST = 0.01  # the last step and the last change of the radius, in parts of the first ones
DUAL: dict[str, Callable[[Tensor], Tensor]] = {  # how steep a gradient is along the steepest change of size one
    "linf": lambda gradient: gradient.abs().sum((1, 2, 3)),
    "l2": l2_size,
    "l1": lambda gradient: gradient.abs().amax((1, 2, 3)),
}


def fmn(
    queries: Queries | Callable[[Tensor], Any],
    pictures: Tensor,
    labels: Tensor,
    *,
    target: Tensor | None = None,
    norm: str = "l2",
    steps: int = 100,
    alpha: float = 1.0,
    gamma: float = 0.05,
    free: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The nearest pictures found that fool, unchanged where none was (FMN: Pintor et al. 2021, arXiv:2102.12827).

    pictures: N x C x H x W, [0, 1], on the grid k/255. labels, target: int64 N; without target any other label will do. alpha: the
    first step, an L2 size in [0, 1] units; gamma: the first change of the radius, a part of it; both fall along half a cosine.
    free: off the grid; on it every question is asked on whole levels in the ball, and a last pass takes levels back.
    """
    ball = find_ball(norm, BALLS | {"l0": L0})
    nearest = Nearest(as_queries(queries), pictures, labels, target, ball)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    change = torch.zeros_like(nearest.change)
    radius = torch.full_like(nearest.size, 1.0 if norm == "l0" else 0.0)
    least = 0.0 if free and norm != "l0" else 1.0  # nothing is smaller than a level or a subpixel
    for step in range(steps if len(labels) else 0):
        lead, size, gradient = nearest.slope(change if free else ball.whole(change, _units(radius, norm)), margin)
        if not len(nearest):
            break
        change, radius = nearest.kept(change, radius)
        gradient, slope = led(gradient, generator)
        cool = LAST + (1 - LAST) * (1 + math.cos(math.pi * step / steps)) / 2
        best = nearest.size[nearest.rows]
        radius = _radius(lead, size, gradient, radius, best, ball, gamma * cool, least)
        change = change.addcmul(gradient, each(255 * alpha * cool / slope, gradient))
        change = ball.within(change, _units(radius, norm), nearest.space.low, nearest.space.high)
    if len(nearest):
        nearest.look(change if free else ball.whole(change, _units(radius, norm)))
    if not free:
        polish(nearest)
    return nearest.pictures


def _radius(lead: Tensor, size: Tensor, gradient: Tensor, radius: Tensor, best: Tensor, ball: Ball, rate: float, least: float) -> Tensor:
    """The next radius, in levels: smaller after a fall, larger after none; before the first, as large as the gradient says.

    least: the smallest size there is; but for l2 others come in steps of it, and one below the best is the most worth a look.
    """
    unit = 0.0 if ball.name == "l2" else least
    smaller = radius * (1 - rate)
    larger = torch.maximum(radius * (1 + rate), radius + unit if ball.name == "l0" else radius)
    if bool(best.isinf().any()):
        first = larger if ball.name == "l0" else size + (MARGIN - lead) * 255 / DUAL[ball.name](gradient).clamp(min=1e-30)
        first = torch.maximum(first.ceil() if unit else first, larger)  # whole levels may fall short of what was promised
        larger = torch.where(best.isinf(), first, larger)
    return torch.minimum(torch.where(lead >= MARGIN, smaller, larger), best - unit).clamp(min=least)


def _units(radius: Tensor, norm: str) -> Tensor:
    """Levels in the units of a ball's radius."""
    return radius if norm == "l0" else radius / 255
