"""Small classifiers for attacks on batches, pictures for them, and how far two pictures are from each other, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from hoodwink.attacks.balls import BALLS, L0
from hoodwink.attacks.queries import Queries
from oracles import linear

Network = Callable[[Tensor], Tensor]


def classifier(seed: int, classes: int = 4, channels: int = 3, size: int = 6) -> nn.Sequential:
    """A convolution with ReLU and a linear layer, with random weights that some levels suffice to turn."""
    dice = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(channels, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * (size - 2) ** 2, classes))
    for parameter in network.parameters():
        parameter.requires_grad_(False).copy_(0.5 * torch.randn(parameter.shape, generator=dice))
    return network


def pictures(seed: int, count: int = 3, channels: int = 3, size: int = 6) -> Tensor:
    """Whole levels in [0, 1]; a good part of them at the ends of the range."""
    levels = np.random.default_rng(seed).integers(-60, 316, (count, channels, size, size)).clip(0, 255)
    return torch.from_numpy(levels).float().div(255)


def task(seed: int, count: int = 3, classes: int = 4, channels: int = 3, size: int = 6) -> tuple[Network, Tensor, Tensor, Tensor]:
    """A classifier, pictures, what it calls them, and other classes to reach."""
    network, shown = classifier(seed, classes, channels, size), pictures(seed, count, channels, size)
    labels = network(shown).argmax(1)
    return network, shown, labels, (labels + 1) % classes


def line(gains: linear.Array, need: float, classes: int = 2) -> tuple[Network, Tensor, Tensor]:
    """A linear classifier, a mid-grey picture of its class 0, and that label: class 1 needs `need` more there."""
    grey = torch.full(gains.shape, 128 / 255)
    return linear.classifier(gains, -need - 128 * float(gains.sum()), classes), grey, torch.zeros(1, dtype=torch.int64)


def distance(norm: str, before: Tensor, after: Tensor) -> Tensor:
    """N, in the units of eps, in double precision."""
    change = (after.double() - before.double()) * 255
    size = (BALLS | {"l0": L0})[norm].size(torch.where(change.abs() < 1e-3, 0.0, change) if norm == "l0" else change)
    return size if norm == "l0" else size / 255


def is_whole(shown: Tensor) -> bool:
    """Whether every subpixel is exactly k/255."""
    return torch.equal((shown * 255).round() / 255, shown)


def inside(norm: str, eps: float, before: Tensor, after: Tensor) -> bool:
    """Whether whole-level pictures lie in the ball, counted in whole numbers."""
    change = ((after.double() - before.double()) * 255).round().flatten(1)
    if norm == "linf":
        return bool((change.abs().amax(1) <= math.floor(255 * eps + 1e-6)).all())
    if norm == "l2":
        return bool((change.square().sum(1).sqrt() <= 255 * eps + 1e-6).all())
    if norm == "l1":
        return bool((change.abs().sum(1) <= math.floor(255 * eps + 1e-6)).all())
    return bool(((change != 0).sum(1) <= eps + 1e-6).all())


def fooled(network: Network, shown: Tensor, labels: Tensor, target: Tensor | None = None) -> Tensor:
    """Which pictures fool, asked one by one, N."""
    seen = torch.cat([network(shown[k : k + 1]).argmax(1) for k in range(len(shown))])
    return seen == target if target is not None else seen != labels


class Small:
    """A network that has memory for so many pictures at a time."""

    def __init__(self, network: Network, most: int, words: str = "DefaultCPUAllocator: not enough memory: you tried to allocate") -> None:
        self.network, self.most, self.words, self.asked = network, most, words, list[int]()

    def __call__(self, shown: Tensor) -> Tensor:
        self.asked.append(len(shown))
        if len(shown) > self.most:
            raise RuntimeError(self.words)
        return self.network(shown)


def counted(network: Network, count: int) -> tuple[Queries, Callable[[], tuple[list[int], list[int]]]]:
    """Queries, and the gradients and forwards that they have counted for each picture."""
    asked = Queries(network)

    def read() -> tuple[list[int], list[int]]:
        gradients, forwards = asked.each(count)
        return gradients.tolist(), forwards.tolist()

    return asked, read
