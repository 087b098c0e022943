from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence

from hoodwink.networks.autoencoders import VAE, Autoencoder, ConvAutoencoder, binary_nats, divergence, drawn


def pictures(count: int, side: int = 28, seed: int = 0) -> Tensor:
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("make", [Autoencoder, ConvAutoencoder])
@pytest.mark.parametrize(("side", "code"), [(28, 32), (8, 5)])
def test_a_picture_goes_through_its_code_and_back(make: type[Autoencoder], side: int, code: int) -> None:
    network = make(side=side, code=code).eval()
    x = pictures(3, side)
    assert network.codes(x).shape == (3, code)
    made = network(x)
    assert made.shape == x.shape and bool(((made >= 0) & (made <= 1)).all())
    assert torch.equal(made, network.decode(network.codes(x)))


def test_the_courses_layers() -> None:
    """784-32-784 has 50,992 weights; 1-16 and 16-32 (3 x 3), 32-64 (7 x 7) and back have those of the same six kernels and biases."""
    assert sum(value.numel() for value in Autoencoder().parameters()) == 784 * 32 + 32 + 32 * 784 + 784
    there = (1 * 16 * 9 + 16) + (16 * 32 * 9 + 32) + (32 * 64 * 49 + 64)
    back = (64 * 32 * 49 + 32) + (32 * 16 * 9 + 16) + (16 * 1 * 9 + 1)
    assert sum(value.numel() for value in ConvAutoencoder().parameters()) == there + back
    with pytest.raises(ValueError, match="a side that 4 divides was wanted, it is 30"):
        ConvAutoencoder(side=30)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 9))
@settings(max_examples=50, deadline=None)
def test_the_divergence_is_that_of_torch_distributions(seed: int, count: int, code: int) -> None:
    dice = torch.Generator().manual_seed(seed)
    mean, log_variance = (3 * torch.randn(count, code, generator=dice, dtype=torch.float64) for _ in range(2))
    wanted = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(1)
    assert torch.allclose(divergence(mean, log_variance), wanted, rtol=1e-10, atol=1e-10)


def test_the_cross_entropy_is_that_of_torch_distributions() -> None:
    x, made = (pictures(4, seed=one) > 0.5 if one else pictures(4).clamp(0.01, 0.99) for one in (1, 0))
    wanted = -Bernoulli(probs=made).log_prob(x.float()).flatten(1).sum(1)
    assert torch.allclose(binary_nats(made, x.float()), wanted, rtol=1e-4)


def test_the_cross_entropy_of_no_picture_is_no_number() -> None:
    assert bool(binary_nats(torch.full((2, 1, 4, 4), torch.nan), pictures(2, 4)).isnan().all())
    assert binary_nats(pictures(0, 4), pictures(0, 4)).shape == (0,)


def test_the_gradient_through_a_draw_is_that_of_finite_differences() -> None:
    """With the noise held, the whole bound is a plain function of the encoder's weights: its gradient is the reparameterised one."""
    torch.manual_seed(0)
    network = VAE(side=4, hidden=6, code=2).double()
    x, noise = pictures(3, 4).double(), torch.randn(3, 2, dtype=torch.float64)

    def bound() -> Tensor:
        mean, log_variance = network.posterior(x)
        return (binary_nats(network.decode(drawn(mean, log_variance, noise)), x) + divergence(mean, log_variance)).mean()

    for layer in (network.mean, network.log_variance, network.encoder[1]):
        (slope,) = torch.autograd.grad(bound(), layer.weight)
        for spot in ((0, 0), (1, 3)):
            with torch.no_grad():
                values = []
                for step in (1e-6, -1e-6):
                    layer.weight[spot] += step
                    values.append(float(bound()))
                    layer.weight[spot] -= step
            assert float(slope[spot]) == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-8)


def test_draws_have_the_mean_and_the_variance() -> None:
    mean, log_variance = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 2.0]])
    noise = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(0))
    found = drawn(mean, log_variance, noise)
    assert torch.allclose(found.mean(0), mean[0], atol=0.02) and torch.allclose(found.var(0), log_variance.exp()[0], rtol=0.02)


def test_training_draws_and_evaluation_takes_the_mean() -> None:
    torch.manual_seed(0)
    network, x = VAE(side=8, hidden=9, code=3), pictures(5, 8)
    made, mean, log_variance = network.train()(x)
    assert made.shape == x.shape and mean.shape == log_variance.shape == (5, 3)
    assert not torch.equal(made, network(x)[0])
    network.eval()
    assert torch.equal(network(x), network(x)) and torch.equal(network(x), network.decode(network.codes(x)))


def test_the_bound_does_not_depend_on_how_a_set_is_cut() -> None:
    torch.manual_seed(0)
    network, x = VAE(side=4, hidden=6, code=2).eval(), pictures(1000, 4)
    whole = network.bound(x)
    assert torch.allclose(whole, torch.cat([network.bound(x[k : k + 250]) for k in range(0, 1000, 250)]), atol=1e-5)
    assert torch.allclose(whole, torch.cat([network.bound(x[k : k + 37], k) for k in range(0, 1000, 37)]), atol=1e-5)
    mean, log_variance = network.posterior(x)
    assert bool((whole >= divergence(mean, log_variance)).all())
