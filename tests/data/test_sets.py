from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.data.sets import DataSet, PictureFiles
from hoodwink.pictures.read import PictureError
from hoodwink.pictures.write import encode_png

from .conftest import put


def made(count: int = 5, labelled: bool = True) -> DataSet:
    pictures = np.arange(count * 12, dtype=np.uint8).reshape(count, 2, 2, 3)
    return DataSet("made", "test", pictures, np.arange(count) % 3 if labelled else None, ("a", "b", "c") if labelled else ())


@pytest.fixture
def files(tmp_path: Path) -> DataSet:
    sizes = [(2, 3), (4, 5), (6, 7)]
    put(tmp_path, {f"{i}.png": encode_png(np.full((*size, 3), i, np.uint8)) for i, size in enumerate(sizes)})
    paths = tuple(tmp_path / f"{i}.png" for i in range(3))
    return DataSet("folder", None, PictureFiles(paths), np.array([0, 1, 0]), ("a", "b"), paths, ("x", "y", "z"), (("bad.png", "why"),))


@given(st.integers(1, 8), st.booleans())
def test_the_first(n: int, labelled: bool) -> None:
    data = made(labelled=labelled)
    first = data.first(n)
    assert len(first) == min(n, 5) and (first.name, first.split, first.classes) == (data.name, data.split, data.classes)
    np.testing.assert_array_equal(first.pictures, data.pictures[:n])
    assert (first.sha256 == data.sha256) == (n >= 5)
    assert first.labels is None or len(first.labels) == len(first)


def test_the_first_of_files(files: DataSet) -> None:
    first = files.first(2)
    assert len(first) == 2 and first.files == files.files[:2] and first.hashes == ("x", "y") and first.broken == files.broken  # type: ignore[index]
    assert [picture.shape for picture in first.pictures] == [(2, 3, 3), (4, 5, 3)]


@pytest.mark.parametrize("n", [0, -1])
def test_the_first_none_is_an_error(n: int) -> None:
    with pytest.raises(ValueError, match=f"the first 1 or more pictures were wanted, not {n}"):
        made().first(n)


def test_pictures_are_read_when_they_are_asked_for(files: DataSet) -> None:
    assert files.files is not None
    files.files[1].unlink()
    assert len(files.pictures) == 3 and files.pictures[-1].shape == (6, 7, 3) and files.pictures[2][0, 0, 0] == 2
    with pytest.raises(PictureError, match="1.png: cannot be read: no such file"):
        files.pictures[1]
    with pytest.raises(IndexError):
        files.pictures[3]
    assert PictureFiles(files.files, channels=1)[0].shape == (2, 3, 1)


def test_the_hash_is_of_the_content_and_of_nothing_else(files: DataSet) -> None:
    data = made()
    assert data.sha256 == made().sha256 == replace(data, name="other", split=None).sha256
    other = data.pictures.copy()  # type: ignore[union-attr]
    other[4, 1, 1, 2] ^= 1
    different = [
        data,
        replace(data, pictures=other),
        replace(data, pictures=data.pictures.reshape(5, 4, 1, 3)),  # type: ignore[union-attr]
        replace(data, pictures=data.pictures[::-1]),
        replace(data, labels=None),
        replace(data, labels=np.zeros(5, np.int64)),
        files,
        replace(files, hashes=("x", "y", "w")),
        replace(files, labels=None),
    ]
    assert len({one.sha256 for one in different}) == len(different)


def test_a_set_stays_as_it_is() -> None:
    with pytest.raises(FrozenInstanceError):
        made().name = "other"  # type: ignore[misc]
