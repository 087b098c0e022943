"""Networks that think for no time, for tests: `python:tiny_nets:NAME`."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from hoodwink.models.load import wrap
from hoodwink.models.model import Model

NAMES = ("red", "green", "blue")


def bare(seed: int = 0) -> nn.Sequential:
    """Names the strongest colour of 8 x 8 pixels: each logit is 40 times a channel's mean, and a little noise."""
    linear = nn.Linear(3 * 64, 3)
    noise = torch.randn(3, 192, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        linear.weight.copy_(40 / 64 * torch.eye(3).repeat_interleave(64, dim=1) + 0.01 * noise)
        linear.bias.zero_()
    return nn.Sequential(nn.Flatten(), linear)


def colours() -> Model:
    return wrap(bare(), mean=0, std=1, classes=NAMES, synonyms={"red": ("crimson",)}, size=8, name="colours")


def others() -> Model:
    return wrap(bare(1), mean=0, std=1, classes=NAMES, size=8, name="others")


def carrying() -> nn.Module:
    network = bare()
    network.hoodwink_card = {"mean": 0, "std": 1, "classes": NAMES, "size": 8, "name": "carrying"}  # type: ignore[assignment]
    return network


def constant() -> Model:
    """Says red whatever it sees."""
    network = bare()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.tensor([1.0, 0.0, 0.0]) if parameter.ndim == 1 else torch.zeros_like(parameter))
    return wrap(network, mean=0, std=1, classes=NAMES, size=8, name="constant")


def probabilities() -> Model:
    return wrap(nn.Sequential(*bare(), nn.Softmax(1)), mean=0, std=1, classes=NAMES, size=8, name="probabilities")


class _Slow(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        time.sleep(0.02)
        return pictures


def slow() -> Model:
    return wrap(nn.Sequential(_Slow(), *bare()), mean=0, std=1, classes=NAMES, size=8, name="slow")
