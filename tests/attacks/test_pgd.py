from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from hoodwink.attacks.losses import LOSSES
from hoodwink.attacks.pgd import pgd, step_sizes
from hoodwink.attacks.queries import Queries
from oracles import linear
from oracles.classifiers import counted, fooled, inside, line, task

NEEDS = (7.0, 60.0)


def gains(seed: int, shape: tuple[int, ...] = (1, 3, 8, 8)) -> linear.Array:
    return np.random.default_rng(seed).normal(size=shape)


def optimum(norm: str, slope: linear.Array, need: float) -> float:
    """The smallest size, in [0, 1] units, of a whole-level change of a mid-grey picture that gains `need`."""
    low, high = np.full(slope.shape, -128.0), np.full(slope.shape, 127.0)
    if norm == "linf":
        return linear.smallest_linf(slope, need, low, high) / 255
    if norm == "l1":
        return linear.smallest_l1(slope, need, low, high) / 255
    return float(np.linalg.norm(linear.rounded(slope, need, low, high))) / 255


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("need", NEEDS)
@pytest.mark.parametrize("free", [False, True])
def test_a_linear_network_falls_at_a_quarter_more_than_the_optimum(norm: str, need: float, free: bool) -> None:
    for seed in range(3):
        slope = gains(seed)
        network, grey, label = line(slope, need)
        eps = 1.25 * max(optimum(norm, slope, need + 2e-3), 3 / 255 if norm == "l2" else 0)
        out = pgd(network, grey, label, norm=norm, eps=eps, free=free)
        assert bool(fooled(network, out, label)) and (free or inside(norm, eps, grey, out))


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_a_linear_network_stands_below_the_optimum(norm: str) -> None:
    slope = gains(0)
    network, grey, label = line(slope, 60.0)
    out = pgd(network, grey, label, norm=norm, eps=0.9 * optimum(norm, slope, 60.0))
    assert not fooled(network, out, label).any() and (norm == "linf" or bool((out != grey).any()))  # linf: less than a level is left


def test_gradients_are_counted_until_a_picture_falls() -> None:
    """Steps of one level up every slope: a picture that needs r levels is asked r + 1 times."""
    slope = np.ones((1, 1, 2, 2))
    levels = torch.tensor([3, 1, 9, 0, 6])
    grey = (128 - levels[:, None, None, None]).expand(5, 1, 2, 2).float() / 255
    asked, read = counted(linear.classifier(slope, -4 * 128 + 0.1), 5)
    pgd(asked, grey, torch.zeros(5, dtype=torch.int64), eps=8 / 255, steps=6, step_size=1 / 255, momentum=0.0, loss="margin")
    assert read() == ([4, 2, 6, 1, 6], [0, 0, 1, 0, 1])  # who stands after the last step is looked at once more
    assert (asked.gradients, asked.forwards) == (19, 2)
    pgd(asked, grey, torch.zeros(5, dtype=torch.int64), eps=4 / 255, steps=6, step_size=1 / 255, restarts=3, loss="margin")
    assert read()[0][2] == 6 + 3 * 6 and read()[1][2] == 1 + 3


def test_restarts_are_random_and_add_to_what_was_found() -> None:
    network, shown, labels, _ = task(3, 12)
    found = []
    for restarts in (1, 4):
        asked = Queries(network)
        found.append(fooled(network, pgd(asked, shown, labels, eps=1 / 255, steps=3, restarts=restarts), labels))
    assert bool((found[1] >= found[0]).all())
    assert torch.equal(*(pgd(network, shown, labels, norm="l2", eps=0.05, restarts=2, steps=2) for _ in range(2)))
    starts = [
        pgd(network, shown, labels, norm="l2", eps=0.05, steps=1, random_start=True, generator=torch.Generator().manual_seed(k))
        for k in (0, 1)
    ]
    assert not torch.equal(*starts)


def test_toward_pulls_at_one_class_and_is_content_with_any() -> None:
    """Of three classes, 1 grows with the first subpixel and 2 with the second: pulled at 2, the first is left alone."""

    def network(pictures: Tensor) -> Tensor:
        first, second = pictures[:, 0, 0].unbind(1)
        return torch.stack([torch.full_like(first, 100 / 255), first, second], 1) * 255

    grey, label = torch.full((1, 1, 1, 2), 90 / 255), torch.tensor([0])
    for loss in ("margin", "probability", "ce"):
        aimed = pgd(network, grey, label, toward=torch.tensor([2]), norm="l2", eps=20 / 255, loss=loss)
        assert int(network(aimed).argmax()) == 2
        plain = pgd(network, grey + torch.tensor([5.0, 0.0]) / 255, label, norm="l2", eps=20 / 255, loss=loss)
        assert int(network(plain).argmax()) == 1
    near = grey + torch.tensor([10.5, 0.0]) / 255  # falls already, though not to class 2
    asked = Queries(network)
    assert torch.equal(
        pgd(asked, near.mul(255).round().div(255) + 1 / 255, label, toward=torch.tensor([2]), eps=0.1)[0, 0, 0, 1],
        near[0, 0, 0, 1] + 1 / 255,
    )
    assert asked.gradients == 1


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("aimed", [False, True])
def test_every_loss_fells(digits: SimpleNamespace, loss: str, aimed: bool) -> None:
    target = digits.network(digits.pictures).topk(2, 1).indices[:, 1]
    out = pgd(digits.network, digits.pictures, digits.labels, target=target if aimed else None, eps=0.2, steps=20, loss=loss)
    assert float(fooled(digits.network, out, digits.labels, target if aimed else None).float().mean()) > 0.9


@pytest.mark.parametrize(("name", "norm", "radii"), [("LinfPGD", "linf", (0.05, 0.1)), ("L2PGD", "l2", (0.3, 0.7))])
def test_no_fewer_fall_than_by_foolbox(
    digits: SimpleNamespace, peer: Callable[..., Tensor], name: str, norm: str, radii: tuple[float, ...]
) -> None:
    for eps in radii:
        theirs = fooled(digits.network, peer(name, eps, steps=40), digits.labels)
        ours = [
            fooled(digits.network, pgd(digits.network, digits.pictures, digits.labels, norm=norm, eps=eps, free=free), digits.labels)
            for free in (True, False)
        ]
        assert 0 < int(theirs.sum()) <= int(ours[0].sum())
        on_grid = eps if norm == "l2" else np.floor(255 * eps) / 255
        rounded = (peer(name, on_grid, steps=40) * 255).round() / 255
        assert int((fooled(digits.network, rounded, digits.labels)).sum()) <= int(ours[1].sum()) + (norm == "l2")


def test_step_sizes() -> None:
    assert step_sizes(8 / 255, 4, 1 / 255) == [1.0] * 4
    free, whole = step_sizes(2 / 255, 70, None), step_sizes(2 / 255, 70, None, whole=True)
    assert free == sorted(free, reverse=True) and whole == sorted(whole, reverse=True)
    assert len(free) == len(whole) == 70 and min(whole) == 1 and all(size.is_integer() for size in whole)
