"""A classifier on the features that another network gives."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hoodwink.networks.mlp import MLP

_SMALLEST = 0.1  # of the mean deviation: what hardly varied in training must not decide because it does later


class Head(nn.Module):
    """Features N x D to logits N x classes: standardised by a mean and a deviation, then linear layers with ReLU between them.

    mean, std: of each feature, set by `initialise`; without it features are taken as they are.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], classes: int, dropout: float) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("std", torch.ones(inputs))
        self.mlp = MLP(inputs, hidden, classes, dropout)

    @torch.no_grad()
    def initialise(self, features: Tensor) -> None:
        """Take mean and deviation from the features, N x D, of training pictures."""
        deviation = features.double().std(0, correction=0)
        self.mean.copy_(features.double().mean(0))
        self.std.copy_(deviation.clamp(min=max(_SMALLEST * float(deviation.mean()), 1e-12)))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.mlp(((x - self.mean) / self.std).to(x.dtype))  # of half floats no other comes out
        return logits


def head(classes: int = 10, inputs: int = 1280, hidden: Sequence[int] = (), dropout: float = 0.0) -> Head:
    """The network with random weights; inputs: features of a picture, hidden: the widths between, dropout: the share left out."""
    return Head(inputs, hidden, classes, dropout)
