"""Files of texts: one text a line, or a csv with a column of texts and one of labels; gz or not."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hoodwink.runs import one_line, reason

_GZIP = b"\x1f\x8b"


class TextError(ValueError):
    """A file of texts, or a text, that cannot be used; the message is one line."""


@dataclass(frozen=True)
class Labelled:
    """Texts with a label each. labels: indices of classes."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            raise TextError(f"a label for each of {len(self.texts)} texts was wanted, there are {len(self.labels)}")

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Iterable[int]) -> Labelled:
        """Some of them, in the order of the indices."""
        chosen = list(indices)
        return Labelled(tuple(self.texts[k] for k in chosen), tuple(self.labels[k] for k in chosen), self.classes)


def read_lines(path: str | Path) -> tuple[str, ...]:
    """The texts of a UTF-8 file, one a line, blanks around them taken off, empty lines left out; gz or not. TextError."""
    text = decoded(Path(path))
    return tuple(filter(None, (line.strip() for line in text.split("\n"))))


def read_folder(path: str | Path) -> Labelled:
    """The texts of a folder with a file for each class, CLASS.txt, one text a line; classes in alphabetical order. TextError."""
    files = sorted(Path(path).glob("*.txt"))
    if not files:
        raise TextError(f"{one_line(path)}: a folder with a file for each class, such as Greek.txt, was wanted, it has no .txt")
    found = [(text, label) for label, file in enumerate(files) for text in read_lines(file)]
    return Labelled(tuple(text for text, _ in found), tuple(label for _, label in found), tuple(file.stem for file in files))


def read_csv(
    path: str | Path, *, text: int = -1, label: int = 0, names: Sequence[tuple[str, str]] = (("0", "negative"), ("4", "positive"))
) -> Labelled:
    """The texts of a csv without a head, quoted as sentiment140's are. text, label: columns.

    names: of the labels in the file, and the classes that they are; rows of other labels are left out. TextError names the line of a row
    that has too few columns.
    """
    known = {raw: index for index, (raw, _) in enumerate(names)}
    texts, labels = list[str](), list[int]()
    rows = csv.reader(io.StringIO(decoded(Path(path)), newline=""))
    for row in rows:
        try:
            kind, content = row[label], row[text]
        except IndexError:
            raise TextError(
                f"{one_line(path)}, line {rows.line_num}: columns {label} and {text} were wanted, there are {len(row)}"
            ) from None
        if kind in known:
            texts.append(content)
            labels.append(known[kind])
    if not texts:
        raise TextError(f"{one_line(path)}: labels {', '.join(known)} were wanted in column {label}, there are none")
    return Labelled(tuple(texts), tuple(labels), tuple(name for _, name in names))


def decoded(path: Path) -> str:
    """The text of a UTF-8 file, gz or not; TextError."""
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data.startswith(_GZIP) else data).decode("utf-8-sig")
    except OSError as error:
        raise TextError(f"{one_line(path)}: cannot be read: {reason(error)}") from error
    except (EOFError, zlib.error) as error:
        raise TextError(f"{one_line(path)}: not a whole gz file: {one_line(error)}") from error
    except UnicodeDecodeError as error:
        raise TextError(f"{one_line(path)}: UTF-8 was wanted, byte {error.start} is none") from error
