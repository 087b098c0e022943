"""The journal of an audit: append-only, a line a picture and stage, batch by batch; what it holds is never done again."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.pictures.levels import Levels

JOURNAL, FOUND = "journal.jsonl", "found.bin"
Line = dict[str, Any]


class Journal:
    """Batches of lines, each written in one piece with its last line ("end"), and the pictures found, appended to a file beside it.

    Without a folder everything stays in memory. A batch that was cut short by a crash is as if it had not been begun.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._batches: dict[str, list[Line]] = {}
        self._memory: list[bytes] = []
        self._end = 0
        if folder is not None and (folder / JOURNAL).is_file():
            self._read(folder / JOURNAL)

    def batch(self, key: str) -> list[Line] | None:
        """The lines of a finished batch, its last line too; None where it is still to be done."""
        return self._batches.get(key)

    def store(self, levels: Levels) -> int:
        """Keep a picture and return where it lies; it lasts from the next `write` on."""
        data, at = levels.tobytes(), self._end
        if self.folder is None:
            self._memory.append(data)
            self._end += 1
            return at
        _append(self.folder / FOUND, data, at)
        self._end += len(data)
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
            # Floats travel as text that reads back to the same bits, so that a resumed plan decides as the first one did.
            data = "".join(json.dumps(line if "batch" in line else {"batch": key, **line}, allow_nan=False) + "\n" for line in batch)
            with open(self.folder / JOURNAL, "ab", buffering=0) as file:
                file.write(data.encode())
                os.fsync(file.fileno())
        self._batches[key] = batch
        return batch

    def _read(self, path: Path) -> None:
        """Read the finished batches, and cut off what follows the last of them."""
        pending: list[Line] = []
        kept = at = 0
        for raw in path.read_bytes().splitlines(keepends=True):
            at += len(raw)
            line = _parse(raw)
            if line is None or (pending and line.get("batch") != pending[0].get("batch")):
                pending = []
            if line is None:
                continue
            pending.append(line)
            if "end" in line:
                if line["end"] == len(pending) - 1:
                    self._batches[line["batch"]] = pending
                    self._end, kept = line["found"], at
                pending = []
        with open(path, "r+b") as file:
            file.truncate(kept)


def _parse(raw: bytes) -> Line | None:
    if not raw.endswith(b"\n"):
        return None
    with suppress(ValueError):
        line = json.loads(raw)
        if isinstance(line, dict):
            return line
    return None


def _append(path: Path, data: bytes, at: int) -> None:
    """Write at a place: what a crash left behind it is overwritten."""
    with open(path, "r+b" if path.exists() else "w+b", buffering=0) as file:
        file.seek(at)
        file.write(data)
        file.truncate()
        os.fsync(file.fileno())
