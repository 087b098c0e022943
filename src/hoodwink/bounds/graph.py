"""A network as a list of affine maps and ReLUs, whatever its layers were called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hoodwink.bounds.affine import Affine, Shape


class BoundsError(ValueError):
    """A network, a norm or a method that no bound can be given for; one line."""


@dataclass(frozen=True)
class Node:
    """One feature map. affine: how it comes from its inputs; None: the picture (no inputs) or the ReLU of its one input.

    mixed: how many sums of several numbers lie between it and the picture, at most; up to one, intervals of a box are exact.
    """

    name: str
    shape: Shape
    inputs: tuple[int, ...] = ()
    affine: Affine | None = None
    mixed: int = 0

    @property
    def relu(self) -> bool:
        return self.affine is None and bool(self.inputs)


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of the computation: the first is the picture, the last the logits.

    unit: half the distance from 1 to the next number of the arithmetic, the network's and ours.
    """

    nodes: tuple[Node, ...]
    dtype: torch.dtype
    device: torch.device

    @property
    def unit(self) -> float:
        return torch.finfo(self.dtype).eps / 2

    @property
    def last(self) -> int:
        return len(self.nodes) - 1

    @property
    def relus(self) -> list[int]:
        """The ReLUs, bottom up."""
        return [index for index, node in enumerate(self.nodes) if node.relu]

    def outputs(self, pictures: Tensor) -> list[Tensor]:
        """Every node's value, for pictures N x C x H x W."""
        values: list[Tensor] = []
        for node in self.nodes:
            inputs = [values[index] for index in node.inputs]
            values.append(forward(node, inputs) if inputs else pictures)
        return values


def forward(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """The value of a node by the values of its inputs."""
    if node.affine is None:
        return inputs[0].relu()
    out = node.affine.push(*inputs)
    return out if node.affine.bias is None else out + node.affine.bias
