"""A network as a list of affine maps and ReLUs, whatever its layers were called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hoodwink.bounds.affine import Affine, Shape

# A coefficient times a slope, a product before it is summed up in double precision, the ends of a span; branches added come besides.
SINGLE = 8


class BoundsError(ValueError):
    """What no bound can be given for: a network, pictures, a norm or a method; one line."""


@dataclass(frozen=True)
class Node:
    """One feature map, N x shape. affine: how it comes from its inputs; None: the picture (no inputs), or the ReLU of its one input.

    largest: two nodes that it is the larger of.
    """

    name: str
    shape: Shape
    inputs: tuple[int, ...] = ()
    affine: Affine | None = None
    largest: tuple[int, ...] = ()

    @property
    def relu(self) -> bool:
        return self.affine is None and bool(self.inputs)


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of the computation: the first is the picture, the last the logits.

    root: the last node up to which everything is a chain of elementwise maps, so that a box of pictures is a box there. spare: how
    many single operations, beside sums of products, meet at most in one number on its way through a node.
    """

    nodes: tuple[Node, ...]
    root: int
    spare: int
    dtype: torch.dtype
    device: torch.device

    @property
    def unit(self) -> float:
        """The largest relative error of one operation of the network's arithmetic, and of ours."""
        return torch.finfo(self.dtype).eps / 2

    @property
    def slack(self) -> float:
        """The largest relative error of the single operations that meet."""
        return self.spare * self.unit

    @property
    def last(self) -> int:
        return len(self.nodes) - 1

    def outputs(self, pictures: Tensor) -> Tensor:
        """The logits of pictures N x C x H x W."""
        values: list[Tensor] = []
        for node in self.nodes:
            inputs = [values[index] for index in node.inputs]
            values.append(forward(node, inputs) if inputs else pictures)
        return values[-1]


def forward(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """The value of a node by the values of its inputs."""
    if node.affine is None:
        return inputs[0].relu()
    out = node.affine.push(*inputs)
    return out if node.affine.bias is None else out + node.affine.bias.to(out.dtype)


def assemble(nodes: Sequence[Node], dtype: torch.dtype, device: torch.device) -> Graph:
    """The graph of these nodes; weights are of this dtype, on this device."""
    uses = [source for node in nodes for source in node.inputs]
    return Graph(tuple(nodes), find_root(nodes), SINGLE + max((uses.count(source) for source in set(uses)), default=0), dtype, device)


def find_root(nodes: Sequence[Node]) -> int:
    """The root of a graph of these nodes."""
    root = 0
    while True:
        after = [index for index, node in enumerate(nodes) if root in node.inputs]
        affine = nodes[after[0]].affine if len(after) == 1 else None
        if affine is None or affine.sums or len(nodes[after[0]].inputs) > 1:
            return root
        root = after[0]


def neck(graph: Graph) -> int:
    """The node behind which only affine maps of one input follow: rows of logits pulled back to it are exact."""
    index = graph.last
    while graph.nodes[index].affine is not None and len(graph.nodes[index].inputs) == 1:
        index = graph.nodes[index].inputs[0]
    return index
