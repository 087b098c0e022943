"""Networks built to mislead an audit, around an honest one, and pictures that it is right about."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hoodwink.models.load import wrap
from hoodwink.models.model import Model

CLASSES, SIDE = 10, 8
Array = np.ndarray[Any, Any]


def draw(count: int, seed: int) -> tuple[Array, Array]:
    """Pictures, uint8 count x 8 x 8 x 1, of ten patterns under noise, and their labels."""
    dice = np.random.default_rng(seed)
    patterns = np.random.default_rng(0).integers(60, 196, (CLASSES, SIDE, SIDE, 1))
    labels = dice.integers(0, CLASSES, count)
    return (patterns[labels] + dice.normal(0, 22, (count, SIDE, SIDE, 1))).round().clip(0, 255).astype(np.uint8), labels


def train(levels: Array, labels: Array, epochs: int) -> nn.Sequential:
    """An honest network that learns pictures of 8 x 8 pixels: 64 to 48 ReLUs to 10 logits."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 48), nn.ReLU(), nn.Linear(48, CLASSES))
    pictures, truth = torch.from_numpy(levels).permute(0, 3, 1, 2).float() / 255 * 2 - 1, torch.from_numpy(labels)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(truth)).split(50):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(pictures[rows]), truth[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return network


@cache
def _trained() -> nn.Sequential:
    return train(*draw(1000, 1), epochs=12)


def honest() -> nn.Sequential:
    """A network that learned the patterns."""
    return copy.deepcopy(_trained())


class Rounded(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.round(x * 8) / 8


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Noisy(nn.Module):
    """Other noise on every call."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * torch.randn_like(x)


class _Lie(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return torch.randn_like(gradient) * gradient.abs().mean()


class Hidden(nn.Module):
    """Passes its input, and a gradient drawn at random."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _Lie.apply(x)
        return out


class _Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


class Turned(nn.Module):
    """Passes its input, and the gradient the other way round: the same on every call."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _Turned.apply(x)
        return out


class Broken(nn.Module):
    """Answers with what is no number wherever the first subpixel is bright."""

    def __init__(self, network: nn.Module, answer: float) -> None:
        super().__init__()
        self.network, self.answer = network, answer

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return torch.where((x[:, 0, 0, 0] > 0.35)[:, None], torch.full_like(logits, self.answer), logits)


def _quantised() -> nn.Module:
    network = honest()
    return nn.Sequential(network[0], network[1], nn.ReLU(), Rounded(), network[3])


# The network, and the signs that must be seen of it.
MISLEADING: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "quantised": (_quantised, ("zero or non-finite gradients",)),
    "saturated": (lambda: nn.Sequential(honest(), Times(1e4)), ("saturated logits",)),
    "tiny": (lambda: nn.Sequential(honest(), Times(1e-5)), ("saturated logits",)),
    "random": (lambda: nn.Sequential(Noisy(), honest()), ("random outputs",)),
    "softmax": (lambda: nn.Sequential(honest(), nn.Softmax(1)), ("softmax outputs",)),
    "saturated softmax": (
        lambda: nn.Sequential(honest(), Times(1e3), nn.Softmax(1)),
        ("zero or non-finite gradients", "softmax outputs", "saturated logits"),
    ),
    "hidden": (lambda: nn.Sequential(Hidden(), honest()), ("a gradient that misleads",)),
    "turned": (lambda: nn.Sequential(Turned(), honest()), ("a gradient that misleads",)),
    "not a number": (lambda: Broken(honest(), float("nan")), ("zero or non-finite gradients",)),
    "infinite": (lambda: Broken(honest(), float("inf")), ("zero or non-finite gradients",)),
}


def model(network: nn.Module) -> Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of them are warned of
        return wrap(network, mean=0.5, std=0.5, classes=CLASSES, channels=1, size=SIDE)
