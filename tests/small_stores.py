"""A store of a few made pictures, embedded by a small network, for tests of searching and of fooling it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from hoodwink.models.embed import as_embedder
from hoodwink.models.load import wrap
from hoodwink.models.model import Levels, Model
from hoodwink.pictures.write import encode_png
from hoodwink.search.folder import embed_new, plan
from hoodwink.search.store import open_store


def paint(seed: int, size: tuple[int, int] = (30, 40)) -> Levels:
    """Blurred noise."""
    small = np.random.default_rng(seed).integers(0, 256, (10, 13, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize(size[::-1], Image.Resampling.BICUBIC))


def embedder() -> Model:
    """Names four things; without its last layer 12 numbers. It looks at the middle of the picture, made smaller."""
    dice = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 49, 12), nn.Linear(12, 4))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=dice))
    return wrap(network, mean=0.5, std=0.25, classes=("ant", "bee", "cat", "dog"), size=16, resize=20, name="small")


def fill(folder: Path, model: Model, count: int = 16) -> Path:
    """Paint so many pictures into FOLDER/pictures and embed them; returns the store's folder."""
    pictures, store = folder / "pictures", folder / "store"
    pictures.mkdir(parents=True)
    for seed in range(count):
        (pictures / f"{seed:02d}.png").write_bytes(encode_png(paint(seed)))
    found = as_embedder(model)
    with closing(open_store(store, model=model.card.name, weights_sha256=model.card.weights_sha256, dimension=found.dimension)) as kept:
        embed_new(kept, plan(pictures, kept), found)
    return store
