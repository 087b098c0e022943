"""Linear bounds carried backward through a network (CROWN: Zhang 2018, arXiv:1811.00866), for many rows of many pictures at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hoodwink.bounds.graph import Graph, Node
from hoodwink.bounds.intervals import Range, step
from hoodwink.bounds.regions import Region

CHUNK = 1 << 18  # numbers of the largest feature map of a chunk of rows: about what a processor's cache holds


@dataclass(frozen=True)
class Lines:
    """slope * z <= relu(z) <= upper * z + gap for every z in a ReLU's range; slope: any in [0, 1] where the sign is open."""

    slope: Tensor
    upper: Tensor
    gap: Tensor

    def of(self, owner: Tensor) -> Lines:
        return Lines(self.slope[owner], self.upper[owner], self.gap[owner])


def lines(span: Range) -> Lines:
    """The tightest lines; the lower one with the slope 0 or 1 that leaves the smaller area."""
    low, high = span.low, span.high
    upper = torch.where(low >= 0, 1.0, torch.where(high <= 0, 0.0, (high / (high - low)).clamp(max=1)))
    # The gap belongs to the slope as it was rounded; products of floats are exact in double precision.
    exact = upper.double()
    gap = torch.maximum(-exact * low.double(), (1 - exact) * high.double())
    gap = torch.where((low >= 0) | (high <= 0), 0.0, gap * (1 + 2 * torch.finfo(low.dtype).eps)).to(low.dtype)
    slope = torch.where((low >= 0) | ((high > 0) & (high >= -low)), 1.0, 0.0).to(low.dtype)
    return Lines(slope, upper.to(low.dtype), gap)


@dataclass(frozen=True)
class Rows:
    """Linear functions of one node's value: coefficients R x shape, and the picture that each belongs to, R."""

    at: int
    values: Tensor
    owner: Tensor


def lower(graph: Graph, rows: Rows, spans: Sequence[Range], bends: dict[int, Lines], region: Region) -> Tensor:
    """A lower bound of each row's function over its picture's region, R, double precision."""
    parts: dict[int, Tensor] = {rows.at: rows.values}
    bound = torch.zeros(len(rows.owner), dtype=torch.float64, device=graph.device)
    for index in range(rows.at, 0, -1):
        if index not in parts:
            continue
        node, part = graph.nodes[index], parts.pop(index)
        bound -= _slack(part, spans[index].noise, rows.owner)
        if node.affine is None:
            part, more = through(part, bends[index].of(rows.owner))
            bound += more
            pulled: tuple[Tensor, ...] = (part,)
        else:
            bound += _constant(part, node.affine.bias)
            pulled = node.affine.pull(part)
        for source, piece in zip(node.inputs, pulled, strict=True):
            parts[source] = parts[source] + piece if source in parts else piece
    return bound - _slack(parts[0], spans[0].noise, rows.owner) + region.least(parts[0], rows.owner)


def through(part: Tensor, bend: Lines) -> tuple[Tensor, Tensor]:
    """Coefficients of a ReLU's outputs as coefficients of its inputs, and the constant that comes with them."""
    negative = part.clamp(max=0)
    constant = (negative * bend.gap).flatten(1).sum(1, dtype=torch.float64)
    return part * torch.where(part > 0, bend.slope, bend.upper), constant * (1 + 1e-6)


def _constant(part: Tensor, bias: Tensor | None) -> Tensor | float:
    if bias is None:
        return 0.0
    same = [d for d in range(1, part.dim()) if bias.shape[d] == 1]
    summed = part.sum(same, keepdim=True, dtype=torch.float64) if same else part.double()
    return (summed * bias.double()).flatten(1).sum(1)


def _slack(part: Tensor, noise: Tensor, owner: Tensor) -> Tensor:
    sums = part.abs().flatten(2).sum(2) if part.dim() > 2 else part.abs()
    return 1.01 * (sums * noise.flatten(1)[owner]).sum(1, dtype=torch.float64)
