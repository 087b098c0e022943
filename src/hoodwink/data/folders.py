"""Folders of pictures as data sets: by class, with a csv, or without labels."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hoodwink.data.cards import DataError
from hoodwink.data.sets import DataSet, PictureFiles
from hoodwink.data.unpack import unpacked
from hoodwink.pictures.levels import Levels
from hoodwink.pictures.read import SUFFIXES, PictureError, read_picture
from hoodwink.runs import reason

_RESIDENT = 1 << 30  # bytes of levels: more are read one by one
_SHOWN = 12


@dataclass(frozen=True)
class Columns:
    """What the columns of a csv are called; the partition may be missing."""

    file: str = "file"
    label: str = "label"
    partition: str = "partition"


@dataclass(frozen=True)
class _Entry:
    name: str
    path: Path
    label: str | None


def load_folder(
    path: str | os.PathLike[str],
    split: str | None = None,
    *,
    limit: int | None = None,
    channels: int = 3,
    columns: Columns | None = None,
) -> DataSet:
    """Load a folder of pictures, or a zip that holds one.

    With a csv in it (or named as `path`): the files, labels and, for `split`, partitions that it lists ("test" where it is there and none
    is asked for, "all" for every one); the files may be in a zip beside it. Without one, `split` is the sub-folder that is meant. With sub-folders: each is a class, and their
    pictures take turns, so that the first N are of all classes. Else without labels, by name. Each picture is read once, to learn which cannot be; limit: stop after so many that can.
    Raises DataError for a folder of which nothing can be made.
    """
    given = Path(path)
    path = unpacked(given) if given.is_file() and given.suffix.lower() == ".zip" else given
    table = path if path.is_file() else _table(path)
    if table is None and split is not None:
        if not (path / split).is_dir():
            raise DataError(
                f"{path} has no csv that says what {split!r} is, and no folder of that name; name a folder with pictures itself"
            )
        return replace(load_folder(path / split, limit=limit, channels=channels), name=_name(given), split=split)
    if table is not None:
        entries, split, broken = _in_table(table, split, columns or Columns())
    else:
        entries, broken = _by_class(path) or _flat(path), []
    if not entries and not broken:
        raise DataError(f"{path}: a folder with pictures was wanted, this has no file that ends in {', '.join(SUFFIXES)}")
    return _read(given, split, entries, broken, limit, channels)


def _read(path: Path, split: str | None, entries: list[_Entry], broken: list[tuple[str, str]], limit: int | None, channels: int) -> DataSet:
    good: list[_Entry] = []
    hashes: list[str] = []
    held = _Held()
    for entry in entries:
        if len(good) == limit:
            break
        try:
            picture = read_picture(entry.path, channels=channels)
        except PictureError as error:
            broken.append((entry.name, error.args[1]))
            continue
        good.append(entry)
        hashes.append(picture.sha256)
        held.add(picture.levels)
    if not good:
        name, why = broken[0]
        raise DataError(f"{path}: none of its {len(broken)} pictures can be read; {name}: {why}")
    files = tuple(entry.path for entry in good)
    classes = _in_order({entry.label for entry in entries if entry.label is not None})
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[entry.label] for entry in good if entry.label is not None], np.int64) if classes else None
    pictures = PictureFiles(files, channels) if held.levels is None else np.stack(held.levels)
    return DataSet(_name(path), split, pictures, labels, classes, files, tuple(hashes), tuple(broken))


def _name(path: Path) -> str:
    if path.is_file():
        path = path.with_suffix("") if path.suffix.lower() == ".zip" else path.parent
    return path.resolve().name or str(path)


class _Held:
    """Pictures of one size as they come; levels is None once they differ, or are too many to hold."""

    def __init__(self) -> None:
        self.levels: list[Levels] | None = []

    def add(self, levels: Levels) -> None:
        if self.levels is None:
            return
        self.levels.append(levels)
        if levels.shape != self.levels[0].shape or len(self.levels) * levels.nbytes > _RESIDENT:
            self.levels = None


def _flat(folder: Path) -> list[_Entry]:
    return [_Entry(path.name, path, None) for path in _pictures(folder)]


def _by_class(folder: Path) -> list[_Entry]:
    """The pictures of the sub-folders, in turn; none where no sub-folder has any."""
    below = [entry for entry in _listed(folder) if entry.is_dir() and not entry.name.startswith(".")]
    classes = {entry.name: found for entry in below if (found := _pictures(entry))}
    if classes and _pictures(folder):
        raise DataError(f"{folder} has pictures beside sub-folders with pictures ({_some(classes)}): keep one kind in it")
    if below and not classes and not _pictures(folder):
        raise DataError(f"{folder}: its sub-folders ({_some(entry.name for entry in below)}) hold no pictures themselves: name one of them")
    turns = [(turn, name, path) for name, paths in classes.items() for turn, path in enumerate(paths)]
    return [_Entry(f"{name}/{path.name}", path, name) for _, name, path in sorted(turns)]


def _table(folder: Path) -> Path | None:
    found = [path for path in _listed(folder) if path.suffix.lower() == ".csv" and path.is_file()]
    if len(found) > 1:
        raise DataError(f"{folder} has several csv files ({_some(path.name for path in found)}): name the one that is meant")
    return found[0] if found else None


def _in_table(table: Path, split: str | None, columns: Columns) -> tuple[list[_Entry], str | None, list[tuple[str, str]]]:
    """The entries of a partition, what that is called, and the rows of which nothing can be made."""
    rows = _rows(table, columns)
    partitions = Counter(row[columns.partition].strip() for row in rows if row.get(columns.partition))
    if split is None:
        split = "test" if "test" in partitions else None
    elif split != "all" and split not in partitions:
        known = f"has {', '.join(f'{name} ({count})' for name, count in partitions.items())} and all" if partitions else "has none"
        raise DataError(f"{table}: a partition {split!r} was wanted, its column {columns.partition!r} {known}")
    chosen = [row for row in rows if split in (None, "all") or row[columns.partition].strip() == split]
    entries, broken = [], []
    base = _base(table, [row[columns.file].strip() for row in chosen])
    for row in chosen:
        name, label = (row[column].strip() for column in (columns.file, columns.label))
        why = _unfit(name, label)
        if why:
            broken.append((name or "a row without a file", why))
        else:
            entries.append(_Entry(name, base / name, label))
    return entries, split, broken


def _base(table: Path, names: list[str]) -> Path:
    """The folder that the names of a csv are in: its own, or that of the only zip beside it, where its own has none of them."""
    zips = [path for path in _listed(table.parent) if path.suffix.lower() == ".zip" and path.is_file()]
    if len(zips) != 1 or any((table.parent / name).is_file() for name in names if name):
        return table.parent
    return unpacked(zips[0])


def _rows(table: Path, columns: Columns) -> list[dict[str, str]]:
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            rows, names = list(reader), list(reader.fieldnames or ())
    except OSError as error:
        raise DataError(f"{table}: cannot be read: {reason(error)}") from error
    except (csv.Error, ValueError) as error:
        raise DataError(f"{table}: a csv in UTF-8 was wanted ({error})") from error
    for wanted in (columns.file, columns.label):
        if wanted not in names:
            raise DataError(f"{table}: a column {wanted!r} was wanted, it has {_some(names) or 'none'}")
    return rows


def _unfit(name: str, label: str) -> str | None:
    """Why nothing can be made of a row, if so."""
    parts = Path(name)
    if not name or parts.is_absolute() or ".." in parts.parts:
        return "the name of a file inside the folder was wanted"
    return None if label else "it has no label"


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in alphabetical order; numbers by value."""
    found = list(names)
    return tuple(sorted(found, key=int) if all(name.isdecimal() for name in found) else sorted(found))


def _pictures(folder: Path) -> list[Path]:
    return [path for path in _listed(folder) if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not path.is_dir()]


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {reason(error)}") from error


def _some(names: Iterable[str]) -> str:
    found: Sequence[str] = list(names)
    return ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
