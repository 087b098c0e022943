"""A data set by its name or folder."""

from __future__ import annotations

import os

from hoodwink.data.cards import DataError, about
from hoodwink.data.download import Progress
from hoodwink.data.fetch import Tell, find_files
from hoodwink.data.folders import Columns, load_folder
from hoodwink.data.formats import check_set
from hoodwink.data.sets import DataSet
from hoodwink.data.table import DATA_SETS, Row, unknown
from hoodwink.data.text_table import TEXT_SETS

__all__ = ["DATA_SETS", "Columns", "DataError", "DataSet", "load"]

SPLIT = "test"


def load(
    spec: str | os.PathLike[str],
    *,
    limit: int | None = None,
    channels: int = 3,
    columns: Columns | None = None,
    tell: Tell | None = None,
    progress: Progress | None = None,
) -> DataSet:
    """Load pictures and labels.

    spec: a name of DATA_SETS, or a folder (see `load_folder`; "./mnist" for one that is called like a set), its csv, or a zip of one, each
    with ":SPLIT" after it or without (then "test"). limit: only the first so many; channels and columns: for folders, 3 (colour) or 1
    (grey) and what the csv's columns are called; tell and progress: where what is missing has to be fetched (see `find_files`). Raises
    DataError.
    """
    if limit is not None and limit < 1:
        raise DataError(f"a limit of 1 or more pictures was wanted, not {limit}")
    text = os.fspath(spec)
    name, _, split = text.partition(":")
    if name in TEXT_SETS:
        raise DataError(f"{name} holds texts, and pictures were wanted; the sets of pictures are {', '.join(DATA_SETS)}")
    if name in DATA_SETS:
        found = _named(DATA_SETS[name], split or SPLIT, tell, progress)
        return found if limit is None else found.first(limit)
    path, folder_split = _path(text)
    return load_folder(path, folder_split, limit=limit, channels=channels, columns=columns)


def _named(row: Row, split: str, tell: Tell | None, progress: Progress | None) -> DataSet:
    card = row.card
    try:
        files = find_files(row, split, tell=tell, progress=progress).files
    except DataError as error:
        hint = f"; type ./{card.name} for the folder of that name" if os.path.isdir(card.name) else ""
        raise type(error)(f"{error}{hint}") from error
    with about(f"{card.name}:{split}"):
        pictures, labels = row.read(files, card, split)
        check_set(pictures, labels, card.counts[split], card.shape, len(card.classes))
    return DataSet(card.name, split, pictures, labels, card.classes)


def _path(text: str) -> tuple[str, str | None]:
    """The folder or csv that is named, and the split."""
    path, _, split = text.rpartition(":")
    for candidate, part in ((text, None), (path, split or None)):
        if candidate and os.path.exists(candidate):
            if os.path.isdir(candidate) or candidate.lower().endswith((".csv", ".zip")):
                return candidate, part
            raise DataError(f"{candidate}: a folder of pictures, a csv or a zip was wanted, this is another file")
    raise unknown(text, "folder or data set")
