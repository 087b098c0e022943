"""Run folders: run.json first, events while it runs, manifest.json last; every file is written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path, PurePath
from typing import Any

OWN = RECORD, EVENTS, MANIFEST = "run.json", "events.jsonl", "manifest.json"
_CARD = "card.json"  # what makes a folder a model, as models.model has it, which imports torch


class RunError(ValueError):
    """A run folder, or a file of it, that cannot be used; the message is one line and starts with its name."""


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write a file whole or not at all.

    The bytes go to a temporary file in the same folder, to the disk, then under the name asked for; whatever interrupts that
    (a full disk, Ctrl-C) leaves what was there before and no temporary file. Raises OSError, which names `path`.
    """
    path = Path(path)
    temporary = path.parent / f".hoodwink-{secrets.token_hex(8)}.tmp"
    try:
        _write_through(temporary, data)
        os.replace(temporary, path)
    except BaseException as error:  # KeyboardInterrupt too must not leave the temporary file
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    _sync_folder(path.parent)


def write_json(path: str | Path, value: object) -> None:
    """Write JSON, indented, atomically; NaN and infinities, which JSON lacks, are a ValueError."""
    write_atomic(path, _json_bytes(value))


def as_json(value: object) -> Any:
    """A value as it is read back from JSON: tuples are lists, and keys are texts."""
    return json.loads(json.dumps(value))


def read_json(path: str | Path) -> Any:
    """Return what a JSON file holds; RunError names the file if it cannot be read or is not JSON."""
    path = Path(path)
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise RunError(f"{one_line(path)}: cannot be read: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{one_line(path)}: not JSON: {one_line(error)}") from error


