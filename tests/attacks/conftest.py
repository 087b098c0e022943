"""A trained network on real digits, and a peer to compare with."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture(scope="session")
def digits() -> SimpleNamespace:
    """A small network trained on scikit-learn's digits (8 x 8, grey), others of them that it knows, and their labels."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed (pip install scikit-learn)")
    raw = datasets.load_digits()
    pictures = torch.from_numpy(raw.images).float().div(16).mul(255).round().div(255)[:, None]  # N x 1 x 8 x 8
    labels = torch.from_numpy(raw.target).long()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 32), nn.ReLU(), nn.Linear(32, 10))
        optimiser = torch.optim.Adam(network.parameters(), 0.01)
        for _ in range(60):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(pictures[:1500]), labels[:1500]).backward()
            optimiser.step()
    network.eval().requires_grad_(False)
    known = (network(pictures[1500:]).argmax(1) == labels[1500:]).nonzero()[:200, 0] + 1500
    return SimpleNamespace(network=network, pictures=pictures[known], labels=labels[known])


@pytest.fixture(scope="session")
def peer(digits: SimpleNamespace) -> Callable[..., Tensor]:
    """Foolbox's attack of a name on the digits: its pictures, off the grid, at an eps or (minimal) none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        foolbox = pytest.importorskip("foolbox", reason="foolbox is not installed (pip install foolbox)")

    def run(name: str, eps: float | None = None, **settings: Any) -> Tensor:
        with warnings.catch_warnings(), torch.random.fork_rng():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            model = foolbox.PyTorchModel(digits.network, bounds=(0, 1), device="cpu")
            clipped: Tensor = getattr(foolbox.attacks, name)(**settings)(model, digits.pictures, digits.labels, epsilons=eps)[1]
        return clipped

    return run
