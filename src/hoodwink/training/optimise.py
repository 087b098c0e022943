"""Optimisers, schedules of the learning rate, and the slow average that pulls the weights back."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from hoodwink.training.recipe import Recipe

_START = 0.2  # of the highest rate: where a triangle begins
_PULL = 0.95**5  # how far the slow average lags behind at the end of a run


def make_optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over what is trained; the shifts of norms, where they learn faster, are a group of their own."""
    fast: list[Tensor] = []
    slow: list[Tensor] = []
    for module in network.modules():
        is_norm = isinstance(module, nn.modules.batchnorm._BatchNorm) and recipe.bias_rate != 1
        for name, value in module.named_parameters(recurse=False):
            if value.requires_grad:
                (fast if is_norm and name == "bias" else slow).append(value)
    # A step takes off rate * decay of a weight: with a faster rate, the decay is smaller by so much.
    groups: list[dict[str, Any]] = [{"params": slow, "factor": 1.0, "weight_decay": recipe.weight_decay}]
    if fast:
        groups.append({"params": fast, "factor": recipe.bias_rate, "weight_decay": recipe.weight_decay / recipe.bias_rate})
    if recipe.optimiser == "adam":
        return torch.optim.AdamW(groups, lr=recipe.rate, betas=(recipe.momentum or 0.9, recipe.second), fused=True)
    return torch.optim.SGD(groups, lr=recipe.rate, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=True)


def factor(recipe: Recipe, progress: float) -> float:
    """What the rate is multiplied by when a part of the run, 0 to 1, is done.

    step: a tenth after half, a hundredth after three quarters. cosine: down to `floor`, after a straight warm-up over the part `warmup`.
    triangle: up until `warmup`, straight down to `floor`.
    """
    if recipe.schedule == "step":
        return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01
    if recipe.schedule == "constant":
        return 1.0
    if progress < recipe.warmup:
        low = _START if recipe.schedule == "triangle" else 0.0
        return low + (1 - low) * progress / recipe.warmup
    rest = (progress - recipe.warmup) / (1 - recipe.warmup)
    part = (1 + math.cos(math.pi * rest)) / 2 if recipe.schedule == "cosine" else 1 - rest
    return recipe.floor + (1 - recipe.floor) * part


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """The rate of every group, times the group's own factor."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


class Slow:
    """A slow average of the weights and statistics, to which they are pulled back (Lookahead, Zhang 2019, arXiv:1907.08610).

    The pull weakens as the run ends: the average lags the more, the further the run is.
    """

    def __init__(self, network: nn.Module) -> None:
        self.values = {name: value.detach().clone() for name, value in network.state_dict().items() if value.is_floating_point()}

    @torch.no_grad()
    def pull(self, network: nn.Module, progress: float) -> None:
        """Move the average towards the weights, and the weights onto the average."""
        lag = _PULL * progress**3
        for name, value in network.state_dict().items():
            if name in self.values:
                self.values[name].lerp_(value, 1 - lag)
                value.copy_(self.values[name])

    @torch.no_grad()
    def settle(self, network: nn.Module) -> None:
        """At the end the weights are the average."""
        for name, value in network.state_dict().items():
            if name in self.values:
                value.copy_(self.values[name])


def state_of(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers, by parameter and name."""
    return {
        f"{index}/{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for index, known in optimiser.state_dict()["state"].items()
        for name, value in known.items()
        if value is not None
    }


def restore(optimiser: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    """Remember what `state_of` said."""
    known: dict[int, dict[str, Tensor]] = {}
    for name, value in state.items():
        index, _, key = name.partition("/")
        known.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": known})
    for weight, values in optimiser.state.items():
        for key, value in values.items():
            if value.shape == weight.shape:  # a file has no order of axes in memory, and fused steps go through memory as it lies
                values[key] = torch.empty_like(weight).copy_(value)
