"""Small random networks, pictures and requests, for properties that hold of every one of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hoodwink.attacks.objectives import Goal, named, not_named
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.spaces import Pixels

SHAPE = (1, 3, 6, 7)


def random_network(seed: int) -> nn.Sequential:
    """Two convolutions with ReLU and a linear layer: 3 x 6 x 7 to 4 logits, steep enough to be fooled by a few levels."""
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 4))
    for parameter in network.parameters():
        parameter.requires_grad_(False).copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return network


def random_picture(dice: np.random.Generator) -> Tensor:
    """Whole levels in [0, 1]; now and then at the ends of the range."""
    levels = dice.integers(-60, 316, SHAPE).clip(0, 255)
    return torch.from_numpy(levels).float().div(255)


def random_mask(dice: np.random.Generator) -> Tensor | None:
    return torch.from_numpy(dice.random((1, 1, *SHAPE[2:])) < 0.6) if dice.random() < 0.5 else None


def random_goal(dice: np.random.Generator, network: nn.Module, picture: Tensor) -> Goal:
    """Another class than the one seen, by name or not."""
    seen = int(network(picture).argmax())
    if dice.random() < 0.3:
        return not_named(seen)
    return named((seen + 1) % 4, float(dice.choice([0.3, 0.6, 0.9])))


class Request:
    """One random request: the network, the picture, the mask and the goal that belong to a seed."""

    def __init__(self, seed: int, radius: int = 255) -> None:
        dice = np.random.default_rng(seed)
        self.network, self.picture, self.mask = random_network(seed), random_picture(dice), random_mask(dice)
        self.goal = random_goal(dice, self.network, self.picture)
        self.queries, self.space = Queries(self.network), Pixels(self.picture, self.mask, radius)
        self.generator = torch.Generator().manual_seed(seed)

    def check(self, change: Tensor) -> None:
        """Whole levels, inside the box, nothing outside the mask."""
        assert torch.equal(change, change.round())
        after = self.picture * 255 + change
        assert float(after.min()) > -0.01 and float(after.max()) < 255.01
        assert self.mask is None or not change[~self.mask.expand_as(change)].any()

    def value(self, change: Tensor) -> float:
        """The objective of the picture with this change, read from its 8-bit levels."""
        levels = (self.picture * 255 + change).round().to(torch.uint8)
        return float(self.goal.objective(self.network(levels.float().div(255))))
