from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.data.cards import DataError
from hoodwink.data.load import DATA_SETS, Columns, load
from hoodwink.pictures.write import encode_png

from .conftest import KEPT, TEST, put, tiny_row


@pytest.fixture
def tiny(own: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(DATA_SETS, "tiny", tiny_row())
    put(own, KEPT)
    return own


@pytest.mark.parametrize(
    ("spec", "split", "labels"), [("tiny", "test", [1, 0]), ("tiny:", "test", [1, 0]), ("tiny:train", "train", [0, 1, 1])]
)
def test_a_set_by_its_name(tiny: Path, spec: str, split: str, labels: list[int]) -> None:
    data = load(spec)
    assert (data.name, data.split, data.classes, data.files, data.broken) == ("tiny", split, ("cat", "dog"), None, ())
    assert data.labels is not None and data.labels.tolist() == labels
    assert isinstance(data.pictures, np.ndarray) and data.pictures.shape == (len(labels), 32, 32, 3) and data.pictures.dtype == np.uint8


def test_only_the_files_of_the_split_are_needed(tiny: Path) -> None:
    (tiny / "train.bin").unlink()
    assert len(load("tiny")) == 2
    with pytest.raises(DataError, match="tiny: train.bin cannot be had"):
        load("tiny:train")


def test_a_limit(tiny: Path) -> None:
    assert len(load("tiny:train", limit=2)) == 2 and len(load("tiny:train", limit=9)) == 3
    for limit in (0, -1):
        with pytest.raises(DataError, match=f"a limit of 1 or more pictures was wanted, not {limit}"):
            load("tiny", limit=limit)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"counts": {"train": 3, "test": 3}}, "tiny:test: pictures 3 x 32 x 32 x 3 were wanted, not 2 x 32 x 32 x 3"),
        ({"shape": (28, 28, 1)}, "tiny:test: pictures 2 x 28 x 28 x 1 were wanted"),
        ({"classes": ("cat",)}, "tiny:test: labels in 0..0 were wanted; 1 of 2 are not, the first is picture 0's 1"),
    ],
)
def test_a_set_that_is_not_as_its_card_says(tiny: Path, card: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATA_SETS, "tiny", tiny_row(**card))
    with pytest.raises(DataError, match=message):
        load("tiny")


def test_a_file_that_is_cut_short(tiny: Path) -> None:
    put(tiny, {"test.bin": TEST[:-7]})
    with pytest.raises(DataError, match="own: test.bin: 6146 bytes were wanted, it has 6139: it is cut short"):
        load("tiny")


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture = encode_png(np.zeros((4, 4, 3), np.uint8))
    put(tmp_path, {"digits/7/a.png": picture, "digits/7/b.png": picture, "hounds/a.png": picture, "hounds/b.png": picture})
    put(tmp_path, {"hounds/hounds.csv": b"name,breed,partition\na.png,pug,train\nb.png,pug,test\n", "a:b/c.png": picture})
    assert load("./digits").classes == ("7",) and len(load("./digits", limit=1)) == 1
    assert load(Path("a:b")).name == "a:b"
    columns = Columns("name", "breed")
    for spec in ("hounds", "hounds:test", "hounds/hounds.csv:test", tmp_path / "hounds"):
        assert load(spec, columns=columns).split == "test"
    assert len(load("hounds:all", columns=columns, channels=1)) == 2
    assert load("a:b", channels=1).pictures[0].shape == (4, 4, 1)


def test_a_folder_that_is_called_like_a_set_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, {"dogs/a.png": encode_png(np.zeros((4, 4, 3), np.uint8))})
    with pytest.raises(DataError, match="dogs: dogs64.zip cannot be had; .*; type ./dogs for the folder of that name"):
        load("dogs")
    assert len(load("./dogs")) == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere", "no folder or data set 'nowhere'; the data sets are cifar10, mnist, fashion-mnist, digits, dogs"),
        ("cifar", "did you mean cifar10?"),
        ("", "no folder or data set ''"),
        (":test", "no folder or data set ':test'"),
        ("cifar10:valid", "cifar10 has no split 'valid'; type cifar10:train or cifar10:test"),
        ("photo.png", "photo.png: a folder of pictures, a csv or a zip was wanted, this is another file"),
    ],
)
def test_what_is_no_data(tmp_path: Path, spec: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, {"photo.png": b""})
    with pytest.raises(DataError, match=message):
        load(spec)
