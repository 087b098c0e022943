"""An audit of a network that reads texts: of these, how many can be fooled with so many changes?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoodwink.auditing.naming import match_labels
from hoodwink.auditing.records import AuditError
from hoodwink.data.texts import TextSet
from hoodwink.evidence.record import first_record
from hoodwink.evidence.reworded import EXACT
from hoodwink.evidence.text_audits import FOOLED, Fallen, pack, text_audit_html
from hoodwink.models.changes import Changer, Changes
from hoodwink.models.model import Model
from hoodwink.rewording import fool_text
from hoodwink.runs import EVENTS, Run, RunError, as_json, one_line, sha256_bytes
from hoodwink.texts.edits import KINDS
from hoodwink.texts.read import make_text


@dataclass(frozen=True)
class TextSettings:
    """What is asked. changes: at most; kinds: what may stand for a word; method: how is searched; queries: texts asked to prove a text."""

    changes: int = 1
    kinds: tuple[str, ...] = KINDS
    method: str = "fewest"
    queries: int = EXACT
    seed: int = 0

    def __post_init__(self) -> None:
        if self.changes < 1 or self.queries < 1:
            raise AuditError(f"changes and queries: 1 or more were wanted, not {self.changes} and {self.queries}")

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return {**self.__dict__, "kinds": list(self.kinds)}


@dataclass(frozen=True)
class Seen:
    """What came of one text.

    label: its own; right: the network knew it. fooled: a text that gets another label, None where none was found; count: its changes;
    proven: none with so many changes or fewer fools. size: its letters or words.
    """

    index: int
    label: int
    right: bool
    size: int
    fooled: str | None = None
    after: str = ""
    count: int = 0
    proven: int = 0
    queries: int = 0
    found_after: int | None = None
    gradients: int = 0
    seconds: float = 0.0

    def stands(self, changes: int) -> bool:
        """Whether no text with so many changes was found that fools."""
        return self.right and (self.fooled is None or self.count > changes)

    def surely(self, changes: int) -> bool:
        """Whether it is proven that none there is."""
        return self.right and self.proven >= changes


def audit_texts(
    model: Model,
    data: TextSet,
    *,
    settings: TextSettings | None = None,
    out: str | Path,
    resume: bool = False,
    force: bool = False,
    arguments: Sequence[str] = (),
    watch: Callable[[int, int], None] | None = None,
) -> Run:
    """Search, for each text that a network reads rightly, the fewest changes that make it read another label, and keep all as a run folder.

    The result in the record: accuracy under 0, 1, ... changes (exact where every text's answer is proven), and TextAttack's figures (Morris
    2020, arXiv:2005.05909). resume: go on with the run that is there. watch: is told how many texts of how many are done. Raises AuditError,
    ModelError, DataError, RunError.
    """
    settings = settings or TextSettings()
    model.card.need("classify")
    labels = match_labels(data.labels, data.classes, model.classes)
    if labels is None:
        raise AuditError(f"{data.name}: texts with labels were wanted, these have none; name a csv with the columns text and label")
    changer = Changer(model, Changes.of(model, settings.kinds))
    record = _record(model, data, settings, arguments)
    run = _resumed(Path(out), record) if resume else Run.create(out, record, force=force)
    if run.finished:
        return run
    done = _done(run)
    for index, text in enumerate(data.texts):
        if index not in done:
            done[index] = attack_one(model, changer, index, text, int(labels[index]), settings)
            run.event(text=done[index].__dict__)
        if watch is not None:
            watch(len(done), len(data))
    _finish(run, model, data, [done[index] for index in range(len(data))], settings)
    return run


def attack_one(model: Model, changer: Changer, index: int, text: str, label: int, settings: TextSettings) -> Seen:
    """Fool one text, if the network reads it rightly. changer: made once for many texts."""
    if changer.changes.unit == "letters" and not model.card.reader.read(text):
        return Seen(index, label, False, 0)
    found = fool_text(
        make_text(text),
        model=model,
        most=settings.changes,
        kinds=settings.kinds,
        method=settings.method,
        queries=settings.queries,
        seed=settings.seed,
        changer=changer,
    )
    size = len(text.strip()) if found.changes.unit == "letters" else len(text.split())
    if found.before.label_index != label:
        return Seen(index, label, False, size)
    return Seen(
        index,
        label,
        True,
        size,
        fooled=found.text if found.fooled else None,
        after=found.after.label if found.fooled else "",
        count=found.count if found.fooled else 0,
        proven=max(found.proven, 0),
        queries=found.queries,
        found_after=found.found_after,
        gradients=found.gradients,
        seconds=round(found.seconds, 4),
    )


def table(seen: Sequence[Seen], changes: int) -> list[dict[str, Any]]:
    """For 0, 1, ... changes: how many stand, and how many of them surely."""
    rows = []
    for count in range(changes + 1):
        standing, sure = sum(one.stands(count) for one in seen), sum(one.surely(count) for one in seen)
        rows.append({"changes": count, "standing": standing, "proven": sure, "all": len(seen), "accuracy": standing / len(seen)})
    return rows


def figures(seen: Sequence[Seen]) -> dict[str, float]:
    """TextAttack's figures: of texts read rightly the share fooled, changed share of those fooled, queries of all attacked."""
    attacked = [one for one in seen if one.right]
    fooled = [one for one in attacked if one.fooled is not None]
    return {
        "original_accuracy": len(attacked) / len(seen),
        "accuracy_under_attack": (len(attacked) - len(fooled)) / len(seen),
        "success_rate": len(fooled) / max(len(attacked), 1),
        "changed_share": sum(one.count / one.size for one in fooled) / max(len(fooled), 1),
        "changed": sum(one.count for one in fooled) / max(len(fooled), 1),
        "queries": sum(one.queries for one in attacked) / max(len(attacked), 1),
        "gradients": sum(one.gradients for one in attacked) / max(len(attacked), 1),
    }


def _record(model: Model, data: TextSet, settings: TextSettings, arguments: Sequence[str]) -> dict[str, Any]:
    first = first_record("audit", settings.to_json(), (model,), arguments, settings.seed)
    changes = Changes.of(model, settings.kinds).to_json()
    about = {"name": data.name, "split": data.split, "sha256": data.sha256, "texts": len(data)}
    return {**first, "inputs": [about], "changes": changes}


def _resumed(out: Path, wanted: Mapping[str, Any]) -> Run:
    """The run that is there, if it is this very audit."""
    run = Run.open(out)
    same = as_json({key: wanted[key] for key in ("command", "settings", "inputs", "changes")})
    weights = [[one["weights_sha256"] for one in record.get("models", [])] for record in (run.record, wanted)]
    if any(run.record.get(key) != value for key, value in same.items()) or weights[0] != weights[1]:
        raise RunError(f"{one_line(out)}: holds another run, or one of other settings; name another --out, or type --force to replace it")
    return run


def _done(run: Run) -> dict[int, Seen]:
    """The texts that are finished, by index; a line that was cut short counts as not there."""
    found: dict[int, Seen] = {}
    path = run.directory / EVENTS
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if "text" in event:
            found[event["text"]["index"]] = Seen(**event["text"])
    return found


def _finish(run: Run, model: Model, data: TextSet, seen: list[Seen], settings: TextSettings) -> None:
    names = model.classes.names
    fallen = [
        Fallen(one.index, data.texts[one.index], names[one.label], one.fooled, one.after, one.count)
        for one in seen
        if one.fooled is not None
    ]
    packed = pack(fallen)
    run.write(FOOLED, packed)
    by_class = [
        {
            "class": name,
            "texts": sum(one.label == k for one in seen),
            "table": table([one for one in seen if one.label == k], settings.changes),
        }
        for k, name in enumerate(names)
        if any(one.label == k for one in seen)
    ]
    rows = table(seen, settings.changes)
    standing = {str(row["changes"]): row["all"] - row["standing"] for row in rows}
    values = {
        "sha256": sha256_bytes(packed),
        "changes": run.record["changes"],
        "most": settings.changes,
        "fallen": len(fallen),
        "not": standing,
    }
    spent = {"seconds": round(sum(one.seconds for one in seen), 2), "longest": max((one.queries for one in seen), default=0)}
    run.update(
        result={"table": rows, "figures": figures(seen), "by_class": by_class, "spent": spent},
        claims=[{"kind": "text-audit", "file": FOOLED, "model": 0, "values": values}],
    )
    run.write("report.html", text_audit_html(run.directory).encode())
    run.finish()
