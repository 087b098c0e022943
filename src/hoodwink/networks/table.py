"""The networks that can be built by name; a new one is its own file and a row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from hoodwink.networks.autoencoders import VAE, Autoencoder, ConvAutoencoder
from hoodwink.networks.cnn import cnn
from hoodwink.networks.convnet import convnet
from hoodwink.networks.efficientnet_lite import efficientnet_lite0, our_key
from hoodwink.networks.fast import fast
from hoodwink.networks.gan import GAN
from hoodwink.networks.head import head
from hoodwink.networks.mlp import mlp
from hoodwink.networks.residual import residual
from hoodwink.networks.resnet import resnet2b
from hoodwink.networks.sequences import Bag, LetterGenerator, LetterRNN, SequenceClassifier


@dataclass(frozen=True)
class Row:
    """How to build a network (random weights; keyword arguments such as `classes`), and what it takes.

    size, channels: of its pictures, height and width in pixels. noise: how many numbers it makes pictures of;
    features: how many of another network it takes; none of these: it reads texts. key: translates the keys of published weights into the network's own.
    """

    make: Callable[..., nn.Module]
    size: tuple[int, int] | None = None
    key: Callable[[str], str] = str
    channels: int = 3
    noise: int = 0
    features: int = 0


NETWORKS = {
    "efficientnet-lite0": Row(efficientnet_lite0, (224, 224), our_key),
    "resnet2b": Row(resnet2b, (32, 32)),
    "cnn": Row(cnn, (32, 32)),
    "mlp": Row(mlp, (28, 28), channels=1),
    "convnet": Row(convnet, (28, 28), channels=1),
    "fast": Row(fast, (32, 32)),
    "residual": Row(residual, (64, 64)),
    "sequence": Row(SequenceClassifier),
    "bag": Row(Bag),
    "letter-rnn": Row(LetterRNN),
    "letter-generator": Row(LetterGenerator),
    "head": Row(head, features=1280),
    "autoencoder": Row(Autoencoder, (28, 28), channels=1),
    "conv-autoencoder": Row(ConvAutoencoder, (28, 28), channels=1),
    "vae": Row(VAE, (28, 28), channels=1),
    "gan": Row(GAN, noise=100),
}
