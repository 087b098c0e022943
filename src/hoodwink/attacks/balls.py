"""Balls as data, for batches of changes: their size, the way back inside, onto whole levels inside, the steepest step, a random start.

Changes are N x C x H x W in levels; radii in [0, 1] units (`l0`: subpixels). Everything is done picture by picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Radius = float | Tensor  # one for all, or N: one for each picture

_BINS, _LEVELS = 256, 3  # of the histogram of remainders: bins, and how often one is divided
_TRIES = 8  # of a scale
_FEW = 256  # the largest subpixels, at least, among which a soft threshold is sought first
_NEWTON = 40  # steps at most to the level of a soft threshold; a handful suffices
_CLOSE = 1e-5  # relative: a soft threshold's sum is as near to its ball


@dataclass(frozen=True)
class Ball:
    """One norm's ball.

    size(change): of each change, N, in levels. project(change, radius): the nearest change of that size or less. within(change,
    radius, low, high): the nearest one that keeps bounds round zero, too; where they are whole, so does `whole` of it. whole(change,
    radius): whole levels of about the change's size and not above the ball's, no subpixel past the whole level beside it.
    steepest(gradient): the step of size one (in levels) that gains most along a gradient. random(change, radius, generator): a
    change of about that size. Clipping to bounds never leaves a ball.
    """

    name: str
    size: Callable[[Tensor], Tensor]
    project: Callable[[Tensor, Radius], Tensor]
    within: Callable[[Tensor, Radius, Tensor, Tensor], Tensor]
    whole: Callable[[Tensor, Radius], Tensor]
    steepest: Callable[[Tensor], Tensor]
    random: Callable[[Tensor, float, torch.Generator], Tensor]


def each(values: Tensor, like: Tensor) -> Tensor:
    """N values as a tensor that multiplies N x C x H x W, picture by picture."""
    return values.view(-1, *[1] * (like.dim() - 1))


def l2_size(change: Tensor) -> Tensor:
    """The L2 size of each change, in levels, N."""
    size: Tensor = torch.linalg.vector_norm(change, dim=_all(change))
    return size


def _linf_size(change: Tensor) -> Tensor:
    return change.abs().amax(_all(change))


def _linf_project(change: Tensor, radius: Radius) -> Tensor:
    return _clamp(change, radius * 255)


def _linf_within(change: Tensor, radius: Radius, low: Tensor, high: Tensor) -> Tensor:
    return _linf_project(change, radius).clamp_(low, high)


def _linf_whole(change: Tensor, radius: Radius) -> Tensor:
    return _clamp(change.round(), _floor(radius * 255))


def _linf_random(change: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    return _uniform(change, generator).mul_(radius * 255)


def _l2_project(change: Tensor, radius: Radius) -> Tensor:
    return change * each((radius * 255 / l2_size(change).clamp(min=1e-12)).clamp(max=1.0), change)


def _l2_within(change: Tensor, radius: Radius, low: Tensor, high: Tensor) -> Tensor:
    """The change scaled, then clipped: what the bounds cut off is made up for by a larger scale."""
    limit = radius * 255 + torch.zeros_like(change[:, 0, 0, 0])
    scale = (limit / l2_size(change).clamp(min=1e-12)).clamp(max=1.0)
    out = (change * each(scale, change)).clamp_(low, high)
    for _ in range(_TRIES):
        size = l2_size(out)
        if not bool(((size < 0.995 * limit) & (scale < 1)).any()):
            return out
        scale = (scale * limit / size.clamp(min=1e-12)).clamp(max=1.0)
        torch.mul(change, each(scale, change), out=out).clamp_(low, high)
    return _l2_project(out, limit / 255)


def _l2_whole(change: Tensor, radius: Radius) -> Tensor:
    """Every entry cut to whole levels, then those of the largest remainders lifted by one, as many as keep the size.

    Which remainders those are is read off a histogram of what lifting them costs; a bin that costs too much is divided again.
    """
    size = l2_size(change)
    limit = radius * 255 + torch.zeros_like(size)
    if bool((size > limit).any()):
        change, size = _l2_project(change, radius), torch.minimum(size, limit)
    flat = _in_memory_order(change).abs()
    exact = torch.float32 if float(size.max()) ** 2 < 2**23 else torch.float64  # what counts whole squares without rounding
    wanted = torch.minimum(size.to(exact).square() * (1 + 1e-6), torch.as_tensor(_floor(limit.to(exact) ** 2)))
    base = flat.floor()
    rest, price = flat.sub_(base), base.to(exact) * 2 + 1
    spent = base.to(exact).square().sum(1)
    low, width = torch.zeros_like(size)[:, None], 1.0
    for _ in range(_LEVELS):
        width /= _BINS
        place = rest.sub(low).mul_(1 / width).floor_().clamp_(-1, _BINS).add_(1).long()
        bins = torch.zeros(len(flat), _BINS + 2, dtype=exact, device=flat.device).scatter_add_(1, place, price)
        total = spent[:, None] + bins[:, 1:].flip(1).cumsum(1)  # of the bins from the top, one after the other
        fits = (total <= wanted[:, None]).sum(1, keepdim=True).clamp_(min=1)
        low = low + width * (_BINS + 1 - fits)
        if bool((total.gather(1, fits - 1)[:, 0] >= 0.98 * wanted - 1).all()):
            break
        low = low - width  # the bin that did not fit is divided
    else:
        low = low + width
    out = base.add_(rest >= low)
    return _in_memory_order(change, out).copysign_(change)


def _in_memory_order(change: Tensor, flat: Tensor | None = None) -> Tensor:
    """The entries of each change, N x D, as they lie in memory; or such entries as a tensor laid out like the change."""
    if change.is_contiguous():
        return change.flatten(1) if flat is None else flat.view(change.shape)
    last = change.permute(0, 2, 3, 1)
    return last.flatten(1) if flat is None else flat.view(last.shape).permute(0, 3, 1, 2)


def _l2_steepest(gradient: Tensor) -> Tensor:
    return gradient / each(l2_size(gradient).clamp(min=1e-30), gradient)


def _l2_random(change: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    noise = torch.empty(change.shape).normal_(generator=generator).to(change)
    return noise * each(radius * 255 / l2_size(noise).clamp(min=1e-12), noise)


def _l1_size(change: Tensor) -> Tensor:
    size: Tensor = torch.linalg.vector_norm(change, 1, dim=_all(change))
    return size


def _l1_project(change: Tensor, radius: Radius) -> Tensor:
    return _soften(change, radius)


def _l1_within(change: Tensor, radius: Radius, low: Tensor, high: Tensor) -> Tensor:
    """Croce and Hein 2021 (arXiv:2103.01208): soft thresholding, then the bounds, at the threshold where both fill the ball."""
    return _soften(change, radius, torch.where(change > 0, high, -low))


def _soften(change: Tensor, radius: Radius, most: Tensor | None = None) -> Tensor:
    """Every entry nearer to zero by one threshold (and no further from it than `most`), so that the ball holds them (Duchi 2008).

    The largest entries are asked first: of a large picture the others mostly fall to zero, and sorting all of them takes long.
    """
    flat, bound = change.flatten(1), None if most is None else most.flatten(1)
    limit = radius * 255 + torch.zeros_like(flat[:, 0])
    few = max(_FEW, flat.shape[1] // 16)
    if few < flat.shape[1]:
        largest = flat.abs().topk(few, 1, sorted=False)
        place = largest.indices
        out, threshold = _soften_all(flat.gather(1, place), limit, None if bound is None else bound.gather(1, place))
        if bool((threshold >= largest.values.amin(1)).all()):
            return torch.zeros_like(flat).scatter_(1, place, out).view(change.shape)
    return _soften_all(flat, limit, bound)[0].view(change.shape)


def _soften_all(flat: Tensor, limit: Tensor, bound: Tensor | None) -> tuple[Tensor, Tensor]:
    """The softened entries and the thresholds.

    The sum falls with the threshold, bent where entries reach zero or come off their bound: Newton's rule, and halving where it
    leaves the bracket.
    """
    height = flat.abs()
    low, high = torch.zeros_like(limit), height.amax(1)
    threshold = low
    for _ in range(_NEWTON):
        out = (height - threshold[:, None]).clamp_(min=0)
        bent = out > 0 if bound is None else (out > 0) & (out < bound)
        total = (out if bound is None else torch.minimum(out, bound, out=out)).sum(1)
        over = total > limit
        if not bool((over & (total > limit * (1 + _CLOSE)) | ~over & (total < limit * (1 - _CLOSE)) & (threshold > 0)).any()):
            break
        low, high = torch.where(over, threshold, low), torch.where(over, high, threshold)
        guess = threshold + (total - limit) / bent.sum(1).clamp(min=1)
        threshold = torch.where((guess > low) & (guess < high), guess, (low + high) / 2)
    scale = (limit / total.clamp(min=1e-12)).clamp(max=1.0)
    return out.mul_(scale[:, None]).copysign_(flat), threshold


def _l1_whole(change: Tensor, radius: Radius) -> Tensor:
    """Every entry cut to whole levels; what that takes from the size goes to the largest remainders."""
    size = _l1_size(change)
    if bool((size > radius * 255 * (1 + _CLOSE)).any()):
        change = _l1_project(change, radius)
        size = _l1_size(change)
    flat = change.flatten(1)
    cut = flat.trunc()
    left = (torch.minimum(size.round(), _floor(radius * 255) + torch.zeros_like(size)) - cut.abs().sum(1)).clamp_(min=0)
    best = (flat - cut).abs_().topk(min(int(left.max()), flat.shape[1]), 1)
    chosen = (torch.arange(best.values.shape[1], device=flat.device) < left[:, None]) & (best.values > 0)
    return cut.scatter_add_(1, best.indices, flat.gather(1, best.indices).sign_().mul_(chosen)).view(change.shape)


def _l1_steepest(gradient: Tensor) -> Tensor:
    """All on the steepest hundredth of the subpixels, alike: the single steepest alone would take a gradient for every level."""
    flat = gradient.flatten(1)
    count = max(1, flat.shape[1] // 100)
    top = flat.abs().topk(count, 1)
    return torch.zeros_like(flat).scatter_(1, top.indices, flat.gather(1, top.indices).sign() / count).view(gradient.shape)


def _l1_random(change: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    noise = torch.empty(change.shape).exponential_(generator=generator).to(change) * _uniform(change, generator).sign()
    return noise * each(radius * 255 / _l1_size(noise).clamp(min=1e-12), noise)


def _l0_size(change: Tensor) -> Tensor:
    return (change != 0).sum(_all(change)).to(change.dtype)


def _l0_project(change: Tensor, radius: Radius) -> Tensor:
    """The largest entries alone, as many as the radius says."""
    flat = change.flatten(1)
    count = (torch.zeros_like(flat[:, 0]) + _floor(radius)).clamp_(max=flat.shape[1])
    best = flat.abs().topk(int(count.max()), 1).indices
    kept = flat.gather(1, best).mul_(torch.arange(best.shape[1], device=flat.device) < count[:, None])
    return torch.zeros_like(flat).scatter_(1, best, kept).view(change.shape)


def _l0_within(change: Tensor, radius: Radius, low: Tensor, high: Tensor) -> Tensor:
    return _l0_project(change.clamp(low, high), radius)


def _l0_whole(change: Tensor, radius: Radius) -> Tensor:
    return _l0_project(change.round(), radius)


def _l0_random(change: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    return _l0_project(_uniform(change, generator), radius).sign_().mul_(255)


def _uniform(change: Tensor, generator: torch.Generator) -> Tensor:
    return torch.empty(change.shape).uniform_(-1, 1, generator=generator).to(change)


def _all(change: Tensor) -> tuple[int, ...]:
    """Every dimension but the first: sums over them read channels-last tensors where they lie."""
    return tuple(range(1, change.dim()))


def _clamp(change: Tensor, levels: Radius) -> Tensor:
    if isinstance(levels, Tensor):
        return change.clamp(-each(levels, change), each(levels, change))
    return change.clamp(-levels, levels)


def _floor(size: Radius) -> Radius:
    """The whole number below, or a hair above."""
    return (size * (1 + 1e-6) + 1e-6).floor() if isinstance(size, Tensor) else float(int(size + 1e-6))


BALLS = {
    ball.name: ball
    for ball in (
        Ball("linf", _linf_size, _linf_project, _linf_within, _linf_whole, torch.sign, _linf_random),
        Ball("l2", l2_size, _l2_project, _l2_within, _l2_whole, _l2_steepest, _l2_random),
        Ball("l1", _l1_size, _l1_project, _l1_within, _l1_whole, _l1_steepest, _l1_random),
    )
}
L0 = Ball("l0", _l0_size, _l0_project, _l0_within, _l0_whole, _l2_steepest, _l0_random)


def find_ball(norm: str, among: Mapping[str, Ball] = BALLS) -> Ball:
    """The ball of a norm; ValueError lists those there are."""
    if norm not in among:
        raise ValueError(f"norm: one of {', '.join(among)} was wanted, not {norm!r}")
    return among[norm]
