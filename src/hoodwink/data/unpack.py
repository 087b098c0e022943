"""Pictures and tables of a zip, unpacked once into the cache, so that they are read as any folder is."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

from hoodwink.data.archives import BROKEN, bounded
from hoodwink.data.cards import DataError
from hoodwink.data.fetch import cache_folder
from hoodwink.data.formats import LARGEST
from hoodwink.pictures.read import SUFFIXES
from hoodwink.runs import reason, sha256_file


def unpacked(path: Path) -> Path:
    """The folder of the cache that holds the pictures and csv files of a zip; a folder around all of them is left out.

    Names that lead out of it, and other files, are passed over. Raises DataError for a zip that is not whole.
    """
    try:
        folder = cache_folder("unpacked") / sha256_file(path)[:32]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
    if not folder.is_dir():
        _unpack(path, folder)
    return _innermost(folder)


def _unpack(path: Path, folder: Path) -> None:
    """Unpack beside it and rename, so that what was half done is never taken for all."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(mkdtemp(dir=folder.parent, prefix="part-"))
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {reason(error)}; name another folder in HOODWINK_CACHE") from error
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if _is_wanted(member):
                    _copy(archive, member, beside)
        os.replace(beside, folder)
    except BROKEN as error:
        if not folder.is_dir():  # else another process was faster
            why = f"cannot be unpacked: {reason(error)}" if isinstance(error, OSError) else f"a whole zip was wanted ({error})"
            raise DataError(f"{path}: {why}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(member.filename)
    leads_out = name.is_absolute() or ".." in name.parts or "\\" in member.filename or ":" in member.filename
    hidden = any(part.startswith((".", "__MACOSX")) for part in name.parts)
    return not (leads_out or hidden or member.is_dir()) and name.suffix.lower() in (*SUFFIXES, ".csv")


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as file:
        target.write_bytes(bounded(file.read(LARGEST + 1), member.filename))


def _innermost(folder: Path) -> Path:
    """Past folders that hold one folder of folders, or of a csv, and nothing else: zips are often made around one."""
    inside = list(folder.iterdir())
    while len(inside) == 1 and inside[0].is_dir():
        below = list(inside[0].iterdir())
        if not any(entry.is_dir() or entry.suffix.lower() == ".csv" for entry in below):
            break
        folder, inside = inside[0], below
    return folder
