"""What came of fooling one picture, and its run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from hoodwink.evidence.judge import Verdict, judge
from hoodwink.evidence.outcome import Outcome, numbers_of, sizes_of, write_pictures
from hoodwink.evidence.record import first_record
from hoodwink.evidence.report import report_html
from hoodwink.models.model import Model
from hoodwink.pictures.draw import difference_abs, figure_fooled
from hoodwink.pictures.write import encode_png
from hoodwink.runs import Run


@dataclass(frozen=True)
class Settings:
    """What was asked, resolved: classes by their exact names, confidence None for any other label."""

    target: str | None
    avoid: str | None
    confidence: float | None
    eps: float | None
    norm: str
    steps: int
    seed: int
    masked: bool
    at_model_size: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Fooled(Outcome):
    """What came of fooling one picture; see `Outcome`.

    befores, afters: the verdicts of all networks on the original and on the changed picture (before, after: the first network's).
    """

    befores: tuple[Verdict, ...]
    afters: tuple[Verdict, ...]
    settings: Settings
    models: tuple[Model, ...]

    @property
    def target(self) -> str | None:
        """The class asked for; None when any other label would do."""
        return self.settings.target

    @property
    def before(self) -> Verdict:
        """What the first network saw in the original."""
        return self.befores[0]

    @property
    def after(self) -> Verdict:
        """What the first network sees in the changed picture."""
        return self.afters[0]

    @property
    def confidence(self) -> float:
        """The probability, in [0, 1], of the target (or of the label on top) in the changed picture: the smallest of all networks."""
        return min(confidence_of(verdict, self.settings) for verdict in self.afters)

    def save(self, directory: str | Path, *, force: bool = False, arguments: Sequence[str] = ()) -> Path:
        """Write the run folder: record first, pictures, figure, report, manifest last. The verdict is read from the file written."""
        run = Run.create(directory, record_of(self.befores, self.settings, self.models, arguments), force=force)
        for step in self.history:
            run.event(**asdict(step))
        keep(run, self)
        return run.directory

    def _repr_html_(self) -> str:
        word = "fooled" if self.fooled else f"not fooled: {self.stall}"
        return (
            f"<p><b>{escape(self.before.label)} &rarr; {escape(self.after.label)}</b> ({word}); confidence {self.confidence:.3f}, "
            f"L2 {self.l2:.3f}, largest change {self.linf} levels, {self.gradients} gradients</p>{self.after._repr_html_()}"
        )


def holds(after: Verdict, before: Verdict, settings: Settings) -> bool:
    """Whether what was asked came true."""
    if settings.target is None:
        return after.label_index != before.label_index and confidence_of(after, settings) >= (settings.confidence or 0.0)
    return after.label_index == after.classes.find(settings.target) and confidence_of(after, settings) >= (settings.confidence or 0.0)


def confidence_of(verdict: Verdict, settings: Settings) -> float:
    """The probability of the class asked for, or of the label on top where any other would do."""
    return verdict.confidence(verdict.label_index if settings.target is None else settings.target)


def record_of(befores: Sequence[Verdict], settings: Settings, models: Sequence[Model], arguments: Sequence[str]) -> dict[str, Any]:
    """What run.json says first."""
    first = befores[0]
    inputs = [{"file": first.file, "sha256": first.sha256, "notes": list(first.notes)}]
    return {**first_record("fool", asdict(settings), models, arguments, settings.seed), "inputs": inputs}


def keep(run: Run, result: Fooled) -> Fooled:
    """Write what came into the run folder, and judge the file that was written."""
    path, exact = write_pictures(run, result), result.settings.at_model_size
    result = replace(result, afters=tuple(replace(judge(path, model, at_model_size=exact), file=path.name) for model in result.models))
    run.write("difference-abs.png", encode_png(difference_abs(result.original, result.picture)))
    run.update(claims=_claims(result), result=_result(result))
    run.write("figure.png", _figure(result))
    run.write("report.html", report_html(run.directory).encode())
    run.finish()
    return result


def _claims(result: Fooled) -> list[dict[str, Any]]:
    settings = result.settings
    asked = {"target": settings.target, "confidence": settings.confidence, "at_model_size": settings.at_model_size}
    pairs = enumerate(zip(result.befores, result.afters, strict=True)) if result.fooled else ()
    return [
        {
            "kind": "picture",
            "file": result.file,
            "model": index,
            "values": {
                **asked,
                **sizes_of(result, settings.norm, settings.eps),
                "sha256": after.sha256,
                "not": None if settings.target else before.label,
                "label": after.label,
                "probability": confidence_of(after, settings),
            },
        }
        for index, (before, after) in pairs
    ]


def _result(result: Fooled) -> dict[str, Any]:
    return {
        **numbers_of(result),
        "before": [verdict.to_json() for verdict in result.befores],
        "after": [verdict.to_json() for verdict in result.afters],
    }


def _figure(result: Fooled) -> bytes:
    history = [(step.gradients, step.objective, step.distance) for step in result.history]
    title = f"{result.before.label} \N{RIGHTWARDS ARROW} {result.after.label}"
    return figure_fooled(result.original, result.picture, result.before.top(5), result.after.top(5), history, title)
