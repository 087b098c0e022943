"""Where the pictures may be: balls inside the box of all pictures, and the least value of linear functions there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hoodwink.bounds.graph import BoundsError, Graph
from hoodwink.bounds.intervals import Range, noise

# A radius grows by this much in every subpixel, so that whole levels k/255, each rounded to a float, and the ends of the box here,
# rounded too, never fall outside: k/255 is off by at most 2**-25, and an attack's radius of 255 eps + 1e-6 levels by 2**-27.
OUTWARD = 2.0**-22
_STEPS = 6  # to the multiplier of an L2 ball; every multiplier gives a true bound
NORMS = ("linf", "l2")


@dataclass(frozen=True)
class Region:
    """The pictures within a ball and the box: low..high for all; radius: of an L2 ball round the pictures, None for L-inf."""

    pictures: Tensor
    low: Tensor
    high: Tensor
    radius: float | None

    def only(self, keep: Tensor) -> Region:
        """Of some pictures."""
        return Region(self.pictures[keep], self.low[keep], self.high[keep], self.radius)

    def range(self, graph: Graph) -> Range:
        """As the range of a graph's first node."""
        return Range(self.low, self.high, noise(graph, self.high))

    def least(self, rows: Tensor, owner: Tensor) -> Tensor:
        """A lower bound of sum(row * picture) for rows R x C x H x W, each in the region of its owner; R, double precision."""
        low, high = self.low[owner], self.high[owner]
        if self.radius is None:
            return _box(rows, low, high)
        pictures = self.pictures[owner]
        # Any part of a row may be charged to the ball and the rest to the box; this one is the best.
        scale = self._multiplier(rows, low - pictures, high - pictures)
        ball = rows.clamp(scale * (pictures - high), scale * (pictures - low))
        length = torch.linalg.vector_norm(ball.flatten(1), dim=1, dtype=torch.float64)
        centre = (ball * pictures).flatten(1).sum(1, dtype=torch.float64)
        return centre - self.radius * length + _box(rows - ball, low, high)

    def lowest(self, rows: Tensor, owner: Tensor) -> Tensor:
        """The picture in its region where sum(row * picture) is least."""
        low, high = self.low[owner], self.high[owner]
        if self.radius is None:
            return torch.where(rows > 0, low, high)
        pictures = self.pictures[owner]
        scale = self._multiplier(rows, low - pictures, high - pictures)
        return pictures + (-rows / scale.clamp(min=1e-30)).clamp(low - pictures, high - pictures)

    def _multiplier(self, rows: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """The scale s >= 0 at which the change -row / s, clipped to the box, is as long as the radius; R x 1 x 1 x 1."""
        assert self.radius is not None
        each = (-1, *[1] * (rows.dim() - 1))
        scale = torch.linalg.vector_norm(rows.flatten(1), dim=1).view(each) / self.radius
        for _ in range(_STEPS):
            change = -rows / scale.clamp(min=1e-30)
            free = (change > low) & (change < high)
            clipped = change.clamp(low, high)
            taken = clipped.masked_fill(free, 0).flatten(1).square().sum(1)
            left = (self.radius**2 - taken).clamp(min=1e-12)
            scale = (rows.masked_fill(~free, 0).flatten(1).square().sum(1) / left).sqrt().view(each)
        return scale


def region(pictures: Tensor, eps: float, norm: str) -> Region:
    """The balls of radius eps round pictures in [0, 1], a little larger against rounding, inside the box."""
    if norm not in NORMS:
        raise BoundsError(f"norm must be one of {', '.join(NORMS)}, {norm!r} came")
    if not 0 <= eps < math.inf or (norm == "linf" and eps > 1):
        raise BoundsError(f"eps is in [0, 1] units and not negative, {eps!r} came; write 8/255 for eight levels")
    radius = eps + OUTWARD * (math.sqrt(pictures[0].numel()) if norm == "l2" and len(pictures) else 1)
    low, high = (pictures - radius).clamp(min=0), (pictures + radius).clamp(max=1)
    return Region(pictures, low, high, radius if norm == "l2" else None)


def _box(rows: Tensor, low: Tensor, high: Tensor) -> Tensor:
    positive = rows.clamp(min=0)
    return (positive * low + (rows - positive) * high).flatten(1).sum(1, dtype=torch.float64)
