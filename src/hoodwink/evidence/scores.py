"""The accuracy of a network on a data set, measured again from pictures and labels."""

from __future__ import annotations

import torch

from hoodwink.data.sets import DataSet
from hoodwink.models.model import Model

_BATCH = 250


def accuracy(model: Model, data: DataSet) -> float:
    """The share of pictures, each prepared as a file is, whose largest logit is their label's; ValueError without labels."""
    if data.labels is None or not len(data):
        raise ValueError(f"{data.name}: pictures with labels were wanted, these have none")
    right = 0
    with torch.no_grad():
        for start in range(0, len(data), _BATCH):
            stop = min(start + _BATCH, len(data))
            encoded = torch.cat([model.encode(data.pictures[index]) for index in range(start, stop)])
            found = model.outputs(encoded).argmax(1).cpu()
            right += int((found == torch.from_numpy(data.labels[start:stop])).sum())
    return right / len(data)
