"""Files of texts: one text a line, or a csv with a column of texts and one of labels; gz or not."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hoodwink.runs import one_line, reason, sha256_bytes

_GZIP = b"\x1f\x8b"
_LONGEST = 1_000_000  # bytes of a single text


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


@dataclass(frozen=True)
class Text:
    """One text. content: without the end of its last line; sha256: of the file's bytes, or of the UTF-8 that would be written."""

    content: str
    sha256: str
    path: Path | None = None


def read_text(path: str | Path) -> Text:
    """The one text of a UTF-8 file; TextError for one that is none, or is longer than a book."""
    data = _bytes(Path(path))
    if len(data) > _LONGEST:
        raise TextError(f"{one_line(path)}: one text of at most {_LONGEST:,} bytes was wanted, it has {len(data):,}")
    try:
        return Text(data.decode("utf-8").removesuffix("\n"), sha256_bytes(data), Path(path))
    except UnicodeDecodeError as error:
        raise TextError(f"{one_line(path)}: UTF-8 was wanted, byte {error.start} is none") from error


def text_bytes(content: str) -> bytes:
    """The file of a text: UTF-8 and the end of a line."""
    return f"{content}\n".encode()


def make_text(content: str) -> Text:
    """A text in hand, as its file would be read."""
    return Text(content, sha256_bytes(text_bytes(content)))


def read_lines(path: str | Path) -> tuple[str, ...]:
    """The texts of a UTF-8 file, one a line, blanks around them taken off, empty lines left out; gz or not. TextError."""
    return parse_lines(_bytes(Path(path)), path)


def parse_lines(data: bytes, name: object) -> tuple[str, ...]:
    """The same of a file's bytes; name: what errors call it."""
    return tuple(filter(None, (line.strip() for line in _text(data, name).split("\n"))))


def read_folder(path: str | Path) -> Labelled:
    """The texts of a folder with a file for each class, CLASS.txt, one text a line; classes in alphabetical order. TextError."""
    files = sorted(Path(path).glob("*.txt"))
    if not files:
        raise TextError(f"{one_line(path)}: a folder with a file for each class, such as Greek.txt, was wanted, it has no .txt")
    found = [(text, label) for label, file in enumerate(files) for text in read_lines(file)]
    return Labelled(tuple(text for text, _ in found), tuple(label for _, label in found), tuple(file.stem for file in files))


def parse_csv(
    data: bytes, name: object, *, text: int = -1, label: int = 0, names: Sequence[tuple[str, str]] = (("0", "negative"), ("4", "positive"))
) -> Labelled:
    """The texts of a csv without a head, as sentiment140's are. text, label: columns; name: what errors call it.

    names: of the labels in the file, and the classes that they are; rows of other labels are left out. TextError names the line of a row
    that has too few columns.
    """
    known = {raw: index for index, (raw, _) in enumerate(names)}
    texts, labels = list[str](), list[int]()
    rows = csv.reader(io.StringIO(_text(data, name), newline=""))
    for row in rows:
        try:
            kind, content = row[label], row[text]
        except IndexError:
            raise TextError(
                f"{one_line(name)}, line {rows.line_num}: columns {label} and {text} were wanted, there are {len(row)}"
            ) from None
        if kind in known:
            texts.append(content)
            labels.append(known[kind])
    if not texts:
        raise TextError(f"{one_line(name)}: labels {', '.join(known)} were wanted in column {label}, there are none")
    return Labelled(tuple(texts), tuple(labels), tuple(name for _, name in names))


def read_table(path: str | Path) -> Labelled:
    """The texts of a csv with a head that has the columns text and label; classes in alphabetical order. TextError."""
    rows = csv.DictReader(io.StringIO(decoded(Path(path)), newline=""))
    found = [(row.get("text"), row.get("label")) for row in rows]
    if not {"text", "label"} <= set(rows.fieldnames or ()) or any(text is None or label is None for text, label in found):
        came = ", ".join(rows.fieldnames or ()) or "no head"
        raise TextError(f"{one_line(path)}: a csv with the columns text and label was wanted, it has {one_line(came)}, or short rows")
    classes = sorted({str(label) for _, label in found})
    return Labelled(tuple(str(text) for text, _ in found), tuple(classes.index(str(label)) for _, label in found), tuple(classes))


def decoded(path: Path) -> str:
    """The text of a UTF-8 file, gz or not; TextError."""
    return _text(_bytes(path), path)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TextError(f"{one_line(path)}: cannot be read: {reason(error)}") from error


def _text(data: bytes, name: object) -> str:
    try:
        return (gzip.decompress(data) if data.startswith(_GZIP) else data).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise TextError(f"{one_line(name)}: not a whole gz file: {one_line(error)}") from error
    except UnicodeDecodeError as error:
        raise TextError(f"{one_line(name)}: UTF-8 was wanted, byte {error.start} is none") from error
