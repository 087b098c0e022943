"""Random squares, kept where the scores say that they help (Andriushchenko et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hoodwink.attacks.balls import BALLS, Ball, each, find_ball
from hoodwink.attacks.pgd import space_of
from hoodwink.attacks.queries import Queries, as_queries
from hoodwink.attacks.spaces import Pixels
from hoodwink.attacks.standing import Standing

HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # parts of the queries after which squares have half the area
TILES = 5  # L2: the start has so many tiles on the shorter side


def square(
    queries: Queries | Callable[[Tensor], Any],
    pictures: Tensor,
    labels: Tensor,
    *,
    target: Tensor | None = None,
    norm: str = "linf",
    eps: float,
    steps: int = 5000,
    p_init: float = 0.8,
    free: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The Square Attack (Andriushchenko et al. 2020, arXiv:1912.00049): scores alone, no gradient.

    pictures: N x C x H x W, [0, 1], on the grid k/255. labels, target: int64 N; without target any other label will do. eps: [0, 1]
    units. steps: queries a picture. p_init: the part of a picture that the first squares cover. free: off the grid. Pictures that
    fool leave the batch. Returns the best pictures found; MARGIN decides.
    """
    ball = find_ball(norm, {name: BALLS[name] for name in ("linf", "l2")})
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    stand = Standing(as_queries(queries), space_of(pictures, norm, eps, free), labels, target)
    if not len(labels) or steps < 1:
        return stand.pictures
    stand.look(torch.zeros_like(stand.space.low))  # what fools already, leaves
    ...
