"""The photos that studies fool: the packaged cat, scikit-image's, or a file."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np

import hoodwink
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
