"""What a search may change, as parameters that decode to a picture."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Space(Protocol):
    """What climb and shrink know of the thing searched: a change in whole levels, its bounds, and what it decodes to.

    low, high: the bounds of the change, subpixel by subpixel, zero where nothing may change.
    """

    low: Tensor
    high: Tensor

    def decode(self, change: Tensor) -> Tensor:
        """The picture, [0, 1] on the grid k/255, of a change in whole levels inside low..high."""
        ...

    def nearest(self, place: Tensor) -> Tensor:
        """The change in whole levels inside low..high that is nearest to one between levels."""
        ...


class Pixels:
    """Every subpixel of a picture on the grid of whole levels, or those that a mask allows.

    picture: 1 x C x H x W, [0, 1] on the grid. mask: bool, broadcastable to it: True where it may change. radius: no subpixel
    changes by more than so many levels (an L-inf ball). A batch of pictures, N x C x H x W, is a space of as many changes.
    """

    def __init__(self, picture: Tensor, mask: Tensor | None = None, radius: float = 255) -> None:
        self.levels = (picture * 255).round_()
        self.low, self.high = (-self.levels).clamp_(min=-radius), (255 - self.levels).clamp_(max=radius)
        if mask is not None:
            self.low, self.high = self.low * mask, self.high * mask

    def decode(self, change: Tensor) -> Tensor:
        """The picture, [0, 1] on the grid k/255, of a change in whole levels inside low..high."""
        return (self.levels + change).div_(255)

    def nearest(self, place: Tensor) -> Tensor:
        """The change in whole levels inside low..high that is nearest to one between levels."""
        return torch.minimum(torch.maximum(place.round(), self.low), self.high)

    def clip(self, change: Tensor) -> Tensor:
        """The nearest change inside the bounds; in place."""
        return change.clamp_(self.low, self.high)

    def only(self, which: Tensor) -> Pixels:
        """The space of some pictures of the batch; which: bool N or int64."""
        part = Pixels.__new__(Pixels)
        part.levels, part.low, part.high = self.levels[which], self.low[which], self.high[which]
        return part


def outward(gradient: Tensor, change: Tensor, space: Space) -> Tensor:
    """True where the change stands at a bound and the gradient points out of it."""
    return ((change >= space.high) & (gradient > 0)) | ((change <= space.low) & (gradient < 0))


def tangent(gradient: Tensor, change: Tensor, space: Space, radius: float | None = None) -> Tensor:
    """The gradient projected on the directions in which the change may go, so that <g, g'> = |g'|^2.

    Without a radius only the bounds count: zero where one is met and the gradient points out. With one (an L2 ball in [0, 1]
    units, whose face is met) it is the projection on the cone of both (Moreau 1962), found by bisection on its one multiplier.
    """
    free = gradient.masked_fill(outward(gradient, change, space), 0.0)
    if radius is None or float(torch.linalg.vector_norm(change)) < radius * 255 * 0.999 or float((free * change).sum()) <= 0:
        return free
    low, high = 0.0, float(gradient.abs().max()) * 2 + 1e-12
    for _ in range(60):
        middle = (low + high) / 2
        bent = gradient - middle * change
        bent = bent.masked_fill(outward(bent, change, space), 0.0)
        low, high = (middle, high) if float((bent * change).sum()) > 0 else (low, middle)
    bent = gradient - high * change
    return bent.masked_fill_(outward(bent, change, space), 0.0)
