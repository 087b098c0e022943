"""Questions to a network, counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hoodwink.attacks.objectives import Objective


class Queries:
    """Asks a function from [0, 1] pictures N x C x H x W to logits (or a tuple of logits, one for each network), and counts.

    `gradients` counts pictures whose gradient was asked for, `forwards` those of which only the value was.
    """

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        self.function = function
        self.gradients = 0
        self.forwards = 0

    def value(self, pictures: Tensor, objective: Objective) -> Tensor:
        """The objective of each picture, N."""
        self.forwards += len(pictures)
        with torch.no_grad():
            return objective(self.function(pictures))

    def gradient(self, pictures: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
        """The objective of each picture, N, and its gradient by the picture (zero where nothing leads to it)."""
        self.gradients += len(pictures)
        pictures = pictures.detach().requires_grad_()
        with torch.enable_grad():
            value = objective(self.function(pictures))
            total = value.sum()
        if not value.requires_grad:
            return value, torch.zeros_like(pictures)
        (gradient,) = torch.autograd.grad(total, pictures, allow_unused=True)
        return value.detach(), torch.zeros_like(pictures) if gradient is None else gradient
