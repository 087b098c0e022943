"""The score of a network on a data set, measured again from pictures or texts."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from hoodwink.data.sets import DataSet
from hoodwink.data.texts import TextSet
from hoodwink.models.model import Model

_BATCH = 250


@torch.no_grad()
def accuracy(model: Model, data: DataSet | TextSet) -> float:
    """The share of pictures (or texts), each prepared as a file is, whose largest logit is their label's; ValueError without labels."""
    if data.labels is None or not len(data):
        raise ValueError(f"{data.name}: labels were wanted, this has none")
    found = data.texts if isinstance(data, TextSet) else data.pictures
    right = 0
    for start in range(0, len(data), _BATCH):
        stop = min(start + _BATCH, len(data))
        encoded = model.encode_all([found[index] for index in range(start, stop)])
        right += int((model.outputs(encoded).argmax(1).cpu() == torch.from_numpy(data.labels[start:stop])).sum())
    return right / len(data)


@torch.no_grad()
def perplexity(model: Model, data: TextSet) -> float:
    """The exponential of the mean cross-entropy of each next letter, the end among them."""
    total, count = 0.0, 0
    for start in range(0, len(data), _BATCH):
        encoded = model.encode_all(data.texts[start : start + _BATCH])
        logits, wanted = model.outputs(encoded[:, :-1]), encoded[:, 1:]
        total += float(F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=0, reduction="sum"))
        count += int((wanted != 0).sum())
    return math.exp(total / count)
