"""The cards of data sets: what is in one, whose it is, and the files that it is kept as. Records only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from hoodwink.runs import one_line, sha256_bytes


class DataError(ValueError):
    """A data set or a file of one that cannot be had or read; the message is one line and says what was wanted."""

    def __init__(self, text: object) -> None:
        super().__init__(one_line(text))


@contextmanager
def about(name: object) -> Iterator[None]:
    """Begin the message of a DataError with the name of what it is about."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


@dataclass(frozen=True)
class DataFile:
    """A file of a data set as it is kept, whatever it was fetched as. size: in bytes."""

    name: str
    size: int
    sha256: str

    def check(self, data: bytes) -> None:
        """Raise DataError for bytes that are not this file's."""
        with about(self.name):
            if len(data) != self.size:
                raise DataError(f"{self.size} bytes were wanted, it has {len(data)}{': it is cut short' * (len(data) < self.size)}")
            found = sha256_bytes(data)
            if found != self.sha256:
                raise DataError(f"another file was wanted, of SHA-256 {self.sha256}; its own is {found}")


@dataclass(frozen=True, kw_only=True)
class DataCard:
    """What is known of a data set.

    files: in a fixed order; splits: the names of the files that each split is read from; counts: pictures or texts of each split;
    shape: of a picture, H x W x C, () of texts; classes: their names, in the order of the labels.
    """

    name: str
    source: str
    licence: str
    files: tuple[DataFile, ...]
    splits: dict[str, tuple[str, ...]]
    counts: dict[str, int]
    shape: tuple[int, ...]
    classes: tuple[str, ...]

    def files_of(self, split: str | None = None) -> tuple[DataFile, ...]:
        """The files of a split, or all; DataError names the splits that there are."""
        if split is not None and split not in self.splits:
            known = " or ".join(f"{self.name}:{name}" for name in self.splits)
            raise DataError(f"{self.name} has no split {split!r}; type {known}")
        return tuple(file for file in self.files if split is None or file.name in self.splits[split])

    def to_json(self) -> dict[str, Any]:
        """The card as JSON values."""
        return asdict(self)
