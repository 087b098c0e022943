"""What comes of judging a claim, and how a claim's files and values are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hoodwink.runs import RunError

Status = Literal["holds", "does not hold", "cannot be checked"]
HOLDS: Status = "holds"
FAILS: Status = "does not hold"
UNKNOWN: Status = "cannot be checked"


@dataclass(frozen=True)
class Check:
    """What came of one claim: its status, why, the parts of it that are wrong, and what was measured anew (JSON values).

    wrong: any of "file", "answer" and "distances".
    """

    kind: str
    file: str
    model: str
    status: Status
    why: str
    wrong: tuple[str, ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The check as JSON values."""
        record = {"kind": self.kind, "file": self.file, "model": self.model, "status": self.status, "why": self.why}
        return {**record, "wrong": list(self.wrong), "measured": dict(self.measured)}


def inside(directory: Path, name: str) -> Path | None:
    """The file of that name in the folder, None where it is absent or lies elsewhere: a foreign run.json must not open other files."""
    path = directory / name
    return path if path.is_file() and path.resolve().is_relative_to(directory.resolve()) else None


def value(values: Mapping[str, Any], key: str, kinds: type | tuple[type, ...]) -> Any:
    """A claim's value of these kinds, None where it is not claimed; RunError for another."""
    found = values.get(key)
    if found is None or (isinstance(found, kinds) and not isinstance(found, bool)):
        return found
    raise RunError(f"run.json: a claim's '{key}' should be {'text' if kinds is str else 'a number'}, it is {found!r}")
