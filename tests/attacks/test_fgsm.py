from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from hoodwink.attacks.fgsm import fgsm
from oracles.classifiers import counted, distance, fooled, line, pictures, task


@pytest.mark.parametrize("eps", [1 / 255, 5.4 / 255, 0.1])
@pytest.mark.parametrize("free", [False, True])
def test_linf_is_the_sign_of_the_gradient(eps: float, free: bool) -> None:
    slope = np.random.default_rng(0).normal(size=(1, 3, 4, 4))
    shown = pictures(0, 1, size=4)
    network, _, label = line(slope, 1e3)
    out = fgsm(network, shown, label, eps=eps, free=free, loss="margin")
    levels = 255 * eps if free else int(255 * eps)
    wanted = (shown * 255 + levels * torch.from_numpy(np.sign(slope))).clamp(0, 255) / 255
    assert torch.allclose(out.double(), wanted, atol=1e-6)


def test_l2_is_the_gradient_scaled() -> None:
    slope = np.random.default_rng(1).normal(size=(1, 3, 4, 4))
    network, grey, label = line(slope, 1e4)
    out = fgsm(network, grey, label, norm="l2", eps=0.5, free=True, loss="margin")
    assert np.allclose((out - grey).numpy(), 0.5 * slope / np.linalg.norm(slope), atol=1e-6)
    whole = fgsm(network, grey, label, norm="l2", eps=0.5, loss="margin")
    assert float(distance("l2", grey, whole)) == pytest.approx(0.5, rel=0.05)
    assert float((torch.from_numpy(slope) * (whole - grey)).sum()) > 0.95 * 0.5 * np.linalg.norm(slope)


def test_l1_is_spent_on_the_steepest() -> None:
    slope = np.random.default_rng(2).normal(size=(1, 3, 4, 4))
    network, grey, label = line(slope, 1e4)
    change = (fgsm(network, grey, label, norm="l1", eps=0.2, loss="margin") - grey).mul(255).round().flatten()
    best = int(np.abs(slope).argmax())
    assert change[best] == 51 * np.sign(slope.flat[best]) and change.count_nonzero() == 1


def test_one_gradient_and_nothing_else() -> None:
    network, shown, labels, _ = task(0, 4)
    asked, read = counted(network, 4)
    wrong = torch.cat([labels[:2], (labels[2:] + 1) % 4])  # the last two fool as they are
    out = fgsm(asked, shown, wrong, eps=1e-3)
    assert read() == ([1, 1, 1, 1], [0, 0, 0, 0]) and torch.equal(out[2:], shown[2:])


def test_random_starts() -> None:
    network, shown, labels, _ = task(1)

    def run(seed: int) -> Tensor:
        dice = torch.Generator().manual_seed(seed)
        return fgsm(network, shown, labels, norm="l2", eps=0.05, random_start=True, generator=dice)

    assert torch.equal(run(0), run(0)) and not torch.equal(run(0), run(1))
    assert not torch.equal(run(0), fgsm(network, shown, labels, norm="l2", eps=0.05))


def test_sure_networks_have_a_gradient_too() -> None:
    slope = np.random.default_rng(3).normal(size=(1, 3, 4, 4))
    network, grey, label = line(slope, 50.0)
    assert bool(fooled(network, fgsm(network, grey, label, eps=8 / 255), label))


@pytest.mark.parametrize("eps", [0.05, 0.1, 0.2])
def test_no_fewer_fall_than_by_foolbox(digits: SimpleNamespace, peer: Callable[..., Tensor], eps: float) -> None:
    theirs = peer("LinfFastGradientAttack", eps)
    ours = fgsm(digits.network, digits.pictures, digits.labels, eps=eps, free=True)
    assert 0 < int(fooled(digits.network, theirs, digits.labels).sum()) <= int(fooled(digits.network, ours, digits.labels).sum())
