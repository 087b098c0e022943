"""Whole levels to lossless picture files, whole or not at all, read back before they count."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hoodwink.pictures.decode import PictureError, decode
from hoodwink.pictures.levels import Levels, check_levels
from hoodwink.runs import reason, write_atomic

LOSSLESS = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF"}
_OPTIONS: dict[str, dict[str, Any]] = {"PNG": {"compress_level": 6}, "BMP": {}, "TIFF": {"compression": "tiff_deflate"}}
_LOSSY = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WebP",
    ".avif": "AVIF",
    ".heic": "HEIC",
    ".jp2": "JPEG 2000",
    ".jxl": "JPEG XL",
    ".gif": "GIF",
}


def encode_png(levels: Levels) -> bytes:
    """Encode levels, uint8 H x W x 1 or H x W x 3, as a PNG without metadata: same levels and Pillow, same bytes."""
    return _encode(levels, "PNG")


def check_out(path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Refuse a name that a picture cannot be written to, before the work is done.

    Raises PictureError for formats that would change the levels, for a file that is there (unless force), and for a folder that
    is missing or cannot be written to.
    """
    path = Path(path)
    if path.suffix.lower() not in LOSSLESS:
        raise PictureError(path, _wrong_format(path))
    if not path.parent.is_dir():
        raise PictureError(path, f"there is no folder {path.parent}: make it first, or name another")
    if _is_there(path):
        if path.exists() and not path.is_file():
            raise PictureError(path, f"a file was wanted, this is a {'folder' if path.is_dir() else 'device or pipe'}: name another")
        if not force:
            raise PictureError(path, "there is such a file: name another, or type --force to overwrite it")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PictureError(path, f"the folder {path.parent} cannot be written to: name another")


def _is_there(path: Path) -> bool:
    try:
        path.lstat()  # not exists(), which a link to nowhere does not
    except FileNotFoundError:
        return False
    except OSError as error:
        raise PictureError(path, f"cannot be written: {reason(error)}") from error
    return True


def write_picture(path: str | os.PathLike[str], levels: Levels, *, force: bool = False) -> Path:
    """Write levels, uint8 H x W x 1 or H x W x 3, as PNG, BMP or TIFF by the suffix, whole or not at all, and return the path.

    The file is decoded before and read back after it is written. Raises PictureError as check_out does, and OSError, which names
    the path, if the disk is full or gives back other bytes.
    """
    path = Path(path)
    check_out(path, force=force)
    data = _encode(levels, LOSSLESS[path.suffix.lower()])
    again = np.asarray(decode(data, str(path)).image).reshape(levels.shape)
    if not np.array_equal(again, levels):
        raise PictureError(path, "the encoded picture has other levels than were given: type a name that ends in .png")
    write_atomic(path, data)
    if path.read_bytes() != data:
        raise OSError(errno.EIO, "the disk gave back other bytes than were written", str(path))
    return path


def _encode(levels: Levels, format: str) -> bytes:
    check_levels(levels)
    grey = levels.shape[2] == 1
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(levels[..., 0] if grey else levels)).save(buffer, format, **_OPTIONS[format])
    return buffer.getvalue()


def _wrong_format(path: Path) -> str:
    suffix = path.suffix.lower()
    proposal = path.with_suffix(".png").name if path.name else "fooled.png"
    if suffix in _LOSSY:
        return f"{_LOSSY[suffix]} changes the levels when it is saved, and the change that fools with them: type {proposal}"
    return f"a name that ends in {', '.join(LOSSLESS)} was wanted: type {proposal}"
