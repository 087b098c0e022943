"""Small pretrained networks as model folders, for tests of training on features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hoodwink.models.build import build
from hoodwink.models.card import ModelCard, PictureInput
from hoodwink.models.model import Model

TINY = {"channels": 3, "side": 16, "layers": [[16, 5, 2, 0, 1]], "hidden": [48], "classes": 5, "softmax": False}
_HALF = (0.5, 0.5, 0.5)


def folder(path: Path, name: str = "convnet", arguments: dict[str, Any] = TINY, side: int = 16, seed: int = 0) -> Path:
    """A network of random weights, whose features are 48 numbers, saved as a model folder."""
    torch.manual_seed(seed)
    card = ModelCard(
        name="tiny",
        network={"name": name, "arguments": arguments},
        source="drawn at random",
        licence="CC0-1.0",
        weights_sha256="",
        input=PictureInput(resize=(side, side), filter="bilinear", size=(side, side), mean=_HALF, std=_HALF),
        classes=tuple("abcde"),
    )
    return Model(build(name, arguments), card).save(path)
