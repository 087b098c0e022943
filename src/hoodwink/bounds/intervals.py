"""Interval bounds of every node of a network (Gowal 2018, arXiv:1810.12715), and how far rounding may carry each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hoodwink.bounds.affine import Affine
from hoodwink.bounds.graph import Graph, Node, forward

# Bounds must hold for the network as it is computed: each operation off by at most `unit`, relatively, sums in any order. A sum of n
# products is then off by at most n * unit * sum |products| (Jeannerod and Rump 2013, doi:10.1137/120894488). Our own sums, forward
# and backward, are off by as much. What either may add at a node is its noise. SPARE counts the single operations beside the sums:
# a coefficient multiplied by a slope, two branches added, a product before it is summed up in double precision.
SPARE = 8
TINY = 1e-30  # far above what underflow can lose, far below any bound


@dataclass(frozen=True)
class Range:
    """low <= value <= high of a node, N x shape each; noise: the largest of each channel, N x C x 1 x 1 (of a vector: N x C)."""

    low: Tensor
    high: Tensor
    noise: Tensor

    @property
    def size(self) -> Tensor:
        """The largest absolute value."""
        return torch.maximum(-self.low, self.high)

    def only(self, keep: Tensor) -> Range:
        """Of some pictures."""
        return Range(self.low[keep], self.high[keep], self.noise[keep])

    def within(self, low: Tensor, high: Tensor) -> Range:
        """The same value, of which tighter bounds became known."""
        return Range(torch.maximum(self.low, low), torch.minimum(self.high, high), self.noise)


def intervals(graph: Graph, picture: Range) -> list[Range]:
    """The ranges of all nodes, by that of the picture."""
    spans: list[Range] = []
    for node in graph.nodes:
        inputs = [spans[index] for index in node.inputs]
        spans.append(step(graph, node, inputs) if inputs else picture)
    return spans


def step(graph: Graph, node: Node, inputs: Sequence[Range]) -> Range:
    """The range of a node by those of its inputs."""
    if node.affine is None:
        low, high = inputs[0].low.relu(), inputs[0].high.relu()
        return Range(low, high, noise(graph, torch.maximum(-low, high)))
    return _affine(graph, node, node.affine, inputs)


def _affine(graph: Graph, node: Node, affine: Affine, inputs: Sequence[Range]) -> Range:
    unit = graph.unit
    middles = [(span.low + span.high) / 2 for span in inputs]
    radii = [(span.high - span.low) / 2 + unit * SPARE * span.size for span in inputs]
    out, radius = forward(node, middles), affine.spread(*radii)
    products = affine.spread(*(span.size for span in inputs))
    if affine.bias is not None:
        products = products + (affine.bias.abs() if affine.weight is None else affine.weight)
    # Once the network's own error and once that of `out`; the sums of `spread` are off too, but no term of theirs is negative.
    radius = (radius + 2 * affine.own * unit * products) * (1 + (affine.own + SPARE) * unit) + SPARE * unit * out.abs() + TINY
    low, high = out - radius, out + radius
    return Range(low, high, noise(graph, torch.maximum(-low, high), (affine.own + affine.ours) * unit * products))


def noise(graph: Graph, size: Tensor, more: Tensor | None = None) -> Tensor:
    """The noise of a node whose values are at most `size`, of each channel; 1 % more for the arithmetic of the noise itself."""
    every = SPARE * graph.unit * size
    every = every if more is None else every + more
    return 1.01 * (every.flatten(2).amax(2).view(*every.shape[:2], *[1] * (every.dim() - 2)) if every.dim() > 2 else every) + TINY
