"""Gradient descent counted in steps: the short loop of the studies that look at a network after so many iterations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hoodwink.data.resident import Resident, batches, normalised

Loss = Callable[[Tensor, Tensor], Tensor]
_PORTION = 1000  # pictures that are judged at a time


def descend(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    data: Resident,
    *,
    batch: int,
    seed: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    loss: Loss = F.cross_entropy,
    vary: Callable[[Tensor, int], Tensor] = lambda pictures, step: pictures,
) -> Iterator[float]:
    """Take steps without end, each on the next batch of an order that the seed gives; yields the loss after each.

    mean, std: for each channel of pictures in [0, 1], (0,) and (1,) leave them as they are. vary: changes a batch's uint8 pictures N x C x H
    x W before that, given the number of the step. Who asks for a step may look at the network
    in between, in evaluation mode too: each step sets it back.
    """
    step = 0
    for epoch in count():
        for indices in batches(len(data), batch, seed=seed, epoch=epoch):
            pictures, labels = data.take(indices)
            network.train()
            value = loss(network(normalised(vary(pictures, step), mean, std)), labels)
            optimiser.zero_grad()
            torch.autograd.backward(value)
            optimiser.step()
            step += 1
            yield value.item()


@torch.no_grad()
def logits(network: nn.Module, pictures: Tensor, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """What a network answers to uint8 pictures N x C x H x W in evaluation mode, N x K."""
    network.eval()
    return torch.cat([network(normalised(part, mean, std)) for part in torch.split(pictures, _PORTION)])


def accuracy(network: nn.Module, data: Resident, *, mean: tuple[float, ...], std: tuple[float, ...]) -> float:
    """The share of pictures whose label has the largest output."""
    return float((logits(network, data.pictures, mean=mean, std=std).argmax(1) == data.labels).float().mean())
