from __future__ import annotations

from itertools import islice

import numpy as np
import torch
from torch import nn

from hoodwink.data.resident import Resident, batches
from hoodwink.studies.descent import accuracy, descend, logits

PLAIN = {"mean": (0.0,), "std": (1.0,)}


def made(count: int = 12) -> Resident:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (count, 1, 2, 2), generator=generator, dtype=torch.uint8)
    return Resident(pictures, torch.randint(0, 3, (count,), generator=generator))


def linear() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


def test_steps_are_those_of_the_loop_that_everybody_writes() -> None:
    data, network, ours = made(), linear(), linear()
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    wanted = []
    for epoch in range(2):
        for indices in batches(len(data), 5, seed=3, epoch=epoch):
            loss = nn.functional.cross_entropy(network(data.pictures[indices].float() / 255), data.labels[indices])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            wanted.append(loss.item())
    found = list(islice(descend(ours, torch.optim.SGD(ours.parameters(), 0.1), data, batch=5, seed=3, **PLAIN), 6))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_look_in_between_changes_nothing() -> None:
    data, one, other = made(), nn.Sequential(linear(), nn.Dropout(0.5)), nn.Sequential(linear(), nn.Dropout(0.5))
    runs = []
    for network, look in ((one, False), (other, True)):
        torch.manual_seed(5)
        losses = []
        for loss in islice(descend(network, torch.optim.Adam(network.parameters()), data, batch=4, seed=0, **PLAIN), 7):
            losses.append(loss)
            if look:
                accuracy(network, data, **PLAIN)
        runs.append(losses)
    assert runs[0] == runs[1]


def test_pictures_are_varied_before_they_are_scaled() -> None:
    data, network, seen = made(), linear(), []

    def black(pictures: torch.Tensor, step: int) -> torch.Tensor:
        seen.append((step, pictures.dtype))
        return torch.zeros_like(pictures)

    before = network[1].weight.clone()
    list(islice(descend(network, torch.optim.SGD(network.parameters(), 1.0), data, batch=12, seed=0, vary=black, **PLAIN), 2))
    assert seen == [(0, torch.uint8), (1, torch.uint8)]
    assert torch.equal(network[1].weight, before), "black pictures move no weight"


def test_logits_and_accuracy_in_evaluation_mode() -> None:
    data = made(2500)
    network = nn.Sequential(nn.Dropout(0.9), nn.Flatten(), nn.Linear(4, 3))
    found = logits(network, data.pictures, mean=(0.5,), std=(0.25,))
    wanted = network[2]((data.pictures.float().flatten(1) / 255 - 0.5) / 0.25)
    torch.testing.assert_close(found, wanted.detach())
    assert accuracy(network, data, mean=(0.5,), std=(0.25,)) == float((wanted.argmax(1) == data.labels).float().mean())
