"""Where the pictures may be: balls inside the box of all pictures, and how far linear functions may fall there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hoodwink.bounds.graph import BoundsError
from hoodwink.bounds.intervals import TINY, Span

# A radius grows by this much in every subpixel, so that whole levels k/255, each rounded to a float, and the ends of the box here,
# rounded too, never fall outside: k/255 is off by at most 2**-25, and an attack's radius of 255 eps + 1e-6 levels by 2**-27.
OUTWARD = 2.0**-22
NORMS = ("linf", "l2")
_STEPS = 4  # to the multiplier of an L2 ball; every multiplier gives a true bound


@dataclass(frozen=True)
class Region:
    """Pictures N x C x H x W and how far each subpixel may go, down <= 0 <= up; radius: of an L2 ball besides, None for L-inf."""

    pictures: Tensor
    down: Tensor
    up: Tensor
    radius: float | None

    def only(self, keep: Tensor | slice) -> Region:
        """Of some pictures."""
        return Region(self.pictures[keep], self.down[keep], self.up[keep], self.radius)

    def span(self) -> Span:
        """As the span of a graph's first node."""
        return Span(self.pictures.double(), self.down, self.up, torch.zeros_like(self.pictures))


def region(pictures: Tensor, eps: float, norm: str) -> Region:
    """The balls of radius eps round pictures in [0, 1], a little larger against rounding, inside the box."""
    if norm not in NORMS:
        raise BoundsError(f"norm must be one of {', '.join(NORMS)}, {norm!r} came")
    if not 0 <= eps < math.inf or (norm == "linf" and eps > 1):
        raise BoundsError(f"eps must be in [0, 1] units and not negative, {eps!r} came; write 8/255 for eight levels")
    radius = eps + OUTWARD * (math.sqrt(pictures[0].numel()) if norm == "l2" and len(pictures) else 1)
    down, up = (pictures - radius).clamp(min=0) - pictures, (pictures + radius).clamp(max=1) - pictures
    more = 1 + 2 * torch.finfo(pictures.dtype).eps  # the differences were rounded too
    return Region(pictures, down.clamp(max=0) * more, up.clamp(min=0) * more, radius if norm == "l2" else None)


def fall(rows: Tensor, span: Span, radius: float | None, spare: int) -> Tensor:
    """A lower bound of sum(row * change), rows R x shape, for changes of one picture's span (and ball); R, double precision.

    spare: how many roundings went into each number of the rows, besides those of their own sums.
    """
    if radius is None:
        lost = _box(rows, span)
    else:
        # Any part of a row may be charged to the ball and the rest to the box; this one is the best.
        scale = _multiplier(rows, span, radius)
        ball = rows.clamp(-scale * span.up, -scale * span.down)
        lost = _box(rows - ball, span) - radius * torch.linalg.vector_norm(ball.flatten(1), dim=1, dtype=torch.float64)
    # No term is positive, so that the sums' errors are relative ones.
    return lost * (1 + (math.prod(rows.shape[2:]) + spare) * torch.finfo(rows.dtype).eps)


def lowest(rows: Tensor, span: Span, radius: float | None) -> Tensor:
    """The changes at which `fall` is reached, R x shape."""
    if radius is None:
        return torch.where(rows > 0, span.down, span.up)
    return (-rows / _multiplier(rows, span, radius)).clamp(span.down, span.up)


def _box(rows: Tensor, span: Span) -> Tensor:
    lost = rows.clamp(min=0) * span.down + rows.clamp(max=0) * span.up
    return (lost.flatten(2).sum(2) if rows.dim() > 2 else lost).sum(1, dtype=torch.float64)


def _multiplier(rows: Tensor, span: Span, radius: float) -> Tensor:
    """The scale s at which the change -row / s, clipped to the box, is as long as the radius; R x 1 x 1 x 1."""
    shape = (-1, *[1] * (rows.dim() - 1))
    scale: Tensor = torch.linalg.vector_norm(rows.flatten(1), dim=1).view(shape) / radius
    for _ in range(_STEPS):
        scale = scale.clamp(min=TINY)
        clipped = (-rows / scale).clamp(span.down, span.up)
        free = (clipped > span.down) & (clipped < span.up)
        left = radius**2 - clipped.masked_fill(free, 0).flatten(1).square().sum(1)
        scale = (rows.masked_fill(~free, 0).flatten(1).square().sum(1) / left.clamp(min=1e-12)).sqrt().view(shape)
    return scale.clamp(min=TINY)
