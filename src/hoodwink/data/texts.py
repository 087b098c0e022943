"""A set of texts by its name, its file or its folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from hoodwink.data.cards import DataError
from hoodwink.data.fetch import Tell, find_files
from hoodwink.data.formats import Labels
from hoodwink.data.subset import split as parts
from hoodwink.data.table import DATA_SETS, Row, unknown
from hoodwink.data.text_table import TEXT_SETS
from hoodwink.texts.read import Labelled, TextError, read_folder, read_lines, read_table

SPLIT = "test"
ROWS: dict[str, Row] = {**DATA_SETS, **TEXT_SETS}  # of pictures and of texts
_LEARNED = 0.9  # of a file of one's own


def find_row(name: str) -> Row:
    """The row of a data set, of pictures or of texts; DataError names those that there are, and the nearest."""
    if name not in ROWS:
        raise unknown(name, known=ROWS)
    return ROWS[name]


@dataclass(frozen=True, eq=False)
class TextSet:
    """Texts with or without labels. labels: int64, N, in 0..len(classes) - 1, or None."""

    name: str
    split: str | None
    texts: tuple[str, ...]
    labels: Labels | None
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int]) -> TextSet:
        """Some of them, in the order of the indices."""
        labels = None if self.labels is None else self.labels[list(indices)]
        return replace(self, texts=tuple(self.texts[k] for k in indices), labels=labels)

    def first(self, n: int) -> TextSet:
        """The first n texts, or all where there are fewer; ValueError for n below 1."""
        if n < 1:
            raise ValueError(f"the first 1 or more texts were wanted, not {n}")
        return self.take(range(min(n, len(self))))

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the texts and labels, in order."""
        labels = () if self.labels is None else self.labels.tolist()
        return hashlib.sha256("\0".join([*self.texts, "labels", *map(str, labels)]).encode()).hexdigest()


def load_texts(spec: str | os.PathLike[str], *, limit: int | None = None, tell: Tell | None = None) -> TextSet:
    """Load texts and labels.

    spec: a name of TEXT_SETS, with ":SPLIT" after it or without (then "test"); or a file with one text a line (no labels), a csv with the
    columns text and label, or a folder with a file CLASS.txt for each class, whole or with ":train" (nine tenths, drawn at random but
    always the same) or ":test" (the others). limit: only the first so many; tell: as `find_files` has it. Raises DataError.
    """
    if limit is not None and limit < 1:
        raise DataError(f"a limit of 1 or more texts was wanted, not {limit}")
    text = os.fspath(spec)
    name, _, split = text.partition(":")
    found = _named(TEXT_SETS[name], split or SPLIT, tell) if name in TEXT_SETS else _own(text)
    return found if limit is None else found.first(limit)


def only(found: TextSet, cls: str) -> TextSet:
    """The texts of one class alone, all of them where none is named or there are no labels; DataError for a class that there is not."""
    if not cls or found.labels is None:
        return found
    if cls not in found.classes:
        raise DataError(f"only: a class of {found.name} was wanted ({', '.join(found.classes)}), not {cls!r}")
    return found.take(np.flatnonzero(found.labels == found.classes.index(cls)).tolist())


def _named(row: Row, split: str, tell: Tell | None) -> TextSet:
    card = row.card
    files = find_files(row, split, tell=tell).files
    try:
        texts, labels = row.read(files, card, split)
    except TextError as error:
        raise DataError(f"{card.name}: {error}") from error
    if len(texts) != card.counts[split]:
        raise DataError(f"{card.name}:{split}: {card.counts[split]} texts were wanted, there are {len(texts)}")
    return TextSet(card.name, split, texts, labels, card.classes)


def _own(text: str) -> TextSet:
    """A file or folder of somebody's own."""
    path, _, split = text.rpartition(":")
    if not split or os.path.exists(text) or split not in ("train", "test"):
        path, split = text, ""
    if not os.path.exists(path):
        raise unknown(text, "file or set of texts", TEXT_SETS)
    try:
        found = _read(Path(path))
    except TextError as error:
        raise DataError(error) from error
    if not split:
        return found
    cut = round(_LEARNED * len(found))
    chosen = parts(len(found), cut, len(found) - cut, seed=0)[split == "test"].tolist()
    return replace(found.take(chosen), split=split)


def _read(path: Path) -> TextSet:
    if not path.is_dir() and path.suffix.lower() != ".csv":
        texts = read_lines(path)
        if not texts:
            raise TextError(f"{path}: one text a line was wanted, it has none")
        return TextSet(str(path), None, texts, None, ())
    found: Labelled = read_folder(path) if path.is_dir() else read_table(path)
    return TextSet(str(path), None, found.texts, np.array(found.labels, np.int64), found.classes)
