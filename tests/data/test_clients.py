from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from hoodwink.data.cards import DataError
from hoodwink.data.clients import fetch_package

from .conftest import put, zipped

needs_sh = pytest.mark.skipif(os.name == "nt", reason="the made-up client is a shell script")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def client(tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch, name: str = "npm") -> None:
    """Put a made-up npm, or another client, before the others."""
    put(tmp_path / "bin", {name: f"#!/bin/sh\n{script}\n".encode()})
    (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)


@needs_sh
def test_npm_packs_into_the_folder(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client(tmp_path, 'echo "$@" > tiny-1.0.tgz', monkeypatch)
    path = fetch_package("npm", "tiny@1.0", folder)
    assert path == folder / "tiny-1.0.tgz"
    words = path.read_text().split()
    assert words[:2] == ["pack", "tiny@1.0"] and f"--pack-destination={folder}" in words and "--ignore-scripts" in words


@needs_sh
def test_apt_downloads_into_the_folder(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client(tmp_path, 'echo "$@" > tiny_1.0_all.deb', monkeypatch, "apt-get")
    path = fetch_package("apt-get", "dataset-tiny", folder)
    words = path.read_text().split()
    assert path == folder / "tiny_1.0_all.deb" and words[-2:] == ["download", "dataset-tiny"]
    assert "-oAcquire::http::Timeout=10" in words and "-oAcquire::https::Timeout=10" in words
    client(tmp_path, "echo E: Unable to locate package dataset-tiny >&2; exit 100", monkeypatch, "apt-get")
    with pytest.raises(DataError, match="apt-get failed: E: Unable to locate package dataset-tiny; type: sudo apt-get update"):
        fetch_package("apt-get", "dataset-tiny", folder)


@needs_sh
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo; echo npm notice hello >&2; echo npm error code E404 >&2; echo more >&2; exit 1", "npm failed: npm error code E404$"),
        ("echo something else; exit 3", "npm failed: something else$"),
        ("exit 1", "npm failed: it does not say why"),
        (f"echo error {'x' * 999}; exit 1", r"npm failed: error x{190} \\.\\.\\.$"),
        ("true", "npm was to bring one file, it brought 0"),
        ("touch a b", "npm was to bring one file, it brought 2"),
    ],
)
def test_a_client_that_fails_is_an_error(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str) -> None:
    client(tmp_path, script, monkeypatch)
    with pytest.raises(DataError, match=message.replace("\\\\", "\\")):
        fetch_package("npm", "tiny@1.0", folder)


def test_a_missing_client_is_said(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="npm is not installed"):
        fetch_package("npm", "tiny@1.0", folder)
    with pytest.raises(DataError, match="apt-get is not installed, it comes with Debian"):
        fetch_package("apt-get", "tiny", folder)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip is not installed; type: python -m ensurepip"):
        fetch_package("pip", "tiny==1.0", folder)


def wheel(name: str) -> bytes:
    return zipped(
        {
            "data.bin": b"levels",
            f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: absent\n".encode(),
            f"{name}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{name}-1.0.dist-info/RECORD": b"",
        }
    )


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="pip is not installed")
def test_pip_brings_a_wheel_and_nothing_else(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "shop", {"tiny-1.0-py3-none-any.whl": wheel("tiny")})
    # A source package whose setup would run if pip looked at it.
    put(tmp_path / "shop", {"evil-1.0.zip": zipped({"evil-1.0/setup.py": f"open({str(tmp_path / 'ran')!r}, 'w')".encode()})})
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "shop")}.items():
        monkeypatch.setenv(name, value)
    assert fetch_package("pip", "tiny==1.0", folder).read_bytes() == wheel("tiny")
    with pytest.raises(DataError, match="pip failed: .*evil"):
        fetch_package("pip", "evil==1.0", folder)
    assert not (tmp_path / "ran").exists()
    assert "tiny" not in sys.modules and importlib.util.find_spec("tiny") is None
