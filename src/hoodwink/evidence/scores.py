"""The score of a network on a data set, measured again from pictures or texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from hoodwink.data.sets import DataSet
from hoodwink.data.texts import TextSet
from hoodwink.models.card import ModelError, PictureInput
from hoodwink.models.model import Model
from hoodwink.networks.autoencoders import VAE

_BATCH, _LARGE = 250, 25  # pictures or texts asked at a time; of those larger than 100 x 100 pixels fewer, for memory
Data = DataSet | TextSet


def score_of(measure: str, model: Model, data: Data) -> float:
    """A score of MEASURES; ValueError for a network or a set that has none of the kind."""
    return MEASURES[measure](model, data)


@torch.no_grad()
def accuracy(model: Model, data: Data) -> float:
    """The share of pictures (or texts), each prepared as a file is, whose largest logit is their label's; ValueError without labels."""
    model.card.need("classify")
    if data.labels is None or not len(data):
        raise ValueError(f"{data.name}: labels were wanted, this has none")
    right = 0
    for start, encoded in _encoded(model, data):
        right += int((model.outputs(encoded).argmax(1).cpu() == torch.from_numpy(data.labels[start : start + len(encoded)])).sum())
    return right / len(data)


@torch.no_grad()
def perplexity(model: Model, data: Data) -> float:
    """The exponential of the mean cross-entropy of each next letter, the end among them."""
    model.card.need("generate")
    total, count = 0.0, 0
    for _, encoded in _encoded(model, data):
        logits, wanted = model.outputs(encoded[:, :-1]), encoded[:, 1:]
        total += float(F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=0, reduction="sum"))
        count += int((wanted != 0).sum())
    return math.exp(total / count)


@torch.no_grad()
def squared_error(model: Model, data: Data) -> float:
    """The mean squared difference of pictures in [0, 1] from what the network makes of them."""
    model.card.need("reconstruct")
    total = sum(float((model.outputs(encoded) - encoded).square().flatten(1).mean(1).sum()) for _, encoded in _encoded(model, data))
    return total / len(data)


@torch.no_grad()
def nats(model: Model, data: Data) -> float:
    """The mean bound of -log p(x) that a variational autoencoder has, in nats a picture; ModelError for another network."""
    if not isinstance(model.network, VAE):
        raise ModelError(f"{model.card.name}: a variational autoencoder was wanted, which has a bound; this is none")
    return sum(float(model.network.bound(encoded, start).sum()) for start, encoded in _encoded(model, data)) / len(data)


MEASURES: dict[str, Callable[[Model, Data], float]] = {
    "accuracy": accuracy,
    "perplexity": perplexity,
    "squared_error": squared_error,
    "nats": nats,
}


def _encoded(model: Model, data: Data) -> Iterator[tuple[int, Tensor]]:
    """The first index of each batch, and the batch as the network takes it."""
    found = data.texts if isinstance(data, TextSet) else data.pictures
    seen = (model.card.picture.size or (0, 0)) if isinstance(model.card.input, PictureInput) else (0, 0)
    count = _LARGE if seen[0] * seen[1] > 100 * 100 else _BATCH
    for start in range(0, len(data), count):
        yield start, model.encode_all([found[index] for index in range(start, min(start + count, len(data)))])
