"""What the tests of data share: a machine without network and caches, and files of tiny made-up sets."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.data.cards import DataCard, DataFile
from hoodwink.data.formats import read_cifar, write_cifar
from hoodwink.data.table import Form, Part, Row
from hoodwink.pictures.write import encode_png
from hoodwink.runs import sha256_bytes

REAL = os.environ.get("HOODWINK_DATA")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reaches out or touches a cache; returns the folder of this test's cache."""
    monkeypatch.delenv("HOODWINK_DATA", raising=False)
    monkeypatch.setenv("HOODWINK_OFFLINE", "1")
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "data"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's own, named in HOODWINK_DATA."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("HOODWINK_DATA", str(folder))
    return folder


def planes(count: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Pictures as CIFAR-10 has them in a record: count x 3072."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """An IDX file of bytes."""
    return b"\0\0\x08" + bytes([array.ndim]) + b"".join(side.to_bytes(4) for side in array.shape) + array.astype(np.uint8).tobytes()


def sheet(pictures: np.ndarray[Any, Any]) -> bytes:
    """The PNG whose rows are these pictures, count x 3072."""
    return encode_png(np.ascontiguousarray(pictures.reshape(-1, 3, 1024).transpose(0, 2, 1)))


def tar(members: Mapping[str, bytes]) -> bytes:
    """A tar.gz."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # without a time: the same bytes each time
    return buffer.getvalue()


def deb(members: Mapping[str, bytes], control: bytes = b"odd") -> bytes:
    """A Debian package: an ar of three members, each padded to an even length."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    package = b"!<arch>\n"
    for name, data in (("debian-binary", b"2.0\n"), ("control.tar.xz", control), ("data.tar.xz", buffer.getvalue())):
        package += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return package


TRAIN, TEST = write_cifar(planes(3), [0, 1, 1]), write_cifar(planes(2, seed=1), [1, 0])
KEPT = {"train.bin": TRAIN, "test.bin": TEST}
PACKAGE = {f"package/{name}.gz": gzip.compress(data) for name, data in KEPT.items()}


def tiny_row(kept: Mapping[str, bytes] = KEPT, **card: Any) -> Row:
    """A set of two classes in two files, which comes as a tar from the web and in a package of npm."""
    fields: dict[str, Any] = {
        "name": "tiny",
        "source": "https://tiny.example/",
        "licence": "CC0",
        "files": tuple(DataFile(name, len(data), sha256_bytes(data)) for name, data in kept.items()),
        "splits": {"train": ("train.bin",), "test": ("test.bin",)},
        "counts": {"train": 3, "test": 2},
        "shape": (32, 32, 3),
        "classes": ("cat", "dog"),
    }
    web = Form(
        "tiny.tar.gz",
        {name: Part((f"tiny/{name}",)) for name in kept},
        url="https://tiny.example/tiny.tar.gz",
        hashes={"tiny.tar.gz": "0" * 64},
    )
    package = Form("tiny-1.0.tgz", {name: Part((f"package/{name}.gz",)) for name in kept}, package=("npm", "tiny@1.0"))
    return Row(DataCard(**fields | card), lambda files, card, split: read_cifar(files[f"{split}.bin"]), (web, package))


def put(folder: Path, members: Mapping[str, bytes]) -> None:
    """Write files into a folder; names may have folders in them."""
    for name, data in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def as_json(value: object) -> bytes:
    """JSON in bytes."""
    return json.dumps(value).encode()
