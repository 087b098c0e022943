"""What tests ask of each row of the table of networks."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from hoodwink.networks.table import NETWORKS, Row

PICTURES = ("autoencoder", "conv-autoencoder", "vae", "gan")  # what they make: 1 x 28 x 28


def with_classes(row: Row, classes: int) -> dict[str, Any]:
    """The arguments for so many classes, none where a network has no classes."""
    return {"classes": classes} if "classes" in inspect.signature(row.make).parameters else {}


def shape_of(row: Row, steps: int) -> tuple[int, ...]:
    """The shape of one example."""
    if row.size:
        return (row.channels, *row.size)
    return (row.noise or row.features or steps,)


def reads_texts(row: Row) -> bool:
    return not (row.size or row.noise or row.features)


def examples(row: Row, count: int = 2, steps: int = 4) -> Tensor:
    """What the network takes."""
    shape = (count, *shape_of(row, steps))
    return torch.ones(shape, dtype=torch.int64) if reads_texts(row) else torch.zeros(shape)


def output_of(name: str, classes: int, steps: int = 4) -> tuple[int, ...]:
    """The shape of what comes of one example."""
    if name in PICTURES:
        return (1, 28, 28)
    return (steps, 100) if name == "letter-generator" else (classes,)


assert set(PICTURES) <= set(NETWORKS)
