"""Files read out of archives by their names; nothing is unpacked onto the disk, and nothing in them is run."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

from hoodwink.data.cards import DataError
from hoodwink.data.formats import LARGEST

_BROKEN = (OSError, EOFError, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)


def read_members(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """Read the files of these names from a folder, a zip (such as a wheel) or a tar (gz or not).

    Other members, links, and names that are not there are passed over. Raises DataError for an archive that is not whole.
    """
    if path.is_dir():
        return {name: _bounded((path / name).read_bytes(), name) for name in names if (path / name).is_file()}
    try:
        return _unzip(path, names) if zipfile.is_zipfile(path) else _untar(path, names)
    except _BROKEN as error:
        raise DataError(f"a whole zip or tar was wanted ({error})") from error


def _unzip(path: Path, names: Collection[str]) -> dict[str, bytes]:
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name in set(archive.namelist()).intersection(names):
            with archive.open(name) as file:
                found[name] = _bounded(file.read(LARGEST + 1), name)
    return found


def _untar(path: Path, names: Collection[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if name in names and name not in found and member.isreg() and (file := archive.extractfile(member)) is not None:
                found[name] = _bounded(file.read(LARGEST + 1), name)
            if len(found) == len(names):
                break
    return found


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > LARGEST:
        raise DataError(f"{name}: a file of at most {LARGEST} bytes was wanted, it has more")
    return data
