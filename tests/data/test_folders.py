from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoodwink.data import folders
from hoodwink.data.cards import DataError
from hoodwink.data.folders import Columns, load_folder
from hoodwink.data.sets import DataSet, PictureFiles
from hoodwink.pictures.write import encode_png

from .conftest import put


def png(level: int = 0, size: tuple[int, int] = (4, 6)) -> bytes:
    return encode_png(np.full((*size, 3), level, np.uint8))


def table(*rows: tuple[object, ...], head: str = "file,label,partition") -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([head.split(","), *rows])
    return buffer.getvalue().encode()


def names(data: DataSet) -> list[str]:
    assert data.files is not None
    return [path.name for path in data.files]


def labels(data: DataSet) -> list[str]:
    assert data.labels is not None and data.labels.dtype == np.int64
    return [data.classes[number] for number in data.labels]


# flat


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    put(tmp_path, {"b.png": png(2), "a.png": png(1), "notes.txt": b"text", ".hidden.png": png(9), "empty/notes.txt": b""})
    (tmp_path / "empty" / "notes.txt").unlink()
    (tmp_path / "empty").rmdir()
    data = load_folder(tmp_path)
    assert names(data) == ["a.png", "b.png"] and data.labels is None and data.classes == () and data.split is None
    assert isinstance(data.pictures, np.ndarray) and data.pictures.shape == (2, 4, 6, 3)
    assert data.pictures[:, 0, 0, 0].tolist() == [1, 2] and data.name == tmp_path.name


def test_pictures_of_several_sizes_are_read_one_by_one(tmp_path: Path) -> None:
    put(tmp_path, {"a.png": png(1), "b.png": png(2, (8, 3)), "c.png": png(3)})
    data = load_folder(tmp_path)
    assert isinstance(data.pictures, PictureFiles) and [picture[0, 0, 0] for picture in data.pictures] == [1, 2, 3]
    assert isinstance(load_folder(tmp_path, limit=1).pictures, np.ndarray)


def test_more_than_can_be_held_are_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {f"{i}.png": png(i) for i in range(3)})
    monkeypatch.setattr(folders, "_RESIDENT", 3 * 4 * 6 * 3)
    assert isinstance(load_folder(tmp_path).pictures, np.ndarray)
    monkeypatch.setattr(folders, "_RESIDENT", 3 * 4 * 6 * 3 - 1)
    data = load_folder(tmp_path)
    assert isinstance(data.pictures, PictureFiles) and len(data.pictures) == 3


def test_grey(tmp_path: Path) -> None:
    put(tmp_path, {"a.png": png(7)})
    assert load_folder(tmp_path, channels=1).pictures[0].shape == (4, 6, 1)


# by class


def test_a_sub_folder_is_a_class(tmp_path: Path) -> None:
    put(tmp_path, {"dog/b.png": png(), "cat/a.png": png(), "cat/c.png": png(), ".git/x.png": png(), "none/notes.txt": b""})
    data = load_folder(tmp_path)
    assert data.classes == ("cat", "dog")
    assert list(zip(names(data), labels(data), strict=True)) == [("a.png", "cat"), ("b.png", "dog"), ("c.png", "cat")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(counts=st.lists(st.integers(1, 4), min_size=1, max_size=4), limit=st.integers(1, 20))
def test_the_first_pictures_are_of_all_classes(tmp_path_factory: pytest.TempPathFactory, counts: list[int], limit: int) -> None:
    folder = tmp_path_factory.mktemp("classes")
    put(folder, {f"{name}/{i}.png": png(i) for name, count in enumerate(counts) for i in range(count)})
    data = load_folder(folder, limit=limit)
    assert len(data) == min(limit, sum(counts)) and len(data.classes) == len(counts)
    found = Counter(labels(data))
    most = max(found.values())
    assert all(found[str(name)] >= min(count, most - 1) for name, count in enumerate(counts))
    assert data.sha256 == load_folder(folder).first(limit).sha256


def test_numbers_are_in_order_of_their_values(tmp_path: Path) -> None:
    put(tmp_path, {f"{name}/a.png": png() for name in ("10", "9", "0")})
    assert load_folder(tmp_path).classes == ("0", "9", "10")


def test_layouts_that_are_neither(tmp_path: Path) -> None:
    put(tmp_path, {"both/cat/a.png": png(), "both/b.png": png(), "deep/train/cat/a.png": png(), "deep/test/cat/a.png": png()})
    put(tmp_path, {"none/notes.txt": b""})
    for name, message in (
        ("both", r"both has pictures beside sub-folders with pictures \(cat\): keep one kind in it"),
        ("deep", r"deep: its sub-folders \(test, train\) hold no pictures themselves: name one of them"),
        ("none", "none: a folder with pictures was wanted, this has no file that ends in .png"),
        ("absent", "absent: cannot be read: no such file"),
    ):
        with pytest.raises(DataError, match=message):
            load_folder(tmp_path / name)
    assert load_folder(tmp_path / "deep" / "test").classes == ("cat",)


# broken pictures


def test_unreadable_pictures_are_named_and_passed_over(tmp_path: Path) -> None:
    put(tmp_path, {"cat/a.png": png(1), "cat/b.png": b"text", "dog/a.png": png(2)[:50], "dog/b.png": png(3)})
    data = load_folder(tmp_path)
    assert names(data) == ["a.png", "b.png"] and labels(data) == ["cat", "dog"] and data.classes == ("cat", "dog")
    assert [name for name, _ in data.broken] == ["dog/a.png", "cat/b.png"]
    assert "cut short" in data.broken[0][1] and data.hashes is not None and len(data.hashes) == 2
    assert load_folder(tmp_path, limit=1).broken == ()  # it does not look further


def test_a_folder_of_unreadable_pictures_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, {"a.png": b"text", "b.png": b""})
    with pytest.raises(DataError, match="none of its 2 pictures can be read; a.png: "):
        load_folder(tmp_path)


