"""How each kind of claim is judged: one function and one row of KINDS for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hoodwink.evidence.judge import Verdict, judge
from hoodwink.models.model import Model
from hoodwink.pictures.levels import distances, radius
from hoodwink.pictures.read import Picture, read_picture
from hoodwink.pictures.write import encode_png
from hoodwink.runs import RunError, sha256_bytes

Status = Literal["holds", "does not hold", "cannot be checked"]
HOLDS: Status = "holds"
FAILS: Status = "does not hold"
UNKNOWN: Status = "cannot be checked"

_FORMATS = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF"}
_DISTANCES = {"l2": "L2", "linf": "largest change", "l1": "L1", "l0": "number of changed subpixels"}


@dataclass(frozen=True)
class Check:
    """What came of one claim: its status, why, the parts of it that are wrong, and what was measured anew (JSON values).

    wrong: of a picture's claim any of "file", "answer" and "distances".
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


@dataclass(frozen=True)
class _Findings:
    """What speaks against a claim: what is wrong (it does not hold), what is missing (it cannot be checked); and what was measured."""

    wrong: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)


def check_claim(claim: Mapping[str, Any], directory: Path, model: Model) -> Check:
    """Judge one claim of a run.json ({kind, file, model, values}) from the files in its run folder."""
    kind, file = str(claim.get("kind")), str(claim.get("file"))
    if kind not in KINDS:
        why = f"this version judges claims of the kind {', '.join(KINDS)}, not '{kind}': a newer hoodwink may know it"
        return Check(kind, file, model.card.name, UNKNOWN, why)
    return KINDS[kind](file, claim.get("values", {}), directory, model)


def picture_claim(file: str, values: Mapping[str, Any], directory: Path, model: Model) -> Check:
    """Judge that a picture is the file claimed, gets its label and confidence, and keeps its distances from the original.

    A value that is absent or null is not claimed. Files outside the run folder are not opened.
    """
    path, name = _inside(directory, file), model.card.name
    if path is None:
        return Check("picture", file, name, UNKNOWN, f"{file} is not in the folder")
    try:
        verdict = judge(path, model, at_model_size=bool(values.get("at_model_size")))
        picture = read_picture(path, channels=model.card.input.channels)
    except ValueError as error:
        return Check("picture", file, name, FAILS, str(error), ("file",))
    findings = {
        "file": _same_file(picture, values),
        "answer": _same_answer(verdict, values),
        "distances": _same_distances(picture, values, directory),
    }
    return _conclude(file, verdict, findings)


KINDS: dict[str, Callable[[str, Mapping[str, Any], Path, Model], Check]] = {"picture": picture_claim}


def _conclude(file: str, verdict: Verdict, findings: Mapping[str, _Findings]) -> Check:
    measured = {key: value for found in findings.values() for key, value in found.measured.items()}
    wrong = [text for found in findings.values() for text in found.wrong]
    missing = [text for found in findings.values() for text in found.missing]
    distance = f"; L2 {measured['l2']:.4g}, largest change {measured['linf']} levels" if "l2" in measured and not wrong else ""
    return Check(
        kind="picture",
        file=file,
        model=verdict.model,
        status=FAILS if wrong else UNKNOWN if missing else HOLDS,
        why="; ".join([*wrong, *missing, f"read as {_answer(verdict, measured)}{distance}"]),
        wrong=tuple(part for part, found in findings.items() if found.wrong),
        measured=measured,
    )


def _answer(verdict: Verdict, measured: Mapping[str, Any]) -> str:
    label, best = verdict.top(1)[0]
    asked = measured.get("class", label)
    other = "" if asked == label else f" ({asked}: {measured['confidence']:.4f})"
    return f"{label} with confidence {best:.4f}{other}"


