"""Norms as data: how large a change is, the best change of a given size for a linear objective, and the way back into a ball.

Changes are tensors of whole levels; sizes are in [0, 1] units (`l0`: subpixels).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_STRIP = 1 << 18  # subpixels summed at a time
_SAMPLE = 1 << 16  # subpixels that the scale of a change is found on
_HALVINGS = 24  # of a scale: past that the whole levels no longer change


@dataclass(frozen=True)
class Norm:
    """One norm.

    size(change) -> float. extreme(direction, radius, low, high): the whole-level change of that size (l2: about), inside
    low..high, that gains most along `direction`. inside(change, radius): the change made small enough, no subpixel moved away
    from zero. unit: sizes come in steps of it (a level, a subpixel), so that one below the best is the next to try; None where
    they are fine.
    """

    name: str
    size: Callable[[Tensor], float]
    extreme: Callable[[Tensor, float, Tensor, Tensor], Tensor]
    inside: Callable[[Tensor, float], Tensor]
    unit: float | None


def _l2(change: Tensor) -> float:
    """Exact for whole levels, as the judge measures it: sums in double precision, strip by strip, which stay in the cache."""
    flat = change.flatten()
    strips = (flat[k : k + _STRIP].double() for k in range(0, len(flat), _STRIP))
    return math.sqrt(sum(float(torch.dot(strip, strip)) for strip in strips)) / 255


def _linf(change: Tensor) -> float:
    return float(change.abs().max()) / 255


def _l1(change: Tensor) -> float:
    return float(change.abs().sum(dtype=torch.float64)) / 255


def _l0(change: Tensor) -> float:
    return float(torch.count_nonzero(change))


def _l2_extreme(direction: Tensor, radius: float, low: Tensor, high: Tensor) -> Tensor:
    """round(s g), clipped: the best whole-level change for a linear objective, as each level is bought where it gains most.

    The scale s is found on an evenly spaced sample of the subpixels: exact up to _SAMPLE of them, within a percent or so above.
    """
    stride = -(-direction.numel() // _SAMPLE)
    sample, floor, ceiling = (t.reshape(-1)[::stride].contiguous() for t in (direction, low, high))
    wanted = (radius * 255) ** 2 / stride
    steepest = float(sample.abs().max())
    if steepest == 0 or radius <= 0:
        return torch.zeros_like(direction)
    small, large = 0.0, 256 / steepest
    while float(_scaled(sample, large, floor, ceiling).square().sum()) < wanted and large * steepest < 1e9:
        large *= 4
    for _ in range(_HALVINGS):
        middle = (small + large) / 2
        fits = float(_scaled(sample, middle, floor, ceiling).square().sum()) <= wanted
        small, large = (middle, large) if fits else (small, middle)
    return _scaled(direction, small, low, high)


def _scaled(direction: Tensor, scale: float, low: Tensor, high: Tensor) -> Tensor:
    change = direction * scale
    return torch.minimum(torch.maximum(change.round_(), low, out=change), high, out=change)


def _l2_inside(change: Tensor, radius: float) -> Tensor:
    if _l2(change) <= radius:
        return change
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _l2((change * middle).round()) <= radius else (low, middle)
    return (change * low).round()


def _linf_extreme(direction: Tensor, radius: float, low: Tensor, high: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(direction.sign() * _whole(radius * 255), low), high)


def _linf_inside(change: Tensor, radius: float) -> Tensor:
    levels = _whole(radius * 255)
    return change.clamp(-levels, levels)


def _l0_extreme(direction: Tensor, radius: float, low: Tensor, high: Tensor) -> Tensor:
    full = torch.where(direction > 0, high, low)
    return _keep(full, (direction * full).abs(), _whole(radius))


def _l0_inside(change: Tensor, radius: float) -> Tensor:
    return _keep(change, change.abs(), _whole(radius))


def _keep(change: Tensor, score: Tensor, count: int) -> Tensor:
    """The `count` entries of the highest score, the others zero."""
    if count >= change.numel():
        return change
    if count == 0:
        return torch.zeros_like(change)
    best = score.flatten().topk(count).indices
    out = torch.zeros_like(change)
    out.view(-1)[best] = change.reshape(-1)[best]
    return out


def _l1_extreme(direction: Tensor, radius: float, low: Tensor, high: Tensor) -> Tensor:
    full = torch.where(direction > 0, high, low)
    return _spend(full, direction.abs(), _whole(radius * 255))


def _l1_inside(change: Tensor, radius: float) -> Tensor:
    return _spend(change, change.abs(), _whole(radius * 255))


def _spend(change: Tensor, score: Tensor, budget: int) -> Tensor:
    """Whole entries of the highest score while the sum of their levels lasts; the next one gets what is left."""
    order = score.flatten().argsort(descending=True, stable=True)
    wanted = change.reshape(-1)[order].double()
    left = (budget - wanted.abs().cumsum(0) + wanted.abs()).clamp(min=0)
    out = torch.zeros_like(change)
    out.view(-1)[order] = (wanted.sign() * torch.minimum(wanted.abs(), left)).to(change.dtype)
    return out


def _whole(levels: float) -> int:
    return int(levels + 1e-6)


NORMS = {
    norm.name: norm
    for norm in (
        Norm("l2", _l2, _l2_extreme, _l2_inside, None),
        Norm("linf", _linf, _linf_extreme, _linf_inside, 1 / 255),
        Norm("l1", _l1, _l1_extreme, _l1_inside, 1 / 255),
        Norm("l0", _l0, _l0_extreme, _l0_inside, 1.0),
    )
}
