"""Every kind of bad data in one table: it is named, counted, and never taken for good."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.data.cards import DataError
from hoodwink.data.formats import write_cifar
from hoodwink.data.load import DATA_SETS, Columns, load
from hoodwink.data.pickled import read_pickled
from hoodwink.data.table import MNIST, Form, Part, Row
from hoodwink.pictures.write import encode_png

from .conftest import KEPT, TEST, idx, planes, put, tar, tiny_row

PNG = encode_png(np.zeros((4, 4, 3), np.uint8))
WEB = {f"tiny/{name}": data for name, data in KEPT.items()}
GREY, NUMBERS = idx(np.zeros((2, 28, 28))), idx(np.array([3, 10]))


class Sings:
    """Would make a file if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("canary", "w"))


def grey(images: bytes, labels: bytes) -> Row:
    """Two digits, kept and read as MNIST is."""
    kept = {"test.bin": images, "train.bin": labels}
    row = tiny_row(kept, splits={"test": tuple(kept)}, counts={"test": 2}, shape=(28, 28, 1), classes=tuple("0123456789"))
    return replace(row, read=MNIST.read, forms=())


def pickled() -> Row:
    """The tiny set, from one pickled batch."""
    part = Part(("batch.pkl",), read_pickled)
    return replace(tiny_row(), forms=(Form("", dict.fromkeys(KEPT, part)),))


# what is wrong: files of the folder HOODWINK_DATA, what is loaded, the row of "tiny", what is said
BAD: dict[str, tuple[dict[str, bytes], str, Row, str]] = {
    "cut short": ({"test.bin": TEST[:-7]}, "tiny", tiny_row(), "own: test.bin: 6146 bytes were wanted, it has 6139: it is cut short"),
    "of no bytes": ({"test.bin": b""}, "tiny", tiny_row(), "own: test.bin: 6146 bytes were wanted, it has 0: it is cut short"),
    "another file": ({"test.bin": TEST[:-1] + b"!"}, "tiny", tiny_row(), "own: test.bin: another file was wanted, of SHA-256"),
    "archive cut short": ({"tiny.tar.gz": tar(WEB)[:-40]}, "tiny", tiny_row(), "tiny.tar.gz: a whole zip, tar or deb was wanted"),
    "archive without it": ({"tiny.tar.gz": tar({})}, "tiny", tiny_row(), "tiny.tar.gz: a file tiny/train.bin was wanted, there is none"),
    "wrong magic": (
        {"test.bin": b"\1" + GREY[1:], "train.bin": NUMBERS},
        "tiny",
        grey(images=b"\1" + GREY[1:], labels=NUMBERS),
        "tiny:test: an IDX file of bytes was wanted, which begins 00 00 08; it begins 01 00 08 03",
    ),
    "wrong shape in the head": (
        {"test.bin": GREY[:-1], "train.bin": NUMBERS},
        "tiny",
        grey(images=GREY[:-1], labels=NUMBERS),
        "tiny:test: 1584 bytes were wanted for 2 x 28 x 28, it has 1583: it is cut short",
    ),
    "wrong shape": (KEPT, "tiny", tiny_row(shape=(28, 28, 1)), "tiny:test: pictures 2 x 28 x 28 x 1 were wanted, not 2 x 32 x 32 x 3"),
    "labels out of range": (
        {"test.bin": GREY, "train.bin": NUMBERS},
        "tiny",
        grey(images=GREY, labels=NUMBERS),
        "tiny:test: labels in 0..9 were wanted; 1 of 2 are not, the first is picture 1's 10",
    ),
    "no column": (
        {"in/a.csv": b"name,breed\na.png,pug\n", "in/a.png": PNG},
        "own/in",
        tiny_row(),
        "a.csv: a column 'file' was wanted, it has name, breed",
    ),
    "no picture": (
        {"in/a.png": b"text", "in/b.png": b""},
        "own/in",
        tiny_row(),
        "in: none of its 2 pictures can be read; a.png: a picture in PNG",
    ),
    "a pickle that runs": (
        {"batch.pkl": pickle.dumps({"data": planes(1), "labels": [0], "extra": Sings()})},
        "tiny",
        pickled(),
        r"batch.pkl: it wants to run \w+.open, which a batch of pictures has no need of: it is not loaded",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_is_named(own: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files, spec, row, message = BAD[name]
    monkeypatch.chdir(own.parent)
    monkeypatch.setitem(DATA_SETS, "tiny", row)
    put(own, files)
    with pytest.raises(DataError, match=message) as caught:
        load(spec)
    assert "\n" not in str(caught.value) and not Path("canary").exists()


def test_the_table_is_of_bad_data_only(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = idx(np.array([3, 9]))
    monkeypatch.setitem(DATA_SETS, "tiny", grey(images=GREY, labels=labels))
    put(own, {"test.bin": GREY, "train.bin": labels, "in/a.csv": b"name,breed\na.png,pug\n", "in/a.png": PNG})
    assert load("tiny").pictures.shape == (2, 28, 28, 1)  # type: ignore[union-attr]
    assert load(own / "in", columns=Columns("name", "breed")).classes == ("pug",)


def test_unreadable_pictures_are_counted_and_the_others_taken(own: Path) -> None:
    put(own, {"in/cat/a.png": PNG, "in/cat/b.png": b"", "in/dog/a.png": PNG[:40], "in/dog/b.png": PNG})
    data = load(own / "in")
    assert len(data) == 2 and [name for name, _ in data.broken] == ["dog/a.png", "cat/b.png"]
    assert data.labels is not None and data.labels.tolist() == [0, 1]


@pytest.mark.parametrize("place", ["downloads", "tiny", "unpacked", "resident"])
def test_what_was_half_fetched_is_never_taken(alone: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATA_SETS, "tiny", tiny_row())
    put(alone / place, {f"{'0' * 16}-tiny.tar.gz.part": tar(WEB), "test.bin.part": TEST, "tmp123.part": TEST, "part-xyz/test.bin": TEST})
    with pytest.raises(DataError, match="tiny: test.bin cannot be had"):
        load("tiny")
    put(alone / "tiny", {"test.bin": TEST[: len(TEST) // 2]})
    with pytest.raises(DataError, match="the cache: test.bin: 6146 bytes were wanted, it has 3073: it is cut short"):
        load("tiny")
    put(alone / "tiny", {"test.bin": TEST})
    assert len(load("tiny")) == 2


def test_labels_of_a_batch_are_checked_when_it_is_made() -> None:
    with pytest.raises(DataError, match="whole numbers in 0..9"):
        write_cifar(planes(2), [0, 10])
