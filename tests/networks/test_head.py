from __future__ import annotations

import torch

from hoodwink.networks.head import head
from hoodwink.training.precision import halved


def test_without_training_features_it_is_its_linear_layers() -> None:
    network, x = head(3, inputs=5, hidden=(4,)), torch.randn(7, 5)
    assert torch.equal(network(x), network.mlp(x)) and network(x).shape == (7, 3)


def test_features_are_standardised_whatever_their_scale() -> None:
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    scale, shift = torch.tensor([3.0, 2.0, 1.5, 4.0, 2.5]), torch.tensor([-5.0, 0.0, 100.0, 3.0, 1.0])
    one, other = head(3, inputs=5), head(3, inputs=5)
    other.load_state_dict(one.state_dict())
    one.initialise(x)
    other.initialise(x * scale + shift)
    assert torch.allclose(one(x), other(x * scale + shift), atol=1e-4)
    seen = (x - one.mean) / one.std
    assert torch.allclose(seen.mean(0), torch.zeros(5), atol=1e-6) and torch.allclose(seen.std(0, correction=0), torch.ones(5), atol=1e-6)


def test_half_floats_stay_half_floats() -> None:
    network, x = head(3, inputs=5, hidden=(4,)), torch.randn(7, 5)
    network.initialise(x)
    found = halved(network)(x)
    assert found.dtype == torch.bfloat16 and torch.allclose(found.float(), network(x), atol=0.05)


def test_what_hardly_varied_is_not_blown_up() -> None:
    x = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    x[:, 3] = 7.0
    network = head(2, inputs=4)
    network.initialise(x)
    assert float(network.std[3]) > 0.05 and bool(network(x + 1).isfinite().all())
    network.initialise(torch.full((3, 4), 2.0))
    assert bool(network(torch.full((1, 4), 2.0)).isfinite().all())


def test_mean_and_deviation_are_saved_with_the_weights() -> None:
    one, other = head(3, inputs=5), head(3, inputs=5)
    one.initialise(torch.randn(20, 5))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.mean, other.mean) and torch.equal(one.std, other.std)
    assert not any(name in ("mean", "std") for name, _ in one.named_parameters())
