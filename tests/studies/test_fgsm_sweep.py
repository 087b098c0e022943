from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hoodwink.models.load import wrap
from hoodwink.models.model import Model
from hoodwink.studies.desk import Desk
from hoodwink.studies.fgsm_sweep import FGSM_SWEEP, by_better, by_source, stands, unclamped

SIZES = (0.0, 0.02, 0.05, 0.1, 0.2)


def linear(seed: int = 0, classes: int = 2, side: int = 4) -> tuple[Model, Tensor]:
    """A linear network on pictures in [0, 1], and its weights, K x 3 x H x W."""
    dice = torch.Generator().manual_seed(seed)
    weights = torch.randn(classes, 3, side, side, generator=dice)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, classes))
    layer = network[1]
    assert isinstance(layer, nn.Linear)
    with torch.no_grad():
        layer.weight.copy_(weights.flatten(1))
        layer.bias.copy_(-0.5 * weights.flatten(1).sum(1))  # a tie at mid-grey
    return wrap(network, mean=0.0, std=1.0, classes=classes, size=side), weights


def middling(count: int, side: int = 4) -> Tensor:
    """Pictures round mid-grey: no step of SIZES meets a bound."""
    return torch.randint(64, 192, (count, 3, side, side), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def leads(weights: Tensor, levels: Tensor) -> tuple[Tensor, Tensor, float]:
    """The labels that a network of two classes gives, by how much, and what a step of size one takes from it at most."""
    way = weights[0] - weights[1]
    lead = ((levels.double() / 255 - 0.5) * way).sum((1, 2, 3))
    return (lead < 0).long(), lead.abs(), float(way.abs().sum())


def desk(line: str) -> Desk:
    return Desk(line, {**FGSM_SWEEP.resolved()[line], "eps": SIZES, "budget": "quick", "sentinels": 0}, 0, Path())


def test_the_sources_step_takes_eps_times_the_l1_norm_of_the_weights() -> None:
    model, weights = linear()
    levels = middling(50)
    labels, lead, most = leads(weights, levels)
    answers, sign = unclamped(model, levels.float() / 255, labels, SIZES)
    assert torch.equal(sign, torch.where(labels[:, None, None, None] == 0, -1, 1) * (weights[0] - weights[1]).sign())
    for eps, answer in zip(SIZES, answers, strict=True):
        assert torch.equal(answer == labels, lead > eps * most)


def test_nothing_is_clamped() -> None:
    model, _ = linear()
    black = torch.zeros(3, 3, 4, 4, dtype=torch.uint8)
    found = by_source(desk("source"), model, black, model.outputs(black.float()).argmax(1))
    outside = found.series["outside"]
    assert outside[0] == 0 and 0 < outside[1] < 1 and len(set(outside[1:])) == 1


def test_accuracies_are_those_of_the_closed_form() -> None:
    model, weights = linear()
    levels = middling(60)
    labels, lead, most = leads(weights, levels)
    labels[:6] = 1 - labels[:6]  # misread from the start
    right = lead[6:]
    floats = [float((right > eps * most).sum()) / 60 for eps in SIZES]
    files = [float((right > int(255 * eps + 1e-6) / 255 * most + 1e-3).sum()) / 60 for eps in SIZES]
    assert by_source(desk("source"), model, levels, labels).series["one step, unclamped"] == pytest.approx(floats)
    found = by_better(desk("better"), model, levels, labels)
    for measure in ("FGSM", "PGD-40", "audit"):  # on a linear network one step is the strongest there is
        assert found.series[measure] == pytest.approx(files)
    assert floats[0] == 0.9 and 0 < files[1] < 0.9 and files[-1] == 0
    assert found.values["audit: accuracy at eps 0.02"] == found.series["audit"][1] and found.values["accuracy at eps 0"] == 0.9
    assert found.pictures["first"].shape == (len(SIZES), 4, 4, 3)
    change = np.abs(found.pictures["first"].astype(int) - found.pictures["first"][0]).max((1, 2, 3))
    assert (change <= [int(255 * eps + 1e-6) for eps in SIZES]).all()


@pytest.mark.parametrize(
    ("accuracies", "often"),
    [([0.7, 0.1, 0.0], 0), ([0.7, 0.1, 0.1, 0.2], 2), ([0.7, 0.0, 0.0, 0.0], 0), ([0.7, 0.0, 0.1, 0.05], 1), ([0.5], 0), ([0.5, 0.5], 1)],
)
def test_a_step_that_does_not_fall_counts_while_anything_stands(accuracies: list[float], often: int) -> None:
    assert stands(accuracies) == often
