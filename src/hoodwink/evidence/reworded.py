"""What came of fooling one text, and its run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from hoodwink.evidence.judge import Verdict, judge
from hoodwink.evidence.record import first_record
from hoodwink.evidence.text_report import text_report_html
from hoodwink.models.changes import Changes
from hoodwink.models.model import Model
from hoodwink.runs import Run
from hoodwink.texts.edits import KINDS
from hoodwink.texts.read import text_bytes

ORIGINAL = "original.txt"
MOST = 4  # changes, where nothing else is said
EXACT = 200_000  # queries that may be spent on all texts of so many changes


@dataclass(frozen=True)
class Asked:
    """What was asked, resolved: classes by their exact names. most: changes at most; queries: that may be spent on proving."""

    target: str | None = None
    avoid: str | None = None
    confidence: float | None = None
    most: int = MOST
    kinds: tuple[str, ...] = KINDS
    method: str = "fewest"
    queries: int = EXACT
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Reworded:
    """What came of fooling one text.

    fooled: the claim holds, judged from the text as its file is read. count: changes from the original. proven: no text within so many
    changes fools, all were asked (-1: nothing is proven). queries: texts that the network was asked about; found_after: how many it took
    until one fooled; gradients: evaluations with a gradient. changes: what counts as one.
    """

    text: str
    original: str
    fooled: bool
    before: Verdict
    after: Verdict
    count: int
    proven: int
    queries: int
    found_after: int | None
    gradients: int
    seconds: float
    changes: Changes
    asked: Asked
    model: Model

    @property
    def minimal(self) -> bool:
        """Whether it is proven that fewer changes do not fool."""
        return self.fooled and self.proven == self.count - 1

    @property
    def confidence(self) -> float:
        """The probability, in [0, 1], of the target (or of the label on top) for the changed text."""
        return self.after.confidence(self.asked.target or self.after.label_index)

    def save(self, directory: str | Path, *, force: bool = False, arguments: Sequence[str] = ()) -> Path:
        """Write the run folder: record first, texts, report, manifest last. The verdict is read from the file written."""
        run = Run.create(directory, record_of(self.original, self.before, self.asked, self.model, arguments), force=force)
        keep(run, self)
        return run.directory

    def _repr_html_(self) -> str:
        word = "fooled" if self.fooled else "not fooled"
        return (
            f"<p><b>{escape(self.original)} ({escape(self.before.label)}) &rarr; {escape(self.text)} ({escape(self.after.label)})</b>: {word}, "
            f"{self.count} changed, {self.queries} queries</p>{self.after._repr_html_()}"
        )


def holds(after: Verdict, before: Verdict, asked: Asked) -> bool:
    """Whether what was asked came true."""
    if asked.target is None:
        right, of = after.label_index != before.label_index, after.label_index
    else:
        of = after.classes.find(asked.target)
        right = after.label_index == of
    return right and after.confidence(of) >= (asked.confidence or 0.0)


def record_of(original: str, before: Verdict, asked: Asked, model: Model, arguments: Sequence[str]) -> dict[str, Any]:
    """What run.json says first."""
    inputs = [{"file": before.file, "text": original, "sha256": before.sha256, "notes": list(before.notes)}]
    return {**first_record("fool", asdict(asked) | {"kinds": list(asked.kinds)}, (model,), arguments, asked.seed), "inputs": inputs}


def keep(run: Run, result: Reworded) -> Reworded:
    """Write what came into the run folder, and judge the file that was written."""
    name = "fooled.txt" if result.fooled else "not-fooled.txt"
    path = run.write(name, text_bytes(result.text))
    run.write(ORIGINAL, text_bytes(result.original))
    result = replace(result, after=replace(judge(path, result.model), file=name))
    run.update(claims=_claims(result, name), result=_result(result))
    run.write("report.html", text_report_html(run.directory).encode())
    run.finish()
    return result


def _claims(result: Reworded, name: str) -> list[dict[str, Any]]:
    if not result.fooled:
        return []
    values = {
        "sha256": result.after.sha256,
        "original": ORIGINAL,
        "target": result.asked.target,
        "not": None if result.asked.target else result.before.label,
        "label": result.after.label,
        "confidence": result.asked.confidence,
        "count": result.count,
        "proven": result.proven,
        "changes": result.changes.to_json(),
    }
    return [{"kind": "text", "file": name, "model": 0, "values": values}]


def _result(result: Reworded) -> dict[str, Any]:
    return {
        "fooled": result.fooled,
        "text": result.text,
        "count": result.count,
        "proven": result.proven,
        "minimal": result.minimal,
        "queries": result.queries,
        "found_after": result.found_after,
        "gradients": result.gradients,
        "seconds": result.seconds,
        "changes": result.changes.to_json(),
        "before": result.before.to_json(),
        "after": result.after.to_json(),
    }
