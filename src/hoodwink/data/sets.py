"""A data set in hand: pictures, labels, and what they are called."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import overload

from hoodwink.data.formats import Labels
from hoodwink.pictures.levels import Levels
from hoodwink.pictures.read import read_picture


class PictureFiles(Sequence[Levels]):
    """Pictures of any sizes, each read (uint8, H x W x C) when it is asked for; PictureError where that fails."""

    def __init__(self, paths: Sequence[Path], channels: int = 3) -> None:
        self.paths, self.channels = tuple(paths), channels

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> Levels: ...
    @overload
    def __getitem__(self, index: slice) -> PictureFiles: ...
    def __getitem__(self, index: int | slice) -> Levels | PictureFiles:
        if isinstance(index, slice):
            return PictureFiles(self.paths[index], self.channels)
        return read_picture(self.paths[index], channels=self.channels).levels


@dataclass(frozen=True, eq=False)
class DataSet:
    """Pictures with or without labels.

    pictures: uint8, N x H x W x C, or read one by one where they differ in size; labels: int64, N, in 0..len(classes) - 1, or None;
    files and hashes: of each picture's file and its SHA-256, where there are files; broken: files that cannot be read, and why.
    """

    name: str
    split: str | None
    pictures: Levels | PictureFiles
    labels: Labels | None
    classes: tuple[str, ...]
    files: tuple[Path, ...] | None = None
    hashes: tuple[str, ...] | None = None
    broken: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    def first(self, n: int) -> DataSet:
        """The first n pictures, or all where there are fewer; ValueError for n below 1."""
        if n < 1:
            raise ValueError(f"the first 1 or more pictures were wanted, not {n}")
        return replace(
            self,
            pictures=self.pictures[:n],
            labels=None if self.labels is None else self.labels[:n],
            files=self.files and self.files[:n],
            hashes=self.hashes and self.hashes[:n],
        )

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the content: pictures (their files' hashes, where there are files) and labels, in order."""
        digest = hashlib.sha256()
        if self.hashes is not None:
            digest.update("\n".join(self.hashes).encode())
        elif not isinstance(self.pictures, PictureFiles):
            digest.update(f"{self.pictures.shape}\n".encode())
            digest.update(self.pictures.data if self.pictures.flags.c_contiguous else self.pictures.tobytes())
        digest.update("\n".join(["", "labels", *map(str, () if self.labels is None else self.labels.tolist())]).encode())
        return digest.hexdigest()
