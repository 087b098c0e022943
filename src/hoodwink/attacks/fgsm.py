"""One step: the gradient is taken once, and the ball is filled along it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hoodwink.attacks.balls import find_ball
from hoodwink.attacks.losses import find_loss
from hoodwink.attacks.pgd import ascend, space_of, step_sizes
from hoodwink.attacks.queries import Queries, as_queries
from hoodwink.attacks.standing import Standing


def fgsm(
    queries: Queries | Callable[[Tensor], Any],
    pictures: Tensor,
    labels: Tensor,
    *,
    target: Tensor | None = None,
    norm: str = "linf",
    eps: float,
    loss: str = "ce",
    random_start: bool = False,
    free: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The fast gradient method (Goodfellow 2015, arXiv:1412.6572); random_start: from a random change (Wong 2020, arXiv:2001.03994).

    pictures: N x C x H x W, [0, 1], on the grid k/255. labels, target: int64 N; without target any other label will do. eps: [0, 1]
    units. loss: a name in losses.LOSSES. free: off the grid. Returns the steps, as the network was
    not yet shown them; a picture that fools as it is stays so.
    """
    ball = find_ball(norm)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    stand = Standing(as_queries(queries), space_of(pictures, norm, eps, free), labels, target)
    start = torch.zeros_like(stand.space.low)
    if random_start:
        start = stand.space.clip(ball.random(start, eps, generator))
    if len(labels):
        sizes = step_sizes(eps, 1, eps, whole=norm == "linf" and not free)
        last = ascend(stand, ball, start, sizes, eps=eps, momentum=0.0, loss=find_loss(loss), free=free)
        stand.change[stand.rows] = last  # unseen: to look at it would cost half of what the step did
    return stand.pictures
