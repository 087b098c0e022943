"""The updates of networks that make pictures: the variational autoencoder's, and the two moves of a generator and its discriminator."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from hoodwink.networks.autoencoders import VAE, binary_nats, divergence
from hoodwink.networks.gan import GAN
from hoodwink.training.updates import Ask, Family, Phase, means

PENALTY = 10.0  # of the critic's slope (Gulrajani 2017)


def elbo() -> Family:
    """The evidence lower bound's negative, in nats a picture, divided by the picture's values (Kingma and Welling 2014).

    The division keeps the rate of a mean over values; what is told of an epoch, and judged, are nats.
    """

    def update(network: Ask, inputs: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        made, mean, log_variance = network(inputs)
        nats, apart = binary_nats(made.float(), wanted).mean(), divergence(mean.float(), log_variance.float()).mean()
        return (nats + apart) / wanted.shape[1:].numel(), torch.stack([nats, apart]).detach()

    def judge(network: VAE, inputs: Tensor, wanted: Tensor) -> tuple[Tensor, dict[str, float]]:
        return network.bound(inputs).sum() / wanted[0].numel(), {}

    return Family((Phase(update),), partial(means, ("reconstruction", "divergence")), judge)


def adversarial(gan: GAN) -> Family:
    """The discriminator learns to tell pictures from made ones; then the generator that its own are called real (the non-saturating loss).

    The second loss is -log D(G(z)), not log(1 - D(G(z))), whose slope vanishes while the discriminator is sure (Goodfellow 2014).
    """

    def discriminate(network: Ask, inputs: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            made = gan.made(noise_like(inputs, gan.noise))
        real, false = gan.judged(inputs), gan.judged(made)
        loss = _binary(real, 1.0) + _binary(false, 0.0)
        return loss, torch.stack([real.sigmoid().mean(), false.sigmoid().mean()]).detach()

    def generate(network: Ask, inputs: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        loss = _binary(gan.judged(gan.made(noise_like(inputs, gan.noise))), 1.0)
        return loss, loss.detach()[None]

    phases = (Phase(discriminate, gan.of_discriminator()), Phase(generate, gan.of_generator()))
    return Family(phases, partial(means, ("real", "made", "generator")), None)


def wasserstein(gan: GAN, rounds: int = 5) -> Family:
    """The critic's scores of real and made pictures are driven apart, its slope held near 1 (Gulrajani 2017, arXiv:1704.00028).

    rounds: moves of the critic for each of the generator, each with its part of the batch.
    """

    def criticise(network: Ask, inputs: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            made = gan.made(noise_like(inputs, gan.noise))
        real, false = gan.judged(inputs).mean(), gan.judged(made).mean()
        loss = false - real + PENALTY * slope_penalty(gan, inputs, made)
        return loss, torch.stack([real, false]).detach()

    def generate(network: Ask, inputs: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        count = -(-len(inputs) // rounds)
        loss = -gan.judged(gan.made(noise_like(inputs[:count], gan.noise))).mean()
        return loss, loss.detach()[None]

    phases = (Phase(criticise, gan.of_discriminator(), rounds), Phase(generate, gan.of_generator()))
    return Family(phases, partial(means, ("real", "made", "generator")), None)


def noise_like(pictures: Tensor, size: int) -> Tensor:
    """As many rows of noise, evenly from [-1, 1], as there are pictures."""
    return torch.rand(len(pictures), size, device=pictures.device) * 2 - 1


def slope_penalty(gan: GAN, real: Tensor, made: Tensor) -> Tensor:
    """The mean of (|gradient of the score| - 1)^2 at pictures drawn evenly between a real and a made one each."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = (share * real + (1 - share) * made).requires_grad_(True)
    (slope,) = torch.autograd.grad(gan.judged(between).sum(), between, create_graph=True)
    out: Tensor = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    return out


def _binary(logits: Tensor, wanted: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, wanted))
