"""What comes of judging a claim, and how a claim's files and values are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hoodwink.evidence.judge import Verdict
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


def wrong_answer(verdict: Verdict, values: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The class that a claim is about, and what is wrong with the network's answer: its label, one that it must not have, its confidence."""
    target, label, forbidden = (value(values, key, str) for key in ("target", "label", "not"))
    asked = target or label or verdict.label
    confidence, threshold = verdict.confidence(asked), value(values, "confidence", (int, float))
    wrong = []
    if label is not None and verdict.label != label:
        wrong.append(f"'{label}' was claimed")
    if forbidden is not None and verdict.label_index == verdict.classes.find(forbidden):
        wrong.append(f"it still gets the label '{verdict.label}'")
    if threshold is not None and confidence < threshold:
        wrong.append(f"{asked} has confidence {confidence:.4f}, at least {threshold:g} was claimed")
    return asked, tuple(wrong)