def _same_file(picture: Picture, values: Mapping[str, Any]) -> _Findings:
    claimed = _value(values, "sha256", str)
    measured = {"sha256": picture.sha256, "format": picture.format}
    if claimed is None or claimed == picture.sha256:
        return _Findings(measured=measured)
    suffix = picture.path.suffix.lower() if picture.path else ""
    if picture.format != _FORMATS.get(suffix, picture.format):
        why = f"another file: re-saved as {picture.format}"
    elif sha256_bytes(encode_png(picture.levels)) == claimed:
        why = "another file with the same pixels (its metadata or compression changed)"
    else:
        why = f"another file: its SHA-256 is {picture.sha256[:12]}..., {claimed[:12]}... was claimed"
    return _Findings(wrong=(why,), measured=measured)


def _same_answer(verdict: Verdict, values: Mapping[str, Any]) -> _Findings:
    target, label, forbidden = (_value(values, key, str) for key in ("target", "label", "not"))
    asked = target or label or verdict.label
    confidence, threshold = verdict.confidence(asked), _value(values, "confidence", (int, float))
    wrong = []
    if label is not None and verdict.label != label:
        wrong.append(f"'{label}' was claimed")
    if forbidden is not None and verdict.label_index == verdict.classes.find(forbidden):
        wrong.append(f"it still gets the label '{verdict.label}'")
    if threshold is not None and confidence < threshold:
        wrong.append(f"{asked} has confidence {confidence:.4f}, at least {threshold:g} was claimed")
    measured = {"label": verdict.label, "class": verdict.names[verdict.classes.find(asked)], "confidence": confidence}
    return _Findings(tuple(wrong), measured=measured)


def _same_distances(picture: Picture, values: Mapping[str, Any], directory: Path) -> _Findings:
    name = _value(values, "original", str)
    if name is None:
        return _Findings()
    path = _inside(directory, name)
    if path is None:
        return _Findings(missing=(f"{name} is not in the folder, so the distances cannot be measured",))
    try:
        original = read_picture(path, channels=picture.channels)
    except ValueError as error:
        return _Findings(missing=(f"the distances cannot be measured: {error}",))
    if original.levels.shape != picture.levels.shape:
        sizes = f"{picture.height} x {picture.width}, {name} has {original.height} x {original.width}"
        return _Findings(wrong=(f"re-sized: it has {sizes} pixels",))
    found = distances(original.levels, picture.levels)
    measured = {key: getattr(found, key) for key in _DISTANCES}
    return _Findings(_moved(measured, values) + _outside(measured, values), measured=measured)


def _moved(measured: Mapping[str, float], values: Mapping[str, Any]) -> tuple[str, ...]:
    wrong = []
    for key, word in _DISTANCES.items():
        claimed = _value(values, key, (int, float))
        if claimed is not None and not math.isclose(measured[key], claimed, rel_tol=1e-6, abs_tol=1e-9):
            wrong.append(f"{word} from the original is {measured[key]:.6g}, {claimed:.6g} was claimed")
    return tuple(wrong)


def _outside(measured: Mapping[str, float], values: Mapping[str, Any]) -> tuple[str, ...]:
    eps, norm = _value(values, "eps", (int, float)), _value(values, "norm", str)
    if eps is None or norm is None:
        return ()
    reach = radius(eps, norm)
    # The sum of a ball that is filled to its face differs in its last bits from one numpy to the next.
    if measured[norm] <= reach * (1 + 1e-9):
        return ()
    return (f"outside the {norm} ball of {eps:g}: {_DISTANCES[norm]} is {measured[norm]:.6g}, {reach:.6g} is allowed",)


def _inside(directory: Path, name: str) -> Path | None:
    """The file of that name in the folder, None where it is absent or lies elsewhere: a foreign run.json must not open other files."""
    path = directory / name
    return path if path.is_file() and path.resolve().is_relative_to(directory.resolve()) else None


def _value(values: Mapping[str, Any], key: str, kinds: type | tuple[type, ...]) -> Any:
    value = values.get(key)
    if value is None or (isinstance(value, kinds) and not isinstance(value, bool)):
        return value
    raise RunError(f"run.json: a claim's '{key}' should be {'text' if kinds is str else 'a number'}, it is {value!r}")
