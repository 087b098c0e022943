"""How a claim about a text is judged: its file, its answer, its distance from the original, and that fewer changes do not do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hoodwink.evidence.checks import FAILS, HOLDS, UNKNOWN, Check, inside, value, wrong_answer
from hoodwink.evidence.judge import judge
from hoodwink.evidence.text_audits import faults, unpack
from hoodwink.evidence.wording import changes_in_words
from hoodwink.models.changes import Changer, Changes
from hoodwink.models.model import Model
from hoodwink.runs import RunError
from hoodwink.texts.read import Text, TextError, read_text

AGAIN = 500_000  # texts that are asked again at most, to prove that fewer changes do not do
_BATCH = 1024
_SHOWN = 5  # texts named
_SLACK = 0.01  # logits and shares: nearer to fooling than this, another machine's rounding decides


def text_claim(file: str, values: Mapping[str, Any], directory: Path, model: Model) -> Check:
    """Judge that a text is the file claimed, gets its label, and has so many changes, and that all texts nearer do not fool.

    values: sha256, label, not, target, confidence as a picture's; original, count, changes (see `Changes`), proven: no text with so many
    changes or fewer fools.
    """
    path, name = inside(directory, file), model.card.name
    if path is None:
        return Check("text", file, name, UNKNOWN, f"{file} is not in the folder")
    try:
        text = read_text(path)
        verdict = judge(text, model)
    except ValueError as error:
        return Check("text", file, name, FAILS, str(error), ("file",))
    original = inside(directory, str(values.get("original")))
    counted = count_again(text, original, values, model)
    wrong = {"file": _other_file(text, values), "answer": wrong_answer(verdict, values)[1], "distances": counted.wrong}
    reasons = [reason for found in wrong.values() for reason in found]
    label, share = verdict.top(1)[0]
    unit = (values.get("changes") or {}).get("unit", "letters")
    many = "" if counted.count is None or counted.wrong else f"; {changes_in_words(counted.count, unit)} changed"
    least = f", no fewer than {values['proven'] + 1} do" if many and values["proven"] > 0 and not counted.missing else ""
    return Check(
        kind="text",
        file=file,
        model=name,
        status=FAILS if reasons else UNKNOWN if counted.missing else HOLDS,
        why="; ".join([*reasons, *counted.missing, f"read as {label} with confidence {share:.4f}{many}{least}"]),
        wrong=tuple(part for part, found in wrong.items() if found),
        measured={"label": label, "confidence": share, "count": counted.count},
    )


def text_audit_claim(file: str, values: Mapping[str, Any], directory: Path, model: Model) -> Check:
    """Judge that so many different texts of a file get another label than their own with as many changes as each claims.

    values: sha256 of the file, changes (see `Changes`), most: changes at most, fallen: how many texts.
    """
    path, name = inside(directory, file), model.card.name
    if path is None:
        return Check("text-audit", file, name, UNKNOWN, f"{file} is not in the folder")
    claimed, most = value(values, "fallen", int), value(values, "most", int)
    try:
        changes = Changes.from_json(values["changes"])
    except (KeyError, TypeError) as error:
        raise RunError(f"run.json: the changes of a claim were altered by hand ({type(error).__name__}: {error})") from error
    if claimed is None or most is None:
        raise RunError("run.json: an audit's claim says how many texts fell and how many changes are allowed; this one was changed by hand")
    try:
        fallen = unpack(path)
        wrong = faults(fallen, changes, most, model)
    except ValueError as error:
        return Check("text-audit", file, name, FAILS, str(error), ("file",))
    different = len({one.index for one in fallen})
    parts = (("file",) if different < claimed else ()) + (("answer",) if wrong else ())
    named = [f"text {index}: {why}" for index, why in list(wrong.items())[:_SHOWN]] + [f"the file has only {different}"] * (
        different < claimed
    )
    why = "; ".join([f"of {claimed} claimed texts {different - len(wrong)} hold", *named])
    return Check("text-audit", file, name, FAILS if parts else HOLDS, why, parts, {"texts": different, "holding": different - len(wrong)})


def _other_file(text: Text, values: Mapping[str, Any]) -> tuple[str, ...]:
    claimed = value(values, "sha256", str)
    if claimed in (None, text.sha256):
        return ()
    return (f"another file: its SHA-256 is {text.sha256[:12]}..., {claimed[:12]}... was claimed",)


@dataclass(frozen=True)
class Counted:
    """What came of counting changes again: what is wrong, what cannot be checked, and how many there are."""

    wrong: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    count: int | None = None


def count_again(text: Text, original: Path | None, values: Mapping[str, Any], model: Model) -> Counted:
    """Judge the number of changes that is claimed, and that no fewer do it, by asking about all texts that are so near."""
    if values.get("count") is None:
        return Counted()
    if original is None:
        return Counted(missing=(f"{values.get('original')} is not in the folder, so the changes cannot be counted",))
    try:
        changes, proven = Changes.from_json(values["changes"]), int(values["proven"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"run.json: the changes of a claim were altered by hand ({type(error).__name__}: {error})") from error
    try:
        first = read_text(original).content
        count = changes.count_of(first, text.content)
    except TextError as error:
        return Counted(wrong=(str(error),))
    if count != values["count"]:
        return Counted(wrong=(f"{count} {changes.unit} differ, {values['count']} were claimed",), count=count)
    if proven < 1:
        return Counted(count=count)
    nearer = _nearer(Changer(model, changes).of(first), proven)
    if nearer is None:
        why = f"more than {AGAIN:,} texts have {proven} {changes.unit} changed or fewer: that none of them fools was not checked again"
        return Counted(missing=(why,), count=count)
    found = _first_that_fools(nearer, model, values)
    if found is not None:
        return Counted(wrong=(f"{found!r} fools, too, and has at most {proven} {changes.unit} changed",), count=count)
    return Counted(count=count)


def _nearer(space: Any, most: int) -> list[str] | None:
    """All texts that are at most so many changes away; None where they are too many."""
    level, seen = {space.start}, {space.start}
    for _ in range(most):
        level = {further for item in level for further in space.further(item)} - seen
        seen |= level
        if len(seen) > AGAIN:
            return None
    return [space.text(item) for item in sorted(seen - {space.start})]


def _first_that_fools(texts: Sequence[str], model: Model, values: Mapping[str, Any]) -> str | None:
    for start in range(0, len(texts), _BATCH):
        part = texts[start : start + _BATCH]
        with torch.no_grad():
            logits = model.outputs(model.encode_all(part)).double().cpu()
        fools = _fools(logits, model, values)
        if bool(fools.any()):
            return part[int(fools.int().argmax())]
    return None


def _fools(logits: Tensor, model: Model, values: Mapping[str, Any]) -> Tensor:
    """Which of N x K logits do what the claim says, by more than the slack."""
    about = torch.tensor(model.find(values.get("target") or values["not"]))
    others = logits.index_fill(1, about, -torch.inf)
    lead, best = logits[:, about] - others.amax(1), others.argmax(1)
    share = logits.softmax(1)
    if values.get("target"):
        mine = share[:, about]
    else:
        lead, mine = -lead, share.gather(1, best[:, None])[:, 0]
    return (lead > _SLACK) & (mine > (values.get("confidence") or -1.0) + _SLACK)
