"""The journal of an audit: append-only, a line a picture and stage, batch by batch; what it holds is never done again."""

from __future__ import annotations

import json
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.pictures.levels import Levels
from hoodwink.runs import write_atomic

JOURNAL, FOUND = "journal.jsonl", "found.bin"
Line = dict[str, Any]


class Journal:
    """Batches of lines, each written in one piece with its last line ("end"), and the pictures found, appended to a file beside it.

    Without a folder everything stays in memory. A batch that was cut short by a crash, or of which a line or a picture was lost or
    changed, is as if it had not been begun.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._batches: dict[str, list[Line]] = {}
        self._memory: list[bytes] = []  # pictures; of a folder those that are not yet on the disk
        self._end = 0
        if folder is not None and (folder / JOURNAL).is_file():
            self._read(folder / JOURNAL)

    def batch(self, key: str) -> list[Line] | None:
        """The lines of a finished batch, its last line too; None where it is still to be done."""
        return self._batches.get(key)

    def store(self, levels: Levels) -> int:
        """Keep a picture and return where it lies; it lasts from the next `write` on."""
        data, at = levels.tobytes(), self._end
        self._memory.append(data)
        self._end += 1 if self.folder is None else len(data)
        return at

    def fetch(self, at: int, shape: tuple[int, ...]) -> Levels:
        """The picture of a shape that lies there."""
        if self.folder is None:
            data = self._memory[at]
        else:
            with open(self.folder / FOUND, "rb") as file:
                file.seek(at)
                data = file.read(int(np.prod(shape)))
        return np.frombuffer(data, dtype=np.uint8).reshape(shape)

    def write(self, key: str, lines: list[Line], **end: Any) -> list[Line]:
        """Write a batch in one piece and return it with its last line; it is on the disk when this returns."""
        batch = [*lines, {"batch": key, "end": len(lines), "found": self._end, **end}]
        if self.folder is not None:
            found = b"".join(self._memory)
            if found:
                _append(self.folder / FOUND, found, self._end - len(found))
                self._memory.clear()
            # Floats travel as text that reads back to the same bits, so that a resumed plan decides as the first one did.
            data = b"".join(_line(line if "batch" in line else {"batch": key, **line}) for line in batch)
            with open(self.folder / JOURNAL, "ab", buffering=0) as file:
                file.write(data)
                os.fsync(file.fileno())
        self._batches[key] = batch
        return batch

    def _read(self, path: Path) -> None:
        """Read the whole batches, and take what else there is out of the file."""
        pending: list[Line] = []
        data, whole, start, at = path.read_bytes(), [], 0, 0
        stored = path.with_name(FOUND).stat().st_size if path.with_name(FOUND).is_file() else 0
        for raw in data.splitlines(keepends=True):
            at += len(raw)
            line = _parse(raw)
            if line is None or (pending and line["batch"] != pending[0]["batch"]):
                pending, start = [], at if line is None else at - len(raw)
            if line is None:
                continue
            pending.append(line)
            if "end" in line:
                there = line["found"] <= stored or not any("at" in one for one in pending)
                if line["end"] == len(pending) - 1 and there:
                    self._batches[line["batch"]] = pending
                    self._end = min(line["found"], stored)
                    whole.append(data[start:at])
                pending, start = [], at
        if sum(map(len, whole)) < len(data):
            write_atomic(path, b"".join(whole))


def _line(line: Line) -> bytes:
    """A line as text with its own checksum at the end."""
    text = json.dumps(line)
    return f'{text[:-1]}, "sum": {zlib.crc32(text.encode())}}}\n'.encode()


def _parse(raw: bytes) -> Line | None:
    """What `_line` made; None for anything else."""
    with suppress(ValueError):
        line = json.loads(raw)
        if isinstance(line, dict) and line.pop("sum", None) is not None and _line(line) == raw:
            return line
    return None


def _append(path: Path, data: bytes, at: int) -> None:
    """Write at a place: what a crash left behind it is overwritten."""
    with open(path, "r+b" if path.exists() else "w+b", buffering=0) as file:
        file.seek(at)
        file.write(data)
        file.truncate()
        os.fsync(file.fileno())
