"""Networks that make a picture of a short code: autoencoders, dense and convolutional, and the variational one.

All take pictures in [0, 1], N x C x H x W; `codes` gives what is left of them, N x code, and `decode` makes pictures of it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Coded = tuple[Tensor, Tensor, Tensor]  # the picture made, the mean and the logarithm of the variance of its code
_FIXED = 250  # rows of the noise that `bound` draws, used again and again; a training judges batches of a multiple of them


class Autoencoder(nn.Module):
    """Pictures through a code and back, linear layers with ReLU; the last gives shares of white by a sigmoid."""

    def __init__(self, channels: int = 1, side: int = 28, code: int = 32) -> None:
        super().__init__()
        self.shape, self.code = (channels, side, side), code
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, code), nn.ReLU())
        self.decoder = nn.Sequential(nn.Linear(code, channels * side * side), nn.Sigmoid(), nn.Unflatten(1, self.shape))

    def codes(self, x: Tensor) -> Tensor:
        out: Tensor = self.encoder(x)
        return out

    def decode(self, codes: Tensor) -> Tensor:
        out: Tensor = self.decoder(codes)
        return out

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.codes(x))


class ConvAutoencoder(Autoencoder):
    """The same with convolutions: two that halve the side, one as large as what is left; and back by transposed ones."""

    def __init__(self, channels: int = 1, side: int = 28, code: int = 64) -> None:
        nn.Module.__init__(self)
        if side % 4:
            raise ValueError(f"a side that 4 divides was wanted, it is {side}")
        self.shape, self.code = (channels, side, side), code
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, 16, 3, stride=2, padding=1),  # N x 16 x side/2 x side/2
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),  # N x 32 x side/4 x side/4
            nn.ReLU(),
            nn.Conv2d(32, code, side // 4),  # N x code x 1 x 1
            nn.Flatten(),
        )
        self.decoder = nn.Sequential(
            nn.Unflatten(1, (code, 1, 1)),
            nn.ConvTranspose2d(code, 32, side // 4),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(16, channels, 3, stride=2, padding=1, output_padding=1),
            nn.Sigmoid(),
        )


class VAE(nn.Module):
    """The variational autoencoder (Kingma and Welling 2014, arXiv:1312.6114): a code is drawn from N(mean, variance) of the picture.

    In training mode `forward` gives the picture made of such a draw, the mean and the logarithm of the variance (Coded); in evaluation
    mode the picture made of the mean.
    """

    def __init__(self, channels: int = 1, side: int = 28, hidden: int = 350, code: int = 25) -> None:
        super().__init__()
        self.shape, self.code = (channels, side, side), code
        inputs = channels * side * side
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(inputs, hidden), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(hidden, code), nn.Linear(hidden, code)
        self.decoder = nn.Sequential(
            nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, inputs), nn.Sigmoid(), nn.Unflatten(1, self.shape)
        )

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the logarithm of the variance of each picture's code, N x code each."""
        hidden = self.encoder(x)
        return self.mean(hidden), self.log_variance(hidden)

    def codes(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    def decode(self, codes: Tensor) -> Tensor:
        out: Tensor = self.decoder(codes)
        return out

    def forward(self, x: Tensor) -> Tensor | Coded:
        mean, log_variance = self.posterior(x)
        if not self.training:
            return self.decode(mean)
        return self.decode(drawn(mean, log_variance, torch.randn_like(mean))), mean, log_variance

    @torch.no_grad()
    def bound(self, x: Tensor, first: int = 0) -> Tensor:
        """What is lost of each picture, N, in nats: its cross-entropy and the divergence of its code, an upper bound of -log p(x).

        first: the place of the first one in its set, by which the noise of the codes is chosen: it is the same however a set is cut.
        """
        mean, log_variance = self.posterior(x)
        rows = torch.randn(_FIXED, self.code, generator=torch.Generator().manual_seed(0))
        noise = rows[(first + torch.arange(len(x))) % _FIXED].to(x)
        made = self.decode(drawn(mean, log_variance, noise))
        return binary_nats(made, x) + divergence(mean, log_variance)


def drawn(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """A draw from N(mean, variance) as a function of both, so that they get gradients: mean + deviation * noise."""
    return mean + (log_variance / 2).exp() * noise


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Of N(mean, variance) from N(0, 1), for each row in nats (Kullback-Leibler): sum of (variance + mean^2 - 1 - log variance) / 2."""
    return (log_variance.exp() + mean.square() - 1 - log_variance).sum(1) / 2


def binary_nats(made: Tensor, x: Tensor) -> Tensor:
    """The cross-entropy of each picture, N, in nats, summed over its values, each taken as the share of white; NaN where one made is none."""
    if not bool(made.isfinite().all()):  # torch takes no such shares, and a training says itself at which step they came
        return made.flatten(1).sum(1) * torch.nan
    return F.binary_cross_entropy(made, x, reduction="none").flatten(1).sum(1)
