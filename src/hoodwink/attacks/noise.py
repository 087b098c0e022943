"""Noise that an optimiser bends until it fools, while weight decay keeps it small: the first attack that students write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hoodwink.attacks.balls import BALLS
from hoodwink.attacks.losses import ce
from hoodwink.attacks.nearest import Nearest
from hoodwink.attacks.polish import polish
from hoodwink.attacks.queries import Queries, as_queries

BETAS, TINY = (0.9, 0.999), 1e-8  # Adam's own (Kingma and Ba 2015, arXiv:1412.6980)


def noise(
    queries: Queries | Callable[[Tensor], Any],
    pictures: Tensor,
    labels: Tensor,
    *,
    target: Tensor | None = None,
    norm: str = "l2",
    steps: int = 1000,
    step_size: float = 0.01,
    weight_decay: float = 1.0,
    scale: float = 0.01,
    last: bool = False,
    free: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Random noise optimised by Adam on the cross-entropy of clamp(picture + noise, 0, 1), as the course has it that this project began with.

    pictures: N x C x H x W, [0, 1], on the grid k/255. labels, target: int64 N; without target the label's cross-entropy is climbed.
    step_size: Adam's rate; scale: the standard deviation of the noise at the start, the same for every picture, so that a batch gives
    what its pictures alone would; both in [0, 1] units. weight_decay: adds so many times the noise to the gradient: where that is
    no steeper, the noise stays too small to fool. free: off the grid; on it the network is shown whole levels, and a last pass takes
    levels back. Returns the nearest pictures seen that fool, unchanged where none did; last: those of the last noise, as the course
    does, whether they fool or not.
    """
    if norm != "l2":
        raise ValueError(f"norm: noise is kept small in l2 alone, not {norm!r}; take fmn or shrink")
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    nearest = Nearest(as_queries(queries), pictures, labels, target, BALLS["l2"])
    first = torch.empty(pictures.shape[1:]).normal_(generator=generator).to(pictures) * scale
    state = (first.expand_as(pictures).clone(), torch.zeros_like(pictures), torch.zeros_like(pictures))
    if len(nearest):
        nearest.look(torch.zeros_like(pictures))  # who fools without any noise leaves
        state = _kept(nearest, state)
    for step in range(1, steps + 1):
        if not len(nearest):
            break
        gradient = nearest.slope(_shown(state[0], nearest, free), ce)[2]
        state = _kept(nearest, state)
        levels = 255 * state[0]
        gradient.masked_fill_((levels < nearest.space.low) | (levels > nearest.space.high), 0.0)  # clamp passes no gradient there
        state = _adam(*state, weight_decay * state[0] - gradient, step, step_size)
    if last:
        change = torch.zeros_like(nearest.change)
        change[nearest.rows] = _shown(state[0], nearest, free)
        return nearest.whole.decode(change)
    if len(nearest):
        nearest.look(_shown(state[0], nearest, free))
    if not free:
        polish(nearest)
    return nearest.pictures


def _shown(noise: Tensor, nearest: Nearest, free: bool) -> Tensor:
    """The noise as the network is shown it, in levels: clamped, and whole unless the search is free."""
    levels = 255 * noise
    return nearest.space.clip(levels if free else levels.round_())


def _kept(nearest: Nearest, state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    noise, mean, square = nearest.kept(*state)
    return noise, mean, square


def _adam(noise: Tensor, mean: Tensor, square: Tensor, slope: Tensor, step: int, rate: float) -> tuple[Tensor, Tensor, Tensor]:
    """The noise after a step down the slope, and the running means of slopes and of their squares; in place."""
    mean.lerp_(slope, 1 - BETAS[0])
    square.mul_(BETAS[1]).addcmul_(slope, slope, value=1 - BETAS[1])
    spread = square.div(1 - BETAS[1] ** step).sqrt_().add_(TINY)
    return noise.addcdiv_(mean, spread, value=-rate / (1 - BETAS[0] ** step)), mean, square
