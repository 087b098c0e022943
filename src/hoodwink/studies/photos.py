"""What studies of photos begin with: a photo (the packaged cat, one of scikit-image's, a file) and a network that names it."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import hoodwink
from hoodwink.models.load import load_model
from hoodwink.models.model import Model
from hoodwink.pictures.levels import Levels
from hoodwink.pictures.read import read_picture
from hoodwink.studies.record import StudyError

CAT = Path(hoodwink.__file__).parent / "assets" / "cat.png"  # scikit-image's chelsea, CC0
OTHERS = ("coffee", "astronaut", "rocket")  # scikit-image brings them along


def photo(name: str) -> Levels:
    """A photo, uint8 H x W x 3: "cat", one of OTHERS or a path. Raises StudyError and PictureError."""
    if name not in OTHERS:
        return read_picture(CAT if name == "cat" else name, channels=3).levels
    try:
        photos = importlib.import_module("skimage.data")
    except ImportError:
        raise StudyError(
            f"photo {name!r} comes with scikit-image: pip install scikit-image, or name others, such as cat or a file"
        ) from None
    return np.ascontiguousarray(getattr(photos, name)())


def as_picture(levels: Levels) -> Tensor:
    """uint8 H x W x C to 1 x C x H x W in [0, 1], on the grid k/255."""
    return torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1)))[None].float() / 255


def network(spec: str, side: int) -> Model:
    """A network by its name or path, made to look at side x side pixels (0: at as many as its card says): fewer are faster, and blurred."""
    model = load_model(spec)
    if not side:
        return model
    wanted = replace(model.card.picture, resize=round(side * 8 / 7), size=(side, side))  # in the proportion of 256 and 224
    return Model(model.network, replace(model.card, input=wanted), device=model.device)
