from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from hoodwink.attacks.noise import noise
from oracles.classifiers import Network, counted, distance, fooled, line, task

steady = settings(derandomize=True, deadline=None, max_examples=15)


def by_hand(network: Network, picture: Tensor, wanted: int, way: float, first: Tensor, steps: int, rate: float, decay: float) -> Tensor:
    """The course's lines for one picture, with torch's own optimiser: the picture under the last noise."""
    added = first.clone().requires_grad_()
    optimiser = torch.optim.Adam([added], lr=rate, weight_decay=decay)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = way * cross_entropy(network((picture + added).clamp(0, 1)[None]), torch.tensor([wanted]))
        torch.autograd.backward(loss)
        optimiser.step()
    return (picture + added.detach()).clamp(0, 1)


@steady
@given(
    seed=st.integers(0, 10**6),
    steps=st.integers(0, 25),
    decay=st.sampled_from([0.0, 0.1, 1.0]),
    scale=st.sampled_from([0.0, 0.01, 1.0]),
    aimed=st.booleans(),
)
def test_the_last_noise_is_what_torchs_own_adam_ends_at(seed: int, steps: int, decay: float, scale: float, aimed: bool) -> None:
    network, shown, labels, target = task(seed)
    dice = torch.Generator().manual_seed(seed)
    aim = target if aimed else None
    asked, read = counted(network, 3)
    made = noise(
        asked, shown, labels, target=aim, steps=steps, step_size=0.02, weight_decay=decay, scale=scale, last=True, free=True, generator=dice
    )
    first = scale * torch.empty(shown.shape[1:]).normal_(generator=torch.Generator().manual_seed(seed))
    for k in range(3):
        wanted, way = (int(target[k]), 1.0) if aimed else (int(labels[k]), -1.0)
        expected = by_hand(network, shown[k], wanted, way, first, steps, 0.02, decay)
        # Where a subpixel's gradient is nearly 0, Adam divides rounding by rounding: such ones may part.
        far = (made[k] - expected).abs().flatten()
        assert float((far < 2e-3).float().mean()) > 0.9
    assert read() == ([steps] * 3, [1] * 3)


@pytest.mark.parametrize("decay", [1.0, 4.0, 40.0])
def test_it_settles_where_decay_and_gradient_are_in_balance(decay: float) -> None:
    gains = np.array([[[[4.0, -2.0], [0.0, 1.0]]]]) / 255  # by the level
    need, slope = 0.4, 255 * float(np.linalg.norm(gains))  # of the margin, by [0, 1] units
    network, grey, labels = line(gains, need)
    made = noise(network, grey, labels, target=1 - labels, steps=1000, step_size=3e-3, weight_decay=decay, last=True, free=True)
    # On a linear network the gradient of -log sigmoid(m), m = slope d - need, is slope (1 - sigmoid(m)), and decay d is what holds it.
    low, high = 0.0, slope / decay
    for _ in range(60):
        d = (low + high) / 2
        low, high = (d, high) if decay * d < slope / (1 + math.exp(slope * d - need)) else (low, d)
    assert float(distance("l2", grey, made)) == pytest.approx(d, rel=0.02)
    assert bool(fooled(network, made, labels, 1 - labels)) == (slope * d > need) == (decay < 40)


@pytest.mark.parametrize("free", [False, True])
def test_the_nearest_is_no_farther_than_the_last(free: bool) -> None:
    network, shown, labels, _ = task(5, count=20)
    nearest, last = (noise(network, shown, labels, steps=60, weight_decay=0.3, free=free, last=which) for which in (False, True))
    fell = fooled(network, last, labels, None)
    sizes = [distance("l2", shown, one) for one in (nearest, last)]
    assert int(fell.sum()) > 10 and bool((sizes[0] <= sizes[1] + 1e-6)[fell].all())
    assert bool((sizes[0] < 0.9 * sizes[1])[fell].any())
    assert bool((fooled(network, nearest, labels, None) >= fell).all())


def test_the_last_noise_comes_back_where_it_does_not_fool() -> None:
    network, grey, labels = line(np.full((1, 1, 4, 4), 1e-4), 3.0)
    assert torch.equal(noise(network, grey, labels, steps=20), grey)
    made = noise(network, grey, labels, steps=20, last=True)
    assert not torch.equal(made, grey) and not bool(fooled(network, made, labels, None))


def test_larger_noise_ends_farther_away() -> None:
    network, shown, labels, _ = task(6, count=8)
    near, far = (noise(network, shown, labels, steps=30, scale=scale, last=True) for scale in (0.01, 1.0))
    assert float(distance("l2", shown, far).median()) > 2 * float(distance("l2", shown, near).median())
