from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hoodwink.data import unpack
from hoodwink.data.cards import DataError
from hoodwink.data.load import load
from hoodwink.data.unpack import unpacked
from hoodwink.pictures.write import encode_png

from .conftest import put, zipped

PNG = [encode_png(np.full((4, 4, 3), level, np.uint8)) for level in range(4)]
TABLE = b"file,label,partition\nimages/1.png,cat,train\nimages/0.png,dog,test\n"
FILES = {"images/0.png": PNG[0], "images/1.png": PNG[1]}


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_pictures_and_tables_are_unpacked_once(tmp_path: Path, alone: Path) -> None:
    put(tmp_path, {"dogs.zip": zipped(FILES | {"dogs.csv": TABLE, "run.sh": b"#!", ".hidden.png": PNG[0], "__MACOSX/images/0.png": b""})})
    folder = unpacked(tmp_path / "dogs.zip")
    assert folder.parent == alone / "unpacked" and listing(folder) == ["dogs.csv", "images/0.png", "images/1.png"]
    (folder / "images" / "0.png").unlink()
    assert unpacked(tmp_path / "dogs.zip") == folder and len(listing(folder)) == 2  # not again
    assert os.listdir(alone / "unpacked") == [folder.name]


@pytest.mark.parametrize("name", ["../out.png", "/out.png", "a/../../out.png", "..\\out.png", "c:/out.png"])
def test_names_that_lead_out_are_passed_over(tmp_path: Path, alone: Path, name: str) -> None:
    put(tmp_path, {"in.zip": zipped({name: PNG[0], "in.png": PNG[1]})})
    assert listing(unpacked(tmp_path / "in.zip")) == ["in.png"]
    assert [path.name for path in tmp_path.rglob("*.png")] == ["in.png"]


@pytest.mark.parametrize("spec", ["in.zip", "dir", "dir/dogs.csv", "both", "outside"])
def test_a_zip_is_read_as_the_folder_that_it_holds(tmp_path: Path, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = zipped(FILES | {"dogs.csv": TABLE})
    put(tmp_path, {"in.zip": whole, "dir/dogs.csv": TABLE, "dir/dogs64.zip": zipped(FILES), "both/dogs.csv": TABLE, "both/all.zip": whole})
    put(
        tmp_path,
        {"outside/dogs.csv": TABLE, "outside/other.zip": b"not one, and not needed", **{f"outside/{k}": v for k, v in FILES.items()}},
    )
    for split, label, level in (("train", "cat", 1), ("test", "dog", 0)):
        data = load(f"{spec}:{split}")
        assert data.classes == (label,) and data.split == split and data.pictures[0][0, 0, 0] == level and len(data) == 1
        assert data.name == Path(spec.replace("/dogs.csv", "")).stem and data.files is not None and data.files[0].is_file()
    assert load(spec).split == "test"


@pytest.mark.parametrize("top", ["", "pets/", "a/pets/"])
def test_a_folder_around_all_is_left_out(tmp_path: Path, top: str) -> None:
    put(tmp_path, {"pets.zip": zipped({f"{top}cat/0.png": PNG[0], f"{top}dog/1.png": PNG[1]})})
    data = load(tmp_path / "pets.zip")
    assert data.classes == ("cat", "dog") and data.name == "pets"
    put(tmp_path, {"one.zip": zipped({"cat/0.png": PNG[0], "cat/1.png": PNG[1]})})
    assert load(tmp_path / "one.zip").classes == ("cat",)


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "a whole zip was wanted"), (b"text", "a whole zip was wanted"), (zipped(FILES)[:-9], "a whole zip was")]
)
def test_a_zip_that_is_none(tmp_path: Path, alone: Path, data: bytes, message: str) -> None:
    put(tmp_path, {"in.zip": data})
    with pytest.raises(DataError, match=f"in.zip: {message}"):
        load(tmp_path / "in.zip")
    assert list(alone.rglob("*")) == [alone / "unpacked"]


def test_a_zip_that_is_spoiled_inside_is_not_half_unpacked(tmp_path: Path, alone: Path) -> None:
    whole = zipped(FILES)
    put(tmp_path, {"in.zip": whole.replace(PNG[1], PNG[1][:-1] + b"!")})
    with pytest.raises(DataError, match=r"in.zip: a whole zip was wanted \(Bad CRC-32"):
        unpacked(tmp_path / "in.zip")
    assert os.listdir(alone / "unpacked") == []


def test_a_member_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "LARGEST", 10)
    monkeypatch.setattr("hoodwink.data.archives.LARGEST", 10)
    put(tmp_path, {"in.zip": zipped(FILES)})
    with pytest.raises(DataError, match="images/0.png: a file of at most 10 bytes was wanted"):
        unpacked(tmp_path / "in.zip")


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"file": b"", "in.zip": zipped(FILES)})
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="cannot be written: .*; name another folder in HOODWINK_CACHE"):
        unpacked(tmp_path / "in.zip")
    with pytest.raises(DataError, match="absent.zip: cannot be read: no such file"):
        unpacked(tmp_path / "absent.zip")
