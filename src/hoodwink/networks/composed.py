"""Networks made of others: one after another, and one whose layer is replaced."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Chain(nn.Module):
    """Two networks of pictures: what the first gives in [0, 1], N x C x H x W, is normalised and given to the second."""

    def __init__(self, first: nn.Module, second: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second((self.first(x) - self.mean) / self.std)
        return out


def replaced(network: nn.Module, layer: str, other: nn.Module) -> nn.Module:
    """The same network with another module in the place of `layer` (named as in `named_modules()`); weights are shared, not copied.

    KeyError where there is no such layer.
    """
    name, _, rest = layer.partition(".")
    if name not in network._modules:
        raise KeyError(layer)
    found = copy.copy(network)
    found._modules = dict(network._modules)
    within = network._modules[name]
    found._modules[name] = replaced(within, rest, other) if rest and within is not None else other
    return found
