"""The texts that an audit fooled a network with: their file, how they are judged again, and the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from hoodwink.evidence import wording
from hoodwink.evidence.charts import bar
from hoodwink.evidence.page import asset, render
from hoodwink.evidence.text_report import pieces
from hoodwink.models.changes import Changes
from hoodwink.models.model import Model
from hoodwink.runs import RunError, one_line, read_json
from hoodwink.texts.read import TextError

FOOLED = "fooled.jsonl"
SHOWN = 20  # texts in the report
_BATCH = 1024


@dataclass(frozen=True)
class Fallen:
    """A text that fell: its index in the data, itself, its label, the text that fools and what that is read as, and how many changes."""

    index: int
    original: str
    label: str
    fooled: str
    after: str
    count: int


def pack(fallen: Sequence[Fallen]) -> bytes:
    """A line of JSON for each."""
    return "".join(json.dumps(asdict(one)) + "\n" for one in fallen).encode()


def unpack(path: Path) -> list[Fallen]:
    """Read what `pack` made; RunError for another file."""
    try:
        return [Fallen(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{one_line(path)}: the texts of an audit were wanted, they cannot be read: {one_line(error)}") from error


def faults(fallen: Sequence[Fallen], changes: Changes, most: int, model: Model) -> dict[int, str]:
    """What is wrong with texts that are said to fool, by index: the original's label, the text's, or its changes."""
    found: dict[int, str] = {}
    befores, afters = (_labels([getattr(one, name) for one in fallen], model) for name in ("original", "fooled"))
    for one, before, after in zip(fallen, befores, afters, strict=True):
        try:
            count = changes.count_of(one.original, one.fooled)
        except TextError as error:
            found[one.index] = str(error)
            continue
        if before != one.label:
            found[one.index] = "its original is not rightly read"
        elif after == one.label:
            found[one.index] = "it gets its own label"
        elif count != one.count or count > most:
            found[one.index] = f"{count} {changes.unit} differ, {one.count} were claimed and at most {most} are allowed"
    return found


def _labels(texts: Sequence[str], model: Model) -> list[str]:
    found: list[str] = []
    for start in range(0, len(texts), _BATCH):
        with torch.no_grad():
            logits = model.outputs(model.encode_all(texts[start : start + _BATCH]))
        found += [model.classes.names[k] for k in logits.argmax(1).tolist()]
    return found


def text_audit_html(directory: str | Path) -> str:
    """The report of an audit's run folder, from its run.json (with the result in it) and its texts."""
    folder = Path(directory)
    record = read_json(folder / "run.json")
    return render_text_audit(record, unpack(folder / FOOLED), name=folder.resolve().name)


def render_text_audit(record: Mapping[str, Any], fallen: Sequence[Fallen], *, name: str) -> str:
    """The same from a run record and the texts that fell; nothing is judged here."""
    result, unit = record["result"], record["changes"]["unit"]
    shown = sorted(fallen, key=lambda one: (one.count, one.index))[:SHOWN]
    last = result["table"][-1]
    exact = last["standing"] == last["proven"]
    headline = f"{_percent(last['accuracy'])} stand when {wording.changes_in_words(last['changes'], unit)} may be changed"
    return render(
        "text_audit.html.j2",
        asset("page.css") + asset("report.css") + asset("text.css"),
        "",
        version=record["hoodwink"],
        title=f"{headline}: {record['models'][0]['name']}",
        headline=headline,
        vouched=exact,
        summary=_summary(record, last, exact),
        rows=[_row(row, unit) for row in result["table"]],
        figures=_figures(result["figures"], unit),
        by_class=[_class(row) for row in result["by_class"]],
        counts=[row["changes"] for row in result["table"]],
        texts=[{**asdict(one), "pieces": pieces(one.original, one.fooled, unit)} for one in shown],
        fallen=len(fallen),
        command=wording.command(name),
        tables=wording.tables(record),
        bar=bar,
    )


def _summary(record: Mapping[str, Any], last: Mapping[str, Any], exact: bool) -> str:
    about = record["inputs"][0]
    data = ":".join(filter(None, (about["name"], about["split"])))
    what = (
        f"Of {last['all']:,} texts of {data}, {last['standing']:,} are read rightly and no text with so few changes was found that is not."
    )
    sure = "For each of them every such text was asked: the figure is exact."
    part = f"Of these, {last['proven']:,} are proven to stand: every such text was asked; of the others not all."
    return f"{what} {sure if exact else part}"


def _row(row: Mapping[str, Any], unit: str) -> dict[str, Any]:
    sure = "exact" if row["standing"] == row["proven"] else f"at least {_percent(row['proven'] / row['all'])} is proven"
    return {
        "name": "as they are" if row["changes"] == 0 else f"up to {wording.changes_in_words(row['changes'], unit)} changed",
        "share": row["accuracy"],
        "percent": f"{_percent(row['accuracy'])} ({row['standing']:,} of {row['all']:,})",
        "sure": sure,
    }


def _figures(found: Mapping[str, float], unit: str) -> list[tuple[str, str]]:
    return [
        ("Success rate", f"{_percent(found['success_rate'])} of those read rightly"),
        ("Accuracy under attack", _percent(found["accuracy_under_attack"])),
        ("Changed, where it fooled", f"{found['changed']:.2f} {unit}, {_percent(found['changed_share'])} of a text"),
        ("Queries", f"{found['queries']:,.0f} a text"),
    ]


def _class(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": row["class"], "texts": row["texts"], "shares": [_percent(one["accuracy"]) for one in row["table"]]}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
