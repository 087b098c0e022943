"""Files read out of archives by their names; nothing is unpacked onto the disk, and nothing in them is run."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

from hoodwink.data.cards import DataError
from hoodwink.data.formats import LARGEST

BROKEN = (OSError, EOFError, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)

_DEB = b"!<arch>\n"  # a Debian package is an archive of ar; its files are in a tar in that


def read_members(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """Read the files of these names from a folder, a zip (such as a wheel), a tar (packed or not) or a Debian package.

    Other members, links, and names that are not there are passed over. Raises DataError for an archive that is not whole.
    """
    if path.is_dir():
        return {name: bounded((path / name).read_bytes(), name) for name in names if (path / name).is_file()}
    try:
        if zipfile.is_zipfile(path):
            return _unzip(path, names)
        return _untar(tarfile.open(fileobj=_in_deb(path)) if _is_deb(path) else tarfile.open(path), names)
    except BROKEN as error:
        raise DataError(f"a whole zip, tar or deb was wanted ({error})") from error


def bounded(data: bytes, name: str) -> bytes:
    """The bytes, or DataError where they are more than any file of ours has; read at most one more than LARGEST."""
    if len(data) > LARGEST:
        raise DataError(f"{name}: a file of at most {LARGEST} bytes was wanted, it has more")
    return data


def _unzip(path: Path, names: Collection[str]) -> dict[str, bytes]:
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name in set(archive.namelist()).intersection(names):
            with archive.open(name) as file:
                found[name] = bounded(file.read(LARGEST + 1), name)
    return found


def _untar(archive: tarfile.TarFile, names: Collection[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if name in names and name not in found and member.isreg() and (file := archive.extractfile(member)) is not None:
                found[name] = bounded(file.read(LARGEST + 1), name)
            if len(found) == len(names):
                break
    return found


def _is_deb(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_DEB)) == _DEB


def _in_deb(path: Path) -> io.BytesIO:
    """The tar of a Debian package's files, still packed. A member has a head of 60 bytes, and begins at an even place."""
    with open(path, "rb") as file:
        file.seek(len(_DEB))
        while head := file.read(60):
            size = head[48:58].strip()
            if len(head) < 60 or not head.endswith(b"`\n") or not size.isdigit():
                break
            if head.startswith(b"data.tar"):
                data = bounded(file.read(min(int(size), LARGEST + 1)), "data.tar")
                if len(data) < int(size):
                    break
                return io.BytesIO(data)
            file.seek(int(size) + int(size) % 2, io.SEEK_CUR)
    raise EOFError("it is cut short")
