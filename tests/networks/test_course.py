"""The course's networks have as many connections as its pages say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from hoodwink.networks.convnet import convnet
from hoodwink.networks.mlp import mlp


def connections(network: nn.Module) -> int:
    """Weights without biases."""
    return sum(value.numel() for name, value in network.named_parameters() if name.endswith("weight"))


@pytest.mark.parametrize(
    ("network", "shape", "count"),
    [
        (lambda: mlp(inputs=64 * 64 * 3, hidden=(128, 64)), (3, 64, 64), 1_581_696),
        (lambda: convnet(channels=3, side=64, layers=[[6, 5, 2, 0, 1], [10, 5, 2, 0, 1]], hidden=[]), (3, 64, 64), 18_850),
        (lambda: convnet(), (1, 28, 28), 125 + 1250 + 160 * 32 + 320),
        (lambda: convnet(layers=[[5, 5, 1, 2, 2], [10, 5, 1, 2, 2]]), (1, 28, 28), 125 + 1250 + 490 * 32 + 320),
        (lambda: mlp(hidden=(50, 20)), (1, 28, 28), 784 * 50 + 1000 + 200),
    ],
)
def test_connections(network: Any, shape: tuple[int, ...], count: int) -> None:
    made = network()
    assert connections(made) == count
    assert made(torch.zeros(2, *shape)).shape == (2, 10)


def test_dropout_stands_before_every_layer() -> None:
    kinds = [type(layer).__name__ for layer in mlp(hidden=(50, 50), dropout=0.4).layers]
    assert kinds == ["Flatten", "Dropout", "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]


def test_a_softmax_gives_probabilities_and_too_many_layers_are_refused() -> None:
    assert torch.allclose(convnet(softmax=True)(torch.randn(3, 1, 28, 28)).sum(1), torch.ones(3))
    with pytest.raises(ValueError, match="nothing is left of the picture"):
        convnet(layers=[[5, 5, 1, 0, 4], [5, 5, 1, 0, 4]])
