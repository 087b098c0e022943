from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from hoodwink.data.resident import Resident
from hoodwink.training.feeds import PictureFeed
from hoodwink.training.loop import Epoch, Parts, Training, evaluate, fit
from hoodwink.training.recipes import RECIPES
from hoodwink.training.updates import classify


def made(network: nn.Module | None = None, count: int = 70, **settings: Any) -> Training:
    dice = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (count, 1, 4, 4), dtype=torch.uint8, generator=dice)
    labels = (pictures.flatten(1).float().mean(1) > 127).long()
    recipe = RECIPES["digits-mlp"].changed({"validation": 0, "epochs": 2, "batch": 8, "momentum": 0.5, **settings})
    if network is None:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))
    data = PictureFeed(Resident(pictures, labels), (0.5,), (0.25,), recipe.augmentation)
    return Training.start(Parts(recipe, network, classify(recipe.smoothing), data, data.part(torch.arange(20))))


def examples(training: Training) -> tuple[torch.Tensor, torch.Tensor]:
    feed = training.parts.train
    assert isinstance(feed, PictureFeed)
    return feed.data.pictures, feed.data.labels


def run(training: Training) -> list[Epoch]:
    epochs: list[Epoch] = []
    fit(training, watch=epochs.append, tick=lambda training: None)
    return epochs


def test_it_takes_the_steps_that_plain_torch_takes() -> None:
    """The same network trained by hand, in the order that the data room gives."""
    from hoodwink.data.resident import batches

    training = made()
    pictures, labels = examples(training)
    torch.manual_seed(0)
    other = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))
    optimiser = torch.optim.SGD(other.parameters(), lr=training.parts.recipe.rate, momentum=0.5)
    losses = []
    for epoch in range(2):
        total = 0.0
        for indices in batches(70, 8, seed=0, epoch=epoch):
            x = (pictures[indices].float() / 255 - 0.5) / 0.25
            loss = nn.functional.cross_entropy(other(x), labels[indices])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(indices)
        losses.append(total / 70)
    found = run(training)
    assert [epoch.loss for epoch in found] == pytest.approx(losses, rel=1e-5)
    for one, two in zip(training.parts.network.parameters(), other.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-5)


def test_accumulated_batches_are_a_large_one() -> None:
    small, large = made(count=64, batch=8, accumulate=4), made(count=64, batch=32)
    run(small)
    run(large)
    for one, two in zip(small.parts.network.parameters(), large.parts.network.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-5)


def test_means_are_of_pictures_not_of_batches() -> None:
    training = made(rate=1e-12)
    first = run(training)[0]
    whole = evaluate(training.parts, training.parts.train)
    assert (first.loss, first.accuracy) == pytest.approx(whole, rel=1e-4)


def test_evaluation_of_both_sides_is_the_mean_of_the_outputs() -> None:
    training = made()
    parts = training.parts
    pictures, labels = examples(training)
    x = (pictures.float() / 255 - 0.5) / 0.25
    with torch.no_grad():
        logits = (parts.network(x) + parts.network(x.flip(3))) / 2
    loss, accuracy = evaluate(parts, parts.train, flips=True)
    assert loss == pytest.approx(float(nn.functional.cross_entropy(logits, labels)), rel=1e-5)
    assert accuracy == pytest.approx(float((logits.argmax(1) == labels).float().mean()))


def test_dropout_and_augmentation_do_not_depend_on_what_was_drawn_before() -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 2))

    one, two = made(network(), shift=1), made(network(), shift=1)
    run(one)
    torch.rand(100)
    run(two)
    for a, b in zip(one.parts.network.parameters(), two.parts.network.parameters(), strict=True):
        assert torch.equal(a, b)