def sha256_file(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_bytes(data: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def one_line(text: object) -> str:
    """Text in one line that can be printed: line ends, control and invisible characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def reason(error: OSError) -> str:
    """Why a file could not be had, in a few words ("no such file or directory")."""
    words = error.strerror or str(error)
    return one_line(words[:1].lower() + words[1:])


def check_free(directory: str | Path, *, force: bool = False) -> None:
    """Raise RunError unless a folder is absent or empty, as a new run wants it; force: whatever it holds."""
    directory = Path(directory)
    if not directory.is_dir():
        if directory.exists():
            raise RunError(f"{one_line(directory)}: a folder was wanted, this is a file: name another")
    elif not force and any(directory.iterdir()):
        raise RunError(
            f"{one_line(directory)}: an empty folder was wanted, this one is not: name another, or type --force to replace its run"
        )


def spare_models(directory: str | Path, specs: Iterable[str | None]) -> None:
    """Raise RunError where a folder that is to be written is, or holds, one of these networks: it would be lost."""
    there = Path(directory).resolve()
    for spec in filter(None, specs):  # one in hand has none; a run's folder may be called like a packaged network
        lies = os.path.isfile(spec) or os.path.isfile(os.path.join(spec, _CARD))
        if lies and Path(spec).resolve().is_relative_to(there):
            raise RunError(f"{one_line(directory)}: the model of this run lies there: name another folder")


class Run:
    """A folder that holds one run: its record, events, files and, once it is finished, the SHA-256 of each of them."""

    def __init__(self, directory: str | Path, record: dict[str, Any]) -> None:
        self.directory = Path(directory)
        self.record = record

    @classmethod
    def create(cls, directory: str | Path, record: dict[str, Any], *, force: bool = False) -> Run:
        """Start a run in a new or empty folder.

        force: also in a folder that is not empty; the files of the run that was there are removed, and no others.
        Raises RunError for a folder that cannot be had, or that holds a network of the record.
        """
        directory = Path(directory)
        data = _json_bytes(record)
        spare_models(directory, (model.get("spec") for model in record.get("models", ())))
        try:
            check_free(directory, force=force)
            directory.mkdir(parents=True, exist_ok=True)
            _remove_run(directory)
            write_atomic(directory / RECORD, data)
        except OSError as error:
            raise RunError(f"{one_line(directory)}: no run can be written there: {reason(error)}") from error
        return cls(directory, json.loads(data))

    @classmethod
    def open(cls, directory: str | Path) -> Run:
        """Open the run in a folder, finished or not; RunError if there is none."""
        directory = Path(directory)
        if not (directory / RECORD).is_file():
            raise RunError(f"{one_line(directory)}: a run folder was wanted, this has no {RECORD}: name the folder that a run wrote")
        record = read_json(directory / RECORD)
        if not isinstance(record, dict):
            raise RunError(f"{one_line(directory / RECORD)}: an object was wanted, it holds {type(record).__name__}")
        return cls(directory, record)

    @property
    def finished(self) -> bool:
        """Whether the run ended: its manifest is there."""
        return (self.directory / MANIFEST).is_file()

    def event(self, **fields: Any) -> None:
        """Append one line of JSON to events.jsonl; the field "wrote" is the run's own."""
        self._must_be_open()
        line = json.dumps(fields, allow_nan=False).encode() + b"\n"
        with open(self.directory / EVENTS, "a+b", buffering=0) as file:
            _write_all(file.fileno(), line if _ends_whole(file) else b"\n" + line)

    def write(self, name: str, data: bytes) -> Path:
        """Write a file of the run atomically and return its path; name: relative to the folder, parts joined by "/"."""
        self._must_be_open()
        path = _inside(self.directory, name)
        if path is None or name in OWN:
            raise RunError(f"{one_line(self.directory)}: a name inside the folder was wanted, other than {', '.join(OWN)}; not {name!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
        # Said after it is done: a name in the events is a file of ours, which a later --force may remove.
        self.event(wrote=name)
        return path

    def update(self, **fields: Any) -> None:
        """Set fields of the record and rewrite run.json atomically."""
        self._must_be_open()
        data = _json_bytes({**self.record, **fields})
        write_atomic(self.directory / RECORD, data)
        self.record = json.loads(data)

    def finish(self) -> None:
        """Write manifest.json, the SHA-256 of each file of the run, last and atomically; nothing can be written after it."""
        self._must_be_open()
        names = [RECORD, EVENTS, *sorted(_written(self.directory))]
        paths = {name: _inside(self.directory, name) for name in names}
        files = {name: sha256_file(path) for name, path in paths.items() if path is not None and path.is_file()}
        write_json(self.directory / MANIFEST, {"files": files})

    def check(self) -> list[str]:
        """The names in the manifest whose files are missing or have changed; RunError if the run is unfinished."""
        if not self.finished:
            raise RunError(f"{one_line(self.directory)}: a finished run was wanted, this has no {MANIFEST}")
        files = _manifest(self.directory)
        return [name for name, digest in files.items() if not self._matches(name, digest)]

    def _matches(self, name: str, digest: object) -> bool:
        path = _inside(self.directory, name)
        try:
            return path is not None and path.is_file() and sha256_file(path) == digest
        except OSError:
            return False

    def _must_be_open(self) -> None:
        if self.finished:
            raise RunError(f"{one_line(self.directory)}: this run is finished and stays as it is: write to another folder")


def _json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def _write_through(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _ends_whole(file: FileIO) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _sync_folder(folder: Path) -> None:
    # Makes the new name last through a power cut; not every system and file system can open a folder for that.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _inside(directory: Path, name: str) -> Path | None:
    """The path of a name in a run folder; None if it would lead out of the folder."""
    parts = PurePath(name)
    if not parts.parts or parts.is_absolute() or ".." in parts.parts or "\0" in name:
        return None
    path = directory / parts
    return path if path.parent.resolve().is_relative_to(directory.resolve()) else None


def _written(directory: Path) -> set[str]:
    """The names that the events say were written; lines that were cut short are skipped."""
    return {event["wrote"] for event in _events(directory) if isinstance(event, dict) and isinstance(event.get("wrote"), str)}


def _events(directory: Path) -> Iterator[Any]:
    try:
        lines = (directory / EVENTS).read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        with suppress(ValueError, RecursionError):
            yield json.loads(line)


def _manifest(directory: Path) -> dict[str, Any]:
    found = read_json(directory / MANIFEST)
    files = found.get("files") if isinstance(found, dict) else None
    if not isinstance(files, dict):
        raise RunError(f'{one_line(directory / MANIFEST)}: {{"files": {{name: SHA-256}}}} was wanted, it holds something else')
    return files


def _remove_run(directory: Path) -> None:
    """Remove the files of the run that a folder holds; the manifest first, so that a half-removed run is an unfinished one."""
    names = _written(directory)
    with suppress(RunError):
        names |= _manifest(directory).keys()
    for name in (MANIFEST, *sorted(names.difference(OWN)), EVENTS, RECORD):
        path = _inside(directory, name)
        if path is not None and (path.is_file() or path.is_symlink()):
            path.unlink()
