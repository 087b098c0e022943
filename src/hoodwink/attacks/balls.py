"""Balls as data, for batches of changes: the way back inside, onto whole levels inside, the steepest step, a random start.

Changes are N x C x H x W in levels; radii in [0, 1] units (`l0`: subpixels). Everything is done picture by picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ball:
    """One norm's ball.

    project(change, radius): the nearest change of that size or less. whole(change, radius): whole levels of that size or less, near
    the change. steepest(gradient): the step of size one (in levels) that gains most along a gradient. random(change, radius,
    generator): a change of about that size. Bounds of the picture are the caller's: clipping to them never leaves a ball.
    """

    name: str
    project: Callable[[Tensor, float], Tensor]
    whole: Callable[[Tensor, float], Tensor]
    steepest: Callable[[Tensor], Tensor]
    random: Callable[[Tensor, float, torch.Generator], Tensor]


def each(values: Tensor, like: Tensor) -> Tensor:
    """N values as a tensor that multiplies N x C x H x W, picture by picture."""
    return values.view(-1, *[1] * (like.dim() - 1))


def l2_size(change: Tensor) -> Tensor:
    """The L2 size of each change, in levels, N."""
    return torch.linalg.vector_norm(change.flatten(1), dim=1)


def _linf_project(change: Tensor, radius: float) -> Tensor:
    return change.clamp(-radius * 255, radius * 255)


def _linf_whole(change: Tensor, radius: float) -> Tensor:
    levels = int(radius * 255 + 1e-6)
    return change.round().clamp_(-levels, levels)


def _linf_random(change: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    return _uniform(change, generator).mul_(radius * 255)


def _l2_project(change: Tensor, radius: float) -> Tensor:
    return change * each((radius * 255 / l2_size(change).clamp(min=1e-12)).clamp(max=1.0), change)


def _l2_whole(change: Tensor, radius: float) -> Tensor:
    """round(s c) for a scale s near the largest that stays inside: for a linear loss the best whole change along c."""
    limit = radius * 255
    scale = torch.ones(len(change), device=change.device)
    out = change.round()
    size = l2_size(out)
    for _ in range(8):
        over = size > limit
        if not bool(over.any()):
            return out
        scale = torch.where(over, scale * (limit / size.clamp(min=1e-12)) * 0.999, scale)
        out = (change * each(scale, change)).round_()
        size = l2_size(out)
    return torch.where(each(size > limit, change), (change * each(limit / l2_size(change).clamp(min=limit), change)).trunc_(), out)


def _l2_steepest(gradient: Tensor) -> Tensor:
    return gradient / each(l2_size(gradient).clamp(min=1e-30), gradient)


def _l2_random(change: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    noise = torch.empty(change.shape).normal_(generator=generator).to(change)
    return noise * each(radius * 255 / l2_size(noise).clamp(min=1e-12), noise)


def _l1_project(change: Tensor, radius: float) -> Tensor:
    """Soft thresholding at the level found by sorting (Duchi 2008)."""
    limit, flat = radius * 255, change.flatten(1)
    ranked = flat.abs().sort(1, descending=True).values
    excess = ranked.cumsum(1) - limit
    count = torch.arange(1, flat.shape[1] + 1, device=change.device)
    last = (ranked * count > excess).sum(1, keepdim=True).clamp(min=1)
    threshold = (excess.gather(1, last - 1) / last).clamp(min=0)
    return torch.copysign((flat.abs() - threshold).clamp(min=0), flat).view_as(change)


def _l1_whole(change: Tensor, radius: float) -> Tensor:
    """Every entry cut to whole levels; what is left of the ball goes to the largest remainders."""
    flat = _l1_project(change, radius).flatten(1)
    cut = flat.trunc()
    left = (int(radius * 255 + 1e-6) - cut.abs().sum(1)).clamp(min=0)
    rest = (flat - cut).abs()
    rank = rest.argsort(1, descending=True).argsort(1)
    return (cut + flat.sign() * ((rank < left[:, None]) & (rest > 0))).view_as(change)


def _l1_steepest(gradient: Tensor) -> Tensor:
    """All on the steepest hundredth of the subpixels, alike: the single steepest alone would take a gradient for every level."""
    flat = gradient.flatten(1)
    count = max(1, flat.shape[1] // 100)
    top = flat.abs().topk(count, 1)
    return torch.zeros_like(flat).scatter_(1, top.indices, flat.gather(1, top.indices).sign() / count).view_as(gradient)


def _l1_random(change: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    noise = torch.empty(change.shape).exponential_(generator=generator).to(change) * _uniform(change, generator).sign()
    return noise * each(radius * 255 / noise.flatten(1).abs().sum(1).clamp(min=1e-12), noise)


def _uniform(change: Tensor, generator: torch.Generator) -> Tensor:
    return torch.empty(change.shape).uniform_(-1, 1, generator=generator).to(change)


BALLS = {
    ball.name: ball
    for ball in (
        Ball("linf", _linf_project, _linf_whole, torch.sign, _linf_random),
        Ball("l2", _l2_project, _l2_whole, _l2_steepest, _l2_random),
        Ball("l1", _l1_project, _l1_whole, _l1_steepest, _l1_random),
    )
}


def find_ball(norm: str) -> Ball:
    """The ball of a norm; ValueError lists those there are."""
    if norm not in BALLS:
        raise ValueError(f"norm: one of {', '.join(BALLS)} was wanted, not {norm!r}")
    return BALLS[norm]
