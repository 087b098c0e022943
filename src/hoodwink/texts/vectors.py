"""Vectors of words: read from GloVe's or word2vec's text files, or an array beside a list of words; neighbours and analogies."""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import numpy as np

from hoodwink.runs import one_line, reason
from hoodwink.texts.read import TextError, decoded

Array = np.ndarray[Any, np.dtype[np.float32]]
_CHUNK = 1 << 22  # bytes that are parsed at a time


@dataclass(frozen=True, eq=False)
class Vectors:
    """A vector for each word. words: N, each once, most frequent first where the source has them so; array: float32, N x D, maybe on disk."""

    words: tuple[str, ...]
    array: Array

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.index

    def __getitem__(self, word: str) -> Array:
        """The vector of a word; TextError suggests others for one that is not known."""
        if word not in self.index:
            near = get_close_matches(word.lower(), self.words[:50_000], n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise TextError(f"there is no vector of {word!r}{hint}")
        row: Array = np.asarray(self.array[self.index[word]])
        return row

    @cached_property
    def index(self) -> dict[str, int]:
        """Where each word is."""
        return {word: k for k, word in enumerate(self.words)}

    @cached_property
    def lengths(self) -> Array:
        """The length of each vector, N, at least 1e-12."""
        found: Array = np.maximum(np.sqrt(np.einsum("nd,nd->n", self.array, self.array)), 1e-12)
        return found

    def near(self, vector: Array, count: int = 10, *, without: Sequence[str] = ()) -> list[tuple[str, float]]:
        """The words with the largest cosine similarity to a vector D, but those of `without`, and the similarity."""
        cosines = self.array @ np.asarray(vector, np.float32) / (self.lengths * max(float(np.linalg.norm(vector)), 1e-12))
        cosines[[self.index[word] for word in without if word in self.index]] = -np.inf
        count = min(count, len(cosines) - 1)
        first = np.argpartition(-cosines, count)[: count + 1]
        ranked = first[np.argsort(-cosines[first], kind="stable")][:count]
        return [(self.words[k], float(cosines[k])) for k in ranked]

    def similarity(self, one: str, other: str) -> float:
        """The cosine of two words' vectors."""
        a, b = self[one], self[other]
        return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))

    def distance(self, one: str, other: str) -> float:
        """The length of the difference of two words' vectors."""
        return float(np.linalg.norm(self[one] - self[other]))

    def analogy(self, a: str, b: str, c: str, count: int = 10, *, keep: bool = False) -> list[tuple[str, float]]:
        """What is to c as a is to b: the words near a - b + c ("king", "man", "woman"); keep: the three words themselves, too."""
        return self.near(self[a] - self[b] + self[c], count, without=() if keep else (a, b, c))


def read_vectors(path: str | Path, *, words: str | Path | None = None, cache: str | Path | None = None) -> Vectors:
    """Read vectors.

    path: a text file with a word and its numbers on each line (GloVe; word2vec, with "N D" on the first line), a zip with one such file
    (or several: name it, "glove.6B.zip:glove.6B.50d.txt"), or a .npy array N x D whose words, one a line, are in `words`. cache: a folder
    for the parsed array, which the second use only maps. TextError names the file and the line.
    """
    text = os.fspath(path)
    if text.endswith(".npy"):
        return _read_array(Path(text), words)
    name, _, member = text.partition(".zip:")
    file = Path(f"{name}.zip" if member else text)
    kept = None if cache is None else _kept(file, member, Path(cache))
    if kept is not None and kept.with_suffix(".npy").is_file() and kept.with_suffix(".txt").is_file():
        return _read_array(kept.with_suffix(".npy"), kept.with_suffix(".txt"))
    try:
        with _opened(file, member) as stream:
            found = parse_vectors(stream, one_line(text))
    except (OSError, zipfile.BadZipFile) as error:
        why = reason(error) if isinstance(error, OSError) else "not a whole zip"
        raise TextError(f"{one_line(text)}: cannot be read: {why}") from error
    if kept is not None:
        _keep(found, kept)
    return found


def parse_vectors(stream: IO[bytes], name: str) -> Vectors:
    """Parse lines of a word and its D numbers; what stands twice counts the first time. TextError, which begins with `name`."""
    words, parts, wide, number = list[str](), list[Array](), 0, 0
    for lines in _lines(stream):
        if not number and len(lines[0].split()) == 2 and all(part.isdigit() for part in lines[0].split()):
            wide, lines, number = int(lines[0].split()[1]), lines[1:], 1  # word2vec's head: how many words, how many numbers
        if not lines:
            continue
        wide = wide or len(lines[0].split(b" ")) - 1
        if wide < 1:
            raise TextError(f"{name}, line {number + 1}: a word and its numbers, with blanks between, were wanted")
        parts.append(_numbers(lines, wide, name, number, words))
        number += len(lines)
    if not words:
        raise TextError(f"{name}: a word and its numbers on each line were wanted, there is no line")
    array = _joined(parts, wide)
    first = {word: k for k, word in reversed(list(enumerate(words)))}
    if len(first) == len(words):
        return Vectors(tuple(words), array)
    order = sorted(first.values())
    return Vectors(tuple(words[k] for k in order), array[order])


