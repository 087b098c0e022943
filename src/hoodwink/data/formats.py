"""Bytes of data files to arrays, and other forms of a file to the one that is kept; what does not fit is a DataError."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hoodwink.data.cards import DataError
from hoodwink.pictures.levels import Levels, shape_text
from hoodwink.pictures.read import PictureError, read_bytes

Labels = npt.NDArray[np.int64]

LARGEST = 1 << 28  # bytes of one file: more is none of ours, and may be a few bytes that unpack to terabytes
_IDX_BYTES = 8  # the code of unsigned bytes in the head of an IDX file
_GZIP = b"\x1f\x8b"
_SIDE = 32
_CIFAR = 3 * _SIDE * _SIDE


def plain(data: bytes) -> bytes:
    """The bytes themselves, or those that they are the gzip of."""
    if not data.startswith(_GZIP):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"a whole gzip file was wanted ({error})") from error
    if len(found) > LARGEST:
        raise DataError(f"a file of at most {LARGEST} bytes was wanted, it unpacks to more")
    return found


def read_idx(data: bytes) -> npt.NDArray[np.uint8]:
    """Read an IDX file of bytes, gz or not: the array that its head announces."""
    data = plain(data)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _IDX_BYTES or not data[3]:
        raise DataError(f"an IDX file of bytes was wanted, which begins 00 00 08; it begins {data[:4].hex(' ') or 'with nothing'}")
    dimensions, start = data[3], 4 + 4 * data[3]
    shape = tuple(int.from_bytes(data[4 * i : 4 * i + 4]) for i in range(1, dimensions + 1))
    wanted = start
    if len(data) >= start:
        wanted += int(np.prod(shape, dtype=object))
    if len(data) != wanted:
        text = " x ".join(map(str, shape))
        raise DataError(f"{wanted} bytes were wanted for {text}, it has {len(data)}{': it is cut short' * (len(data) < wanted)}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()


def read_cifar(data: bytes) -> tuple[Levels, Labels]:
    """Read a binary batch of CIFAR-10: pictures N x 32 x 32 x 3 and labels N; a record is a label and three planes of levels."""
    if not data or len(data) % (1 + _CIFAR):
        raise DataError(f"records of {1 + _CIFAR} bytes were wanted, it has {len(data)} bytes: it is cut short, or another kind of file")
    records = np.frombuffer(data, np.uint8).reshape(-1, 1 + _CIFAR)
    pictures = records[:, 1:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(pictures), records[:, 0].astype(np.int64)


def write_cifar(planes: npt.NDArray[np.uint8], labels: Any) -> bytes:
    """The binary batch of CIFAR-10 that holds these pictures, N x 3072 (a plane after the other), and labels N."""
    if planes.dtype != np.uint8 or planes.ndim != 2 or planes.shape[1] != _CIFAR:
        raise DataError(f"pictures N x {_CIFAR} of bytes were wanted, not {planes.dtype} {shape_text(planes)}")
    column = _small(labels)
    if len(column) != len(planes):
        raise DataError(f"a label for each picture was wanted, there are {len(column)} for {len(planes)}")
    return np.concatenate([column[:, None], planes], axis=1).tobytes()


def read_sheet(sheet: bytes, labels: bytes, start: int) -> bytes:
    """The binary batch of CIFAR-10 that a PNG sheet holds, where a row of 1024 pixels is a picture.

    labels: of all sheets, a JSON list; start: where those of this sheet begin.
    """
    try:
        levels = read_bytes(sheet, "the sheet of pictures").levels
        numbers = json.loads(labels)
    except (PictureError, ValueError, RecursionError) as error:
        raise DataError(error) from error
    if levels.shape[1] != _SIDE * _SIDE:
        raise DataError(f"a sheet {_SIDE * _SIDE} pixels wide was wanted, this is {shape_text(levels)}")
    if not isinstance(numbers, list):
        raise DataError(f"a JSON list of labels was wanted, not {type(numbers).__name__}")
    planes = np.ascontiguousarray(levels.transpose(0, 2, 1)).reshape(len(levels), _CIFAR)
    return write_cifar(planes, numbers[start : start + len(planes)])


def read_digits(data: bytes) -> tuple[Levels, Labels]:
    """Read scikit-learn's digits, gz or not: pictures N x 8 x 8 x 1 and labels N; a line is 64 numbers in 0..16 and a label."""
    lines = plain(data).split()
    try:
        rows = np.array([[int(number) for number in line.split(b",")] for line in lines])
    except ValueError as error:
        raise DataError(f"lines of 65 whole numbers were wanted ({error})") from error
    if rows.ndim != 2 or rows.shape[1] != 65:
        raise DataError(f"lines of 65 whole numbers were wanted, not {shape_text(rows)}")
    if rows[:, :64].min() < 0 or rows[:, :64].max() > 16:
        raise DataError("levels in 0..16 were wanted, there are others")
    levels = np.rint(rows[:, :64] * (255 / 16)).astype(np.uint8)
    return levels.reshape(-1, 8, 8, 1), rows[:, 64].astype(np.int64)


def read_zip(data: bytes, table: str, split: str, classes: Sequence[str]) -> tuple[Levels, Labels]:
    """Read the pictures (RGB, all of one size) and labels of a partition, which a csv in the zip lists (file, label, partition)."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            rows = list(csv.DictReader(io.StringIO(archive.read(table).decode())))
            chosen = [row for row in rows if row["partition"] == split]
            pictures = [read_bytes(archive.read(row["file"]), row["file"]).levels for row in chosen]
        return np.stack(pictures), np.array([list(classes).index(row["label"]) for row in chosen], np.int64)
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError) as error:  # a ValueError: no picture, not UTF-8, several sizes
        raise DataError(f"a zip with {table} (file, label, partition) and the pictures that it lists was wanted ({error})") from error


def check_set(pictures: Levels, labels: Labels, count: int, shape: tuple[int, ...], classes: int) -> None:
    """Raise DataError unless there are `count` pictures of a shape H x W x C, each with a label in 0..classes - 1."""
    wanted = (count, *shape)
    if pictures.shape != wanted:
        raise DataError(f"pictures {' x '.join(map(str, wanted))} were wanted, not {shape_text(pictures)}")
    if labels.shape != (count,):
        raise DataError(f"{count} labels were wanted, not {shape_text(labels)}")
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if outside.size:
        first = outside[0]
        raise DataError(
            f"labels in 0..{classes - 1} were wanted; {outside.size} of {count} are not, the first is picture {first}'s {labels[first]}"
        )


def _small(labels: Any) -> npt.NDArray[np.uint8]:
    """Labels, whatever holds them, as bytes."""
    if not all(isinstance(label, (int, np.integer)) and 0 <= label <= 9 for label in labels):
        raise DataError("labels were wanted that are whole numbers in 0..9, there are others")
    return np.array(labels, np.uint8)
