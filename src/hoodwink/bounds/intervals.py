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
# and backward, are off by as much. All bounds are for the change from the clean picture's values, which are computed in double
# precision: it is small, and so is what our arithmetic loses of it. Single operations beside the sums come to graph.slack.
TINY = 1e-30  # far above what underflow can lose, far below any bound


@dataclass(frozen=True)
class Span:
    """What is known of a node's values, N x shape each: they lie in value + down .. value + up, for the network as it is computed.

    value: the clean picture's, in double precision. drift: how far rounding may carry a change from what the maps since the last ReLU
    make of the changes there.
    """

    value: Tensor
    down: Tensor
    up: Tensor
    drift: Tensor

    @property
    def low(self) -> Tensor:
        """The least value; its sign is the true one."""
        return (self.value + self.down).to(self.down.dtype)

    @property
    def high(self) -> Tensor:
        """The largest value; its sign is the true one."""
        return (self.value + self.up).to(self.up.dtype)

    @property
    def size(self) -> Tensor:
        """The largest absolute value."""
        return torch.maximum(-self.low, self.high)

    @property
    def change(self) -> Tensor:
        """The largest absolute change."""
        return torch.maximum(-self.down, self.up)

    def only(self, keep: Tensor | slice) -> Span:
        """Of some pictures."""
        return Span(self.value[keep], self.down[keep], self.up[keep], self.drift[keep])

    def within(self, down: Tensor, up: Tensor) -> Span:
        """With other bounds of the change, where they are tighter; no change is always within."""
        return Span(self.value, torch.maximum(self.down, down).clamp(max=0), torch.minimum(self.up, up).clamp(min=0), self.drift)


def intervals(graph: Graph, picture: Span) -> list[Span]:
    """The spans of all nodes, by that of the picture."""
    spans = [picture]
    for index in range(1, len(graph.nodes)):
        spans.append(step(graph, index, spans))
    return spans


def step(graph: Graph, index: int, spans: Sequence[Span]) -> Span:
    """The span of a node by those before it."""
    node = graph.nodes[index]
    inputs = [spans[source] for source in node.inputs]
    if node.affine is None:
        return _relu(graph, inputs[0])
    out = _affine(graph, node, node.affine, inputs)
    if node.largest:
        downs, ups = zip(
            *((spans[k].value - out.value + spans[k].down, spans[k].value - out.value + spans[k].up) for k in node.largest), strict=True
        )
        more = graph.slack * out.size
        out = out.within(torch.maximum(*downs).to(graph.dtype) - more, torch.maximum(*ups).to(graph.dtype) + more)
    return out


def _relu(graph: Graph, before: Span) -> Span:
    value = before.value.relu()
    low, high = before.low.relu(), before.high.relu()
    clean = value.to(graph.dtype)
    more = graph.slack * torch.maximum(before.size, clean)
    down, up = torch.where(clean == 0, 0, low - clean - more), torch.where(high == 0, 0, high - clean + more)
    return Span(value, down, up, torch.zeros_like(clean))


def _affine(graph: Graph, node: Node, affine: Affine, inputs: Sequence[Span]) -> Span:
    own, ours = (count * graph.unit + graph.slack for count in (affine.own, affine.ours))
    value = forward(node, [span.value for span in inputs])
    out = affine.push(*((span.down + span.up) / 2 for span in inputs))
    together = [torch.cat([(span.up - span.down) / 2, span.change, span.size, span.drift]) for span in inputs]
    radius, change, size, drift = affine.spread(*together).chunk(4)
    if affine.bias is not None:
        size = size + (affine.bias.abs() if affine.weight is None else affine.weight)
    # 1.01: the sums of `spread` are off too, but no term of theirs is negative.
    rounding = 1.01 * own * size
    radius = radius * (1 + own) + 1.01 * own * change + rounding + TINY
    down, up = out - radius, out + radius
    drift = 1.01 * (drift + ours * change + graph.slack * torch.maximum(-down, up)) + rounding + TINY
    return Span(value, down, up, drift)