def _joined(parts: list[Array], wide: int) -> Array:
    """The parts as one array; each is let go when it is copied, so that they are never held twice."""
    array = np.empty((sum(map(len, parts)), wide), np.float32)
    end = len(array)
    while parts:
        part = parts.pop()
        array[end - len(part) : end] = part
        end -= len(part)
    return array


def _numbers(lines: list[bytes], wide: int, name: str, number: int, words: list[str]) -> Array:
    """The numbers of some lines, N x D; their words are added."""
    rests = list[bytes]()
    for line in lines:
        word, _, rest = line.partition(b" ")
        if rest.count(b" ") != wide - 1:  # a word with blanks in it, or a line cut short
            word, *numbers = line.rsplit(b" ", wide)
            rest = b" ".join(numbers)
            if len(numbers) != wide:
                raise TextError(f"{name}, line {number + len(rests) + 1}: a word and {wide} numbers were wanted, there are {len(numbers)}")
        words.append(word.decode("utf-8", "replace"))
        rests.append(rest)
    values = _parsed(b" ".join(rests))
    if values.size != wide * len(rests) or not np.isfinite(values).all():
        raise TextError(
            f"{name}, line {number + _bad(rests) + 1}: {wide} finite numbers were wanted after the word, there is something else"
        )
    found: Array = values.reshape(len(rests), wide)
    return found


def _parsed(text: bytes) -> Array:
    """The numbers of a text, as far as they go: what is none is found by who counts them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # older NumPys warn of what newer ones refuse
        try:
            values: Array = np.fromstring(text, dtype=np.float32, sep=" ")
        except ValueError:
            return np.empty(0, np.float32)
    return values


def _bad(rests: list[bytes]) -> int:
    """The first line that holds no number, or one that is not finite."""
    for k, rest in enumerate(rests):
        try:
            if not np.isfinite([float(part) for part in rest.split(b" ")]).all():
                return k
        except ValueError:
            return k
    return len(rests) - 1


def _lines(stream: IO[bytes]) -> Iterator[list[bytes]]:
    """Whole lines, without their ends and the blanks before these, many at a time; empty ones at the end of the file are left out."""
    rest = b""
    while chunk := stream.read(_CHUNK):
        head, end, tail = (rest + chunk).rpartition(b"\n")
        if not end:
            rest = tail
            continue
        rest = tail
        yield [line.rstrip() for line in head.split(b"\n")]
    if rest.strip():
        yield [rest.rstrip()]


def _opened(file: Path, member: str) -> IO[bytes]:
    if file.suffix != ".zip":
        return open(file, "rb")
    archive = zipfile.ZipFile(file)
    names = [one for one in archive.namelist() if one.endswith(".txt")]
    if not member and len(names) != 1:
        raise TextError(
            f"{one_line(file)}: one .txt was wanted, it has {', '.join(names) or 'none'}; type {one_line(file)}:{(names or ['NAME'])[0]}"
        )
    if member and member not in names:
        raise TextError(f"{one_line(file)}: has no {member}; it has {', '.join(names)}")
    return archive.open(member or names[0])


def _read_array(path: Path, words: str | Path | None) -> Vectors:
    if words is None:
        raise TextError(f"{one_line(path)}: the words of its rows were wanted, too, one a line")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise TextError(f"{one_line(path)}: an array N x D was wanted: {one_line(error)}") from error
    known = tuple(decoded(Path(words)).removesuffix("\n").split("\n"))  # a word may be a blank of another alphabet
    if array.ndim != 2 or array.dtype != np.float32 or len(known) != len(array):
        raise TextError(f"{one_line(path)}: float32, {len(known)} x D, a row for each word, was wanted, not {array.dtype} {array.shape}")
    return Vectors(known, array)


def _kept(file: Path, member: str, cache: Path) -> Path:
    """The name of the parsed files, which changes when the file does."""
    try:
        about = file.stat()
    except OSError as error:
        raise TextError(f"{one_line(file)}: cannot be read: {reason(error)}") from error
    return cache / "vectors" / f"{(member or file.name).removesuffix('.txt')}-{about.st_size:x}-{about.st_mtime_ns:x}.kept"


def _keep(found: Vectors, kept: Path) -> None:
    """Write the array and the words under other names first: what was half written is never taken."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".txt", ".npy"):
        with NamedTemporaryFile(dir=kept.parent, suffix=".part", delete=False) as file:
            if suffix == ".txt":
                file.write("\n".join(found.words).encode())
            else:
                np.save(file, found.array, allow_pickle=False)
        os.replace(file.name, kept.with_suffix(suffix))
