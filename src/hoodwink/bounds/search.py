"""A short search for pictures that fool, so that nobody tries to prove what is false."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hoodwink.bounds.regions import Region, lowest

STEPS = 20


def fooled(logits: Callable[[Tensor], Tensor], space: Region, labels: Tensor) -> Tensor:
    """Of which pictures one was found in its region that another label's logit reaches the own one's of, bool N.

    Steps to the best corner of the linearised network, ever shorter (Frank and Wolfe 1956): they never leave the region.
    """
    change = torch.zeros_like(space.pictures)
    out = torch.zeros(len(labels), dtype=torch.bool, device=labels.device)
    for k in range(STEPS):
        with torch.enable_grad():
            at = (space.pictures + change).requires_grad_(True)
            values = logits(at)
            own = values.gather(1, labels[:, None])[:, 0]
            margin = own - values.scatter(1, labels[:, None], -torch.inf).amax(1)
            (slope,) = torch.autograd.grad(margin.sum(), at)
        out |= margin <= 0
        change = change.lerp(lowest(slope, space.span(), space.radius), 2 / (k + 2))
    return out
