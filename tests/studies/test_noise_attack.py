from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hoodwink.data.keys import keyed
from hoodwink.data.resident import Resident
from hoodwink.models.build import build
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found
from hoodwink.studies.noise_attack import NETWORKS, NOISE_ATTACK, _pairs, _sheet, first_known, made


def desk(line: str, **changes: Any) -> Desk:
    return Desk(line, {**NOISE_ATTACK.resolved()[line], **changes}, 3, Path())


def test_the_networks_are_the_courses() -> None:
    sizes = {title: [tuple(p.shape) for p in build(*NETWORKS[title]).parameters()] for title in NETWORKS}
    assert sizes["FCNet"] == [(50, 784), (50,), (20, 50), (20,), (10, 20), (10,)]
    assert sizes["ConvNet"] == [(5, 1, 5, 5), (5,), (10, 5, 5, 5), (10,), (32, 490), (32,), (10, 32), (10,)]


def sees(answer: Callable[[int], int]) -> nn.Module:
    """A network that answers by the first pixel, in which the pictures here hold their index."""

    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.eye(10)[[answer(round(float(k) * 255)) for k in x[:, 0, 0, 0]]]

    return Net()


def test_the_first_picture_that_all_know_is_taken() -> None:
    labels = torch.arange(40) % 10
    data = Resident(torch.arange(40, dtype=torch.uint8)[:, None, None, None].expand(40, 1, 2, 2), labels)
    early = sees(lambda k: k % 10 if k >= 10 else 0)  # knows no picture before the tenth, but the zero
    late = sees(lambda k: k % 10 if k != 12 and k % 10 != 7 else 1)  # knows no 7, and not the first 2 after it
    assert first_known([early, late], data).tolist() == [0, 11, 22, 13, 14, 15, 16, 7, 18, 19]


@pytest.mark.parametrize("line", ["source", "source-loud"])
def test_a_source_ends_where_the_courses_own_lines_end(line: str) -> None:
    torch.manual_seed(0)
    network = build(*NETWORKS["FCNet"]).requires_grad_(False)
    pictures = torch.randint(0, 256, (2, 1, 28, 28)).float() / 255
    labels = network(pictures).argmax(1)
    target = (labels + 1) % 10
    found = made(desk(line, steps=30), network, pictures, labels, target)
    noise = torch.empty(1, 28, 28).normal_(generator=keyed("noise", 3)) * {"source": 0.01, "source-loud": 1}[line]
    noise.requires_grad_()
    optimiser = torch.optim.Adam([noise], lr=0.01, weight_decay=1)
    for _ in range(30):
        optimiser.zero_grad()
        torch.autograd.backward(cross_entropy(network((pictures[:1] + noise).clamp(0, 1)), target[:1]))
        optimiser.step()
    wanted = (pictures[0] + noise.detach()).clamp(0, 1)
    assert float(((found[0] - wanted).abs() < 1e-3).float().mean()) > 0.99


def test_better_is_whole_levels_that_fool_and_nearer_than_the_last_noise() -> None:
    torch.manual_seed(1)
    network = build(*NETWORKS["FCNet"]).requires_grad_(False)
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.mul_(3)
    pictures = torch.randint(0, 256, (4, 1, 28, 28)).float() / 255
    labels = network(pictures).argmax(1)
    target = (labels + 1) % 10
    near, far = (made(desk(line), network, pictures, labels, target) for line in ("better", "source"))
    assert torch.equal((near * 255).round() / 255, near) and torch.equal(network(near).argmax(1), target)
    assert bool(((near - pictures).flatten(1).norm(dim=1) < (far - pictures).flatten(1).norm(dim=1)).all())


def test_the_sheet_has_the_digits_on_its_diagonal_and_frames_what_does_not_fool() -> None:
    digits = np.arange(0, 100, 10, dtype=np.uint8).repeat(16).reshape(10, 4, 4, 1)
    files = np.stack([np.full((4, 4, 1), 10 * row + column, np.uint8) for row, column in _pairs()])
    fooled = [row < column for row, column in _pairs()]
    found = Found({}, series={"FCNet: fooled": fooled}, pictures={"digits": digits, "FCNet": files})
    drawn = _sheet(Answer(NOISE_ATTACK.lines[0], {}, (found,)), "FCNet")
    for row in range(10):
        for column in range(10):
            cell = drawn[1 + 9 * row : 9 + 9 * row, 1 + 9 * column : 9 + 9 * column]
            assert (cell[2:6, 2:6] == (10 * row + column if row != column else 10 * row)).all()
            assert (cell[0, 0] == 255).all() == (row <= column)
