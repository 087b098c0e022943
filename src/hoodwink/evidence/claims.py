"""How each kind of claim is judged: one function and one row of KINDS for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hoodwink.data.load import load
from hoodwink.data.texts import TextSet, load_texts, only
from hoodwink.evidence.audits import Felled, holding
from hoodwink.evidence.checks import FAILS, HOLDS, UNKNOWN, Check, inside, value, wrong_answer
from hoodwink.evidence.judge import Verdict, judge
from hoodwink.evidence.sampled import sample_claim
from hoodwink.evidence.scores import MEASURES, score_of
from hoodwink.evidence.search_claims import search_claim
from hoodwink.evidence.text_claims import text_audit_claim, text_claim
from hoodwink.models.card import TextInput
from hoodwink.models.model import Model
from hoodwink.pictures.levels import NORMS, distances, radius
from hoodwink.pictures.read import Picture, read_picture
from hoodwink.pictures.write import encode_png
from hoodwink.runs import RunError, sha256_bytes

_FORMATS = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF"}
_ALIKE = 0.001  # accuracies, and the share of another score: what another machine's rounding may turn
_DISTANCES = {"l2": "L2", "linf": "largest change", "l1": "L1", "l0": "number of changed subpixels"}


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
    path, name = inside(directory, file), model.card.name
    if path is None:
        return Check("picture", file, name, UNKNOWN, f"{file} is not in the folder")
    try:
        verdict = judge(path, model, at_model_size=bool(values.get("at_model_size")))
        picture = read_picture(path, channels=model.card.picture.channels)
    except ValueError as error:
        return Check("picture", file, name, FAILS, str(error), ("file",))
    findings = {
        "file": _same_file(picture, values),
        "answer": _same_answer(verdict, values),
        "distances": _same_distances(picture, values, directory),
    }
    return _conclude(file, verdict, findings)


def audit_claim(file: str, values: Mapping[str, Any], directory: Path, model: Model) -> Check:
    """Judge that so many different pictures of a file, each in the ball of its case, get another label than their own.

    values: norm and eps of the claim's ball, cases (the audit's balls, in order), felled (how many pictures fell in this one), draws (how
    often the network is asked about each, 1 unless it answers at random). Pictures of smaller balls of the norm count too.
    """
    path, name = inside(directory, file), model.card.name
    cases, last, claimed, draws = _balls(values)
    if path is None:
        return Check("audit", file, name, UNKNOWN, f"{file} is not in the folder")
    try:
        found = _within(Felled.read(path), cases, last)
        faults = dict(zip(found.index.tolist(), holding(found, cases, model, draws=draws), strict=True))
    except ValueError as error:
        return Check("audit", file, name, FAILS, str(error), ("file",))
    wrong = {index: why for index, why in faults.items() if why}
    return _conclude_audit(file, name, claimed, len(faults), wrong)


def score_claim(file: str, values: Mapping[str, Any], directory: Path, model: Model) -> Check:
    """Judge that a network's score on a data set is the one claimed.

    values: set (as `data.load` or `load_texts` takes it), sha256 (of its content), and one of MEASURES, such as accuracy, in [0, 1]; only:
    of the texts those of this class.
    """
    name, spec = model.card.name, value(values, "set", str)
    measure = next((one for one in MEASURES if one in values), "accuracy")
    claimed = value(values, measure, (int, float))
    if claimed is None or spec is None:
        raise RunError(f"run.json: a claim of a score names its set and its {' or '.join(MEASURES)}; this one was changed by hand")
    texts = isinstance(model.card.input, TextInput)
    try:
        data = only(load_texts(spec), str(values.get("only") or "")) if texts else load(spec)
    except ValueError as error:
        return Check("score", file, name, UNKNOWN, str(error))
    what = "texts" if isinstance(data, TextSet) else "pictures"
    if data.sha256 != values.get("sha256"):
        return Check("score", file, name, UNKNOWN, f"{spec}: other {what} or labels than those of the record")
    try:
        found = score_of(measure, model, data)
    except ValueError as error:
        return Check("score", file, name, FAILS, str(error), ("answer",))
    holds = abs(found - claimed) <= _ALIKE * (1 if measure == "accuracy" else claimed)
    measured = {measure: found, what: len(data)}
    said = measure.replace("_", " ")
    why = f"{said} {found:.4f} on {len(data)} {what} of {spec}" + ("" if holds else f", {claimed:.4f} was claimed")
    return Check("score", file, name, HOLDS if holds else FAILS, why, () if holds else ("answer",), measured)


KINDS: dict[str, Callable[[str, Mapping[str, Any], Path, Model], Check]] = {
    "picture": picture_claim,
    "audit": audit_claim,
    "score": score_claim,
    "text": text_claim,
    "text-audit": text_audit_claim,
    "sample": sample_claim,
    "search": search_claim,
}

_OWN = ("its original is not rightly classified", "it gets its own label")  # what `holding` says of an answer, not of a distance
_SHOWN, _DRAWS = 5, 99  # pictures named; the most that a record may have a network asked about one


def _balls(values: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], int, int, int]:
    """The balls of a claim, which of them is its own, how many pictures it says fell there, and the draws."""
    cases, ball = values.get("cases"), {"norm": values.get("norm"), "eps": values.get("eps")}
    if not isinstance(cases, list) or not all(map(_is_ball, cases)) or ball not in cases:
        raise RunError("run.json: an audit's claim names its ball and its cases, each {norm, eps}; this one was changed by hand")
    claimed, draws = value(values, "felled", int), value(values, "draws", int)
    draws = 1 if draws is None else draws
    if claimed is None or claimed < 0 or not 1 <= draws <= _DRAWS:
        raise RunError(f"run.json: a claim's 'felled' should be a number from 0 and its 'draws' one from 1 to {_DRAWS}")
    return cases, cases.index(ball), claimed, draws


def _is_ball(case: object) -> bool:
    if not isinstance(case, dict) or set(case) != {"norm", "eps"} or case["norm"] not in NORMS:
        return False
    return isinstance(case["eps"], (int, float)) and not isinstance(case["eps"], bool) and case["eps"] >= 0


def _within(found: Felled, cases: list[Mapping[str, Any]], last: int) -> Felled:
    """The pictures that a ball and the smaller ones of its norm felled; ValueError for a file whose numbers cannot be."""
    if any(one.ndim != 1 or one.dtype.kind not in "iu" for one in (found.index, found.label, found.case)):
        raise ValueError("the file's indices, labels and cases should be whole numbers, one for each picture")
    if not all(0 <= case < len(cases) for case in found.case.tolist()):
        raise ValueError(f"the file names balls that the claim does not have, it has {len(cases)}")
    ball = cases[last]
    inner = [k for k, case in enumerate(cases[: last + 1]) if case["norm"] == ball["norm"] and case["eps"] <= ball["eps"]]
    rows = [k for k, case in enumerate(found.case.tolist()) if case in inner]
    if len(set(found.index[rows].tolist())) != len(rows):
        raise ValueError("the file has one picture more than once")
    pictures, originals = ([levels[k] for k in rows] for levels in (found.pictures, found.originals))
    return Felled(pictures, originals, found.index[rows], found.label[rows], found.case[rows])


def _conclude_audit(file: str, model: str, claimed: int, seen: int, wrong: Mapping[int, str]) -> Check:
    holding = seen - len(wrong)
    parts = {"answer" if why in _OWN else "distances" for why in wrong.values()} | ({"file"} if seen < claimed else set())
    named = [f"picture {index}: {why}" for index, why in list(wrong.items())[:_SHOWN]]
    named += [f"and {len(wrong) - _SHOWN} more"] * (len(wrong) > _SHOWN)
    named += [f"the file has only {seen} of this ball"] * (seen < claimed)
    return Check(
        kind="audit",
        file=file,
        model=model,
        status=FAILS if parts else HOLDS,
        why="; ".join([f"of {claimed} claimed picture{'' if claimed == 1 else 's'} {holding} hold{'s' if holding == 1 else ''}", *named]),
        wrong=tuple(sorted(parts)),
        measured={"pictures": seen, "holding": holding, "wrong": {str(index): why for index, why in wrong.items()}},
    )


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
    claimed = value(values, "sha256", str)
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
    asked, wrong = wrong_answer(verdict, values)
    measured = {"label": verdict.label, "class": verdict.names[verdict.classes.find(asked)], "confidence": verdict.confidence(asked)}
    return _Findings(wrong, measured=measured)


def _same_distances(picture: Picture, values: Mapping[str, Any], directory: Path) -> _Findings:
    name = value(values, "original", str)
    if name is None:
        return _Findings()
    path = inside(directory, name)
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
        claimed = value(values, key, (int, float))
        if claimed is not None and not math.isclose(measured[key], claimed, rel_tol=1e-6, abs_tol=1e-9):
            wrong.append(f"{word} from the original is {measured[key]:.6g}, {claimed:.6g} was claimed")
    return tuple(wrong)


def _outside(measured: Mapping[str, float], values: Mapping[str, Any]) -> tuple[str, ...]:
    eps, norm = value(values, "eps", (int, float)), value(values, "norm", str)
    if eps is None or norm is None:
        return ()
    reach = radius(eps, norm)
    # The sum of a ball that is filled to its face differs in its last bits from one numpy to the next.
    if measured[norm] <= reach * (1 + 1e-9):
        return ()
    return (f"outside the {norm} ball of {eps:g}: {_DISTANCES[norm]} is {measured[norm]:.6g}, {reach:.6g} is allowed",)
