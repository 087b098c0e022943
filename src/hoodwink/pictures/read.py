"""Picture files, bytes and arrays to whole levels, and what was done to get them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.pictures.colours import ColourError, to_levels, with_channels
from hoodwink.pictures.decode import FORMATS, MAX_PIXELS, PictureError, decode
from hoodwink.pictures.levels import Levels, shape_text
from hoodwink.pictures.write import encode_png
from hoodwink.runs import reason, sha256_bytes

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "SUFFIXES",
    "Picture",
    "PictureError",
    "find_pictures",
    "picture_from_array",
    "read_bytes",
    "read_picture",
]

SUFFIXES = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".avif")
_SPARE = 1 << 26  # bytes that a file may have beyond its pixels: profiles, previews, more frames


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as whole levels: uint8, H x W x C (3: sRGB, 1: luma), contiguous and read-only.

    notes: what was done to the file's pixels, in words. sha256: of the file's bytes, of the PNG encoding for an array.
    format: of the file ("PNG", "JPEG" ...), or "array".
    """

    levels: Levels = field(repr=False)
    notes: tuple[str, ...]
    sha256: str
    format: str
    path: Path | None

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.levels.shape[0])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.levels.shape[1])

    @property
    def channels(self) -> int:
        """3 for colour, 1 for grey."""
        return int(self.levels.shape[2])


def read_picture(path: str | os.PathLike[str], *, channels: int = 3, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read the first frame of a picture file: upright, in sRGB or grey (channels=1), on white, as 8-bit levels.

    max_pixels: files whose header announces more are refused before anything is decoded.
    Raises PictureError, one line that names the file, for whatever cannot be read whole.
    """
    path = Path(path)
    return _read(_file_bytes(path, max_pixels), str(path), path, channels, max_pixels)


def read_bytes(data: bytes, name: str, *, channels: int = 3, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture file's bytes, as read_picture does; name: what errors call it."""
    return _read(data, name, None, channels, max_pixels)


def picture_from_array(array: Any, *, channels: int = 3) -> Picture:
    """Take a picture from memory: uint8 H x W, H x W x 1 or H x W x 3, anything that numpy.asarray takes.

    A batch of one (1 x H x W x C) is its picture. Raises PictureError for other shapes and types.
    """
    _check_channels(channels)
    levels, notes = with_channels(_whole_levels(array), channels)
    return Picture(_frozen(levels), notes, sha256_bytes(encode_png(levels)), "array", None)


def take_picture(source: Any, *, channels: int = 3, max_pixels: int = MAX_PIXELS) -> Picture:
    """A picture from a path, a Picture or an array, as read_picture and picture_from_array make it; a Picture is taken as it is."""
    if isinstance(source, (str, Path)):
        return read_picture(source, channels=channels, max_pixels=max_pixels)
    return source if isinstance(source, Picture) else picture_from_array(source, channels=channels)


def find_pictures(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Replace each folder by its pictures: known suffixes, sorted by name, no hidden files, no subfolders.

    Other paths stay, read or not. Raises PictureError for a folder without pictures.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        found += _pictures_in(path) if os.path.isdir(path) else [path]
    return found


def _read(data: bytes, name: str, path: Path | None, channels: int, max_pixels: int) -> Picture:
    _check_channels(channels)
    decoded = decode(data, name, max_pixels=max_pixels)
    try:
        levels, notes = to_levels(decoded.image, decoded.bits, channels)
    except ColourError as error:
        raise PictureError(name, str(error)) from error
    return Picture(_frozen(levels), decoded.notes + notes, sha256_bytes(data), decoded.format, path)


def _file_bytes(path: Path, max_pixels: int) -> bytes:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise PictureError(path, "a picture was wanted, this is a folder: name the files in it")
        if not stat.S_ISREG(found.st_mode):
            raise PictureError(path, "a picture was wanted, this is a pipe, socket or device: save it to a file")
        if found.st_size > 16 * max_pixels + _SPARE:  # 4 channels of 32 bits
            raise PictureError(
                path, f"{found.st_size / 1e9:.1f} GB are too much for one picture of at most {max_pixels} pixels (--max-pixels)"
            )
        return path.read_bytes()
    except PictureError:
        raise
    except OSError as error:
        raise PictureError(path, _unreadable(error)) from error
    except ValueError as error:  # a name with a null character
        raise PictureError(path, "a file name was wanted, this can be none") from error


def _unreadable(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "its symbolic links go round in a circle"
    return f"cannot be read: {reason(error)}"


def _pictures_in(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise PictureError(folder, f"cannot be read: {reason(error)}") from error
    found = [entry for entry in entries if _looks_like_a_picture(entry)]
    if not found:
        raise PictureError(folder, f"a folder with pictures was wanted, this has no file that ends in {', '.join(SUFFIXES)}")
    return found


def _looks_like_a_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not os.path.isdir(path)


def _whole_levels(array: Any) -> Levels:
    """A copy of the array as levels H x W x 1 or 3."""
    try:
        levels = np.asarray(array)
    except Exception as error:  # a tensor on another device, a ragged list: each library raises its own
        raise PictureError("array", f"uint8 levels H x W x 3 were wanted, numpy.asarray says: {error}") from error
    if levels.dtype != np.uint8:
        raise PictureError("array", f"uint8 levels 0..255 were wanted, not {levels.dtype}: {_as_levels(levels)}")
    if levels.ndim == 4 and levels.shape[0] == 1:
        levels = levels[0]
    if levels.ndim == 2:
        levels = levels[..., None]
    if levels.ndim != 3 or levels.shape[2] not in (1, 3) or levels.size == 0:
        raise PictureError("array", f"a shape H x W, H x W x 1 or H x W x 3 was wanted, not {shape_text(levels)}{_reshape(levels)}")
    return np.array(levels, order="C")


def _as_levels(array: np.ndarray[Any, Any]) -> str:
    if array.dtype.kind == "f":
        return "for values in [0, 1] give np.round(array * 255).astype(np.uint8)"
    if array.dtype == np.bool_:
        return "give array.astype(np.uint8) * 255"
    return "if its values are in 0..255, give array.astype(np.uint8)"


def _reshape(array: np.ndarray[Any, Any]) -> str:
    if array.ndim == 4:
        return ": give one picture at a time"
    if array.ndim == 3 and array.shape[0] in (1, 3):
        return ": give array.transpose(1, 2, 0)"
    if array.ndim == 3 and array.shape[2] == 4:
        return ": lay it on a background first"
    return ""


def _frozen(levels: Levels) -> Levels:
    levels.setflags(write=False)
    return levels


def _check_channels(channels: int) -> None:
    if channels not in (1, 3):
        raise ValueError(f"channels: 3 (colour) or 1 (grey) was wanted, not {channels!r}")