# with a csv


@pytest.fixture
def dogs(tmp_path: Path) -> Path:
    put(tmp_path, {f"images/{i}.png": png(i) for i in range(4)})
    rows = [("images/3.png", "husky", "test"), ("images/1.png", "collie", "train"), ("images/0.png", "collie", "test")]
    put(tmp_path, {"dogs.csv": table(*rows, ("images/2.png", "beagle", "valid"))})
    return tmp_path


@pytest.mark.parametrize(
    ("split", "found", "called"),
    [
        (None, ["3.png", "0.png"], "test"),
        ("test", ["3.png", "0.png"], "test"),
        ("train", ["1.png"], "train"),
        ("all", ["3.png", "1.png", "0.png", "2.png"], "all"),
    ],
)
def test_a_csv_says_which_pictures_and_what_they_are(dogs: Path, split: str | None, found: list[str], called: str) -> None:
    for path in (dogs, dogs / "dogs.csv"):
        data = load_folder(path, split)
        assert names(data) == found and data.split == called and data.name == dogs.name
        assert set(labels(data)) == set(data.classes)


def test_classes_are_those_of_the_pictures_that_were_asked_for(dogs: Path) -> None:
    assert load_folder(dogs).classes == ("collie", "husky")
    assert load_folder(dogs, limit=1).classes == ("collie", "husky")


def test_without_partitions_all_rows_are_meant(dogs: Path) -> None:
    put(dogs, {"dogs.csv": table(("images/0.png", "a"), ("images/1.png", "b"), head="file,label")})
    data = load_folder(dogs)
    assert len(data) == 2 and data.split is None
    with pytest.raises(DataError, match="a partition 'train' was wanted, its column 'partition' has none"):
        load_folder(dogs, "train")


def test_columns_of_other_names(dogs: Path) -> None:
    put(dogs, {"dogs.csv": "\ufeffPicture,Breed\nimages/0.png,Jagdterrier\nimages/1.png,B\u00e4r\n".encode()})
    data = load_folder(dogs, columns=Columns("Picture", "Breed"))
    assert data.classes == ("B\u00e4r", "Jagdterrier")


def test_rows_of_which_nothing_can_be_made_are_named(dogs: Path) -> None:
    outside = dogs.parent / "outside.png"
    outside.write_bytes(png())
    rows = [("images/0.png", "a"), ("../outside.png", "a"), (str(outside), "a"), ("", "a"), ("images/1.png", " "), ("images/9.png", "a")]
    put(dogs, {"dogs.csv": table(*rows, ("images/1.png",), head="file,label")})
    data = load_folder(dogs)
    assert names(data) == ["0.png"]
    inside = "the name of a file inside the folder was wanted"
    assert data.broken[:5] == (
        ("../outside.png", inside),
        (str(outside), inside),
        ("a row without a file", inside),
        ("images/1.png", "it has no label"),
        ("images/1.png", "it has no label"),
    )
    assert data.broken[5][0] == "images/9.png" and "no such file" in data.broken[5][1]


@pytest.mark.parametrize(
    ("files", "split", "message"),
    [
        ({"dogs.csv": table(head="name,label")}, None, "dogs.csv: a column 'file' was wanted, it has name, label$"),
        ({"dogs.csv": table(head="file,breed,partition")}, None, "dogs.csv: a column 'label' was wanted, it has file, breed, partition"),
        ({"dogs.csv": b""}, None, "dogs.csv: a column 'file' was wanted, it has none"),
        ({"dogs.csv": b"\xff\xfe\0"}, None, "dogs.csv: a csv in UTF-8 was wanted"),
        ({"dogs.csv": table()}, None, "a folder with pictures was wanted"),
        ({}, "foo", r"dogs.csv: a partition 'foo' was wanted, its column 'partition' has test \(2\), train \(1\), valid \(1\) and all"),
        ({"cats.csv": b""}, None, r"several csv files \(cats.csv, dogs.csv\): name the one that is meant"),
    ],
)
def test_a_bad_csv_is_an_error(dogs: Path, files: dict[str, bytes], split: str | None, message: str) -> None:
    put(dogs, files)
    with pytest.raises(DataError, match=message):
        load_folder(dogs, split)


def test_without_a_csv_a_split_is_the_folder_of_that_name(tmp_path: Path) -> None:
    put(tmp_path, {"train/ant/a.png": png(1), "train/bee/b.png": png(2), "test/bee/c.png": png(3), "test/ant/d.png": png(4)})
    train, test = load_folder(tmp_path, "train"), load_folder(tmp_path, "test", limit=1)
    assert (names(train), labels(train), train.split, train.name) == (["a.png", "b.png"], ["ant", "bee"], "train", tmp_path.name)
    assert (names(test), labels(test), test.classes, test.split) == (["d.png"], ["ant"], ("ant", "bee"), "test")


def test_a_split_without_a_csv_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, {"a.png": png()})
    with pytest.raises(DataError, match="has no csv that says what 'train' is"):
        load_folder(tmp_path, "train")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.one_of(st.binary(max_size=60), st.text(st.sampled_from('file,label\n"\0 ae.png\r'), max_size=60).map(str.encode)))
def test_any_csv_gives_a_set_or_one_of_our_errors(tmp_path: Path, text: bytes) -> None:
    put(tmp_path, {"images.csv": b"file,label,partition\n" + text, "a.png": png()})
    try:
        data: Any = load_folder(tmp_path)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert len(data.labels) == len(data) >= 1
