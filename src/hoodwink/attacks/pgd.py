"""Projected gradient steps with momentum: the workhorse of the audit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hoodwink.attacks.balls import Ball, each, find_ball, l2_size
from hoodwink.attacks.losses import Loss, find_loss
from hoodwink.attacks.queries import Queries, as_queries
from hoodwink.attacks.spaces import Pixels, outward
from hoodwink.attacks.standing import Standing

FIRST, HALVINGS = 2.0, 4  # the first step is so many radii long, and halved so often on the way


def pgd(
    queries: Queries | Callable[[Tensor], Any],
    pictures: Tensor,
    labels: Tensor,
    *,
    target: Tensor | None = None,
    toward: Tensor | None = None,
    norm: str = "linf",
    eps: float,
    steps: int = 40,
    step_size: float | None = None,
    momentum: float = 0.75,
    loss: str | Loss = "probability",
    restarts: int = 1,
    random_start: bool = False,
    free: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Projected gradient ascent inside a ball (Madry 2018, arXiv:1706.06083; momentum: Dong 2018, arXiv:1710.06081).

    pictures: N x C x H x W, [0, 1], on the grid k/255. labels, target: int64 N; without target any other label will do. toward:
    classes that the loss pulls up while any other label will do. eps, step_size: [0, 1] units; without a step_size it starts at two
    radii and is halved four times. loss: a name in losses.LOSSES, or a function as they are. restarts: the first starts from the picture (with random_start not),
    the others at random. free: off the grid. Pictures that fool leave the batch. Returns the best pictures found; MARGIN decides.
    """
    ball, chosen = find_ball(norm), find_loss(loss)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    stand = Standing(as_queries(queries), space_of(pictures, norm, eps, free), labels, target, toward)
    sizes = step_sizes(eps, steps, step_size, whole=norm == "linf" and not free)
    for restart in range(restarts if len(labels) else 0):
        start = torch.zeros_like(stand.space.low)
        if random_start or restart:
            start = stand.space.clip(ball.random(start, eps, generator))
        last = ascend(stand, ball, start, sizes, eps=eps, momentum=momentum, loss=chosen, free=free)
        if not len(stand):
            break
        stand.look(last)
    return stand.pictures


def ascend(
    stand: Standing, ball: Ball, change: Tensor, sizes: list[float], *, eps: float, momentum: float, loss: Loss, free: bool
) -> Tensor:
    """One run of steps of the given sizes (levels) from a change, which is used up; `stand` keeps what was found on the way.

    Returns the last change of those that stand, as the network would be shown it and was not yet.
    """
    show = _as_it_is if ball.name == "linf" and all(size.is_integer() for size in sizes) else shown
    change = change if free else shown(change, ball, eps, free)
    average: Tensor | None = None
    scale = torch.ones(len(change), device=change.device)
    for size in sizes:
        gradient = stand.slope(show(change, ball, eps, free), loss)[1]
        change, before = stand.kept(change, scale)
        (average,) = stand.kept(average)
        if not len(stand):
            return change
        # The average of the normalised gradients, times the last norm: one pass over memory instead of two.
        scale = l2_size(gradient).clamp_(min=1e-30)
        way = gradient if average is None else gradient.addcmul_(average, each(momentum * scale / before, gradient))
        average = way if momentum else None
        if ball.name != "linf":  # Where the box ends nothing is gained: a step must not be spent there.
            way = way.masked_fill(outward(way, change, stand.space), 0.0)
        change = change.add_(ball.steepest(way), alpha=size)
        # The box of linf is the ball's; and whole steps from whole levels lead to whole levels.
        change = stand.space.clip(change if ball.name == "linf" else ball.project(change, eps))
    return show(change, ball, eps, free)


def shown(change: Tensor, ball: Ball, eps: float, free: bool) -> Tensor:
    """The change as the network is shown it: on whole levels inside the ball, unless the search is free."""
    return change if free else ball.whole(change, eps)


def _as_it_is(change: Tensor, ball: Ball, eps: float, free: bool) -> Tensor:
    return change


def space_of(pictures: Tensor, norm: str, eps: float, free: bool = False) -> Pixels:
    """Every subpixel, bounded by the box and for linf by the ball."""
    reach = 255 * eps if free else int(255 * eps + 1e-6)
    return Pixels(pictures, radius=reach if norm == "linf" else 255)


def step_sizes(eps: float, steps: int, step_size: float | None, whole: bool = False) -> list[float]:
    """The length of each step in levels; whole: at least one level, and a whole number."""
    if step_size is not None:
        sizes = [step_size * 255] * steps
    else:
        sizes = [FIRST * eps * 255 * 0.5 ** int(k * (HALVINGS + 1) / steps) for k in range(steps)]
    return [float(max(1, round(size))) for size in sizes] if whole else sizes
