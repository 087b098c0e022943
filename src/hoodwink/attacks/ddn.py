"""The direction and the size of a change searched apart (Rony et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hoodwink.attacks.balls import BALLS, each, l2_size
from hoodwink.attacks.losses import margin
from hoodwink.attacks.nearest import Nearest, led
from hoodwink.attacks.objectives import MARGIN
from hoodwink.attacks.polish import polish
from hoodwink.attacks.queries import Queries, as_queries

FIRST, BEYOND = 1.0, 2.0  # the first size at most, and how many times larger than the gradient says
STEP, LAST_STEP = 1.0, 0.01  # along the gradient: first and last, along half a cosine


def ddn(
    queries: Queries | Callable[[Tensor], Any],
    pictures: Tensor,
    labels: Tensor,
    *,
    target: Tensor | None = None,
    norm: str = "l2",
    steps: int = 100,
    gamma: float = 0.05,
    free: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The nearest pictures found that fool, unchanged where none was (DDN: Rony et al. 2019, arXiv:1811.09600).

    pictures: N x C x H x W, [0, 1], on the grid k/255. labels, target: int64 N; without target any other label will do. gamma: the
    size shrinks by this part after a step that fools and grows by it after one that does not. free: off the grid; on it every
    question is asked on whole levels of the same size, and a last pass takes levels back.

    The loss is the margin, whose gradient no sureness makes vanish (the paper's is the cross-entropy), and the first size what that
    gradient promises, at most the paper's: from 1 to 0.05 would take 60 steps.
    """
    if norm != "l2":
        raise ValueError(f"norm: ddn searches in l2 alone, not {norm!r}; take fmn or shrink")
    ball = BALLS["l2"]
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    nearest = Nearest(as_queries(queries), pictures, labels, target, ball)
    change = torch.zeros_like(nearest.change)
    radius = torch.full_like(nearest.size, 255 * FIRST)
    for step in range(steps if len(labels) else 0):
        lead, _, gradient = nearest.slope(change if free else ball.whole(change, 1e9), margin)
        if not len(nearest):
            break
        change, radius = nearest.kept(change, radius)
        length = 255 * (LAST_STEP + (STEP - LAST_STEP) * (1 + math.cos(math.pi * step / steps)) / 2)
        gradient, slope = led(gradient, generator)
        if step == 0:
            radius = (BEYOND * 255 * (MARGIN - lead) / slope).clamp(max=255 * FIRST)
        change = change.addcmul(gradient, each(length / slope, gradient))
        radius = (radius * torch.where(lead >= MARGIN, 1 - gamma, 1 + gamma)).clamp(min=0.0 if free else 1.0)  # no change is smaller
        change = nearest.space.clip(change.mul_(each(radius / l2_size(change).clamp(min=1e-12), change)))
    if len(nearest):
        nearest.look(change if free else ball.whole(change, 1e9))
    if not free:
        polish(nearest)
    return nearest.pictures
