"""What came of fooling one picture, and its run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.evidence.judge import Verdict, judge
from hoodwink.evidence.record import first_record
from hoodwink.evidence.report import report_html
from hoodwink.models.model import Model
from hoodwink.pictures.draw import difference, difference_abs, figure_fooled
from hoodwink.pictures.levels import Distances
from hoodwink.pictures.write import encode_png
from hoodwink.runs import Run

Levels = np.ndarray[Any, np.dtype[np.uint8]]


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


@dataclass(frozen=True, eq=False)
class Fooled:
    """What came of fooling one picture.

    picture, original: uint8 H x W x C. fooled: the claim holds, judged from the picture's PNG bytes. before, after: the first
    network's verdicts (befores, afters: of all). gradients, forwards: evaluations with and without a gradient. history: the
    states that the search accepted, as records. stall: why the climb ended below the threshold. ways: the ways out of a stall that helped.
    """

    picture: Levels
    original: Levels
    fooled: bool
    befores: tuple[Verdict, ...]
    afters: tuple[Verdict, ...]
    distances: Distances
    gradients: int
    forwards: int
    seconds: float
    history: tuple[Any, ...]
    stall: str | None
    ways: tuple[str, ...]
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
    def l2(self) -> float:
        """L2 distance in [0, 1] units."""
        return self.distances.l2

    @property
    def linf(self) -> int:
        """Largest change in levels."""
        return self.distances.linf

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
    settings, name = result.settings, "fooled.png" if result.fooled else "not-fooled.png"
    path = run.write(name, encode_png(result.picture))
    run.write("original.png", encode_png(result.original))
    afters = tuple(replace(judge(path, model, at_model_size=settings.at_model_size), file=name) for model in result.models)
    result = replace(result, afters=afters)
    run.write("difference.png", encode_png(difference(result.original, result.picture)))
    run.write("difference-abs.png", encode_png(difference_abs(result.original, result.picture)))
    run.update(claims=_claims(result, name), result=_result(result))
    run.write("figure.png", _figure(result))
    run.write("report.html", report_html(run.directory).encode())
    run.finish()
    return result


def _claims(result: Fooled, name: str) -> list[dict[str, Any]]:
    settings, found = result.settings, result.distances
    common = {
        "original": "original.png",
        "target": settings.target,
        "confidence": settings.confidence,
        "at_model_size": settings.at_model_size,
    }
    sizes = {"l2": found.l2, "linf": found.linf, "l1": found.l1, "l0": found.l0, "eps": settings.eps, "norm": settings.norm}
    pairs = enumerate(zip(result.befores, result.afters, strict=True)) if result.fooled else ()
    return [
        {
            "kind": "picture",
            "file": name,
            "model": index,
            "values": {
                **common,
                **sizes,
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
        "fooled": result.fooled,
        "stall": result.stall,
        "ways": list(result.ways),
        "gradients": result.gradients,
        "forwards": result.forwards,
        "seconds": result.seconds,
        "history": [asdict(step) for step in result.history],
        "before": [verdict.to_json() for verdict in result.befores],
        "after": [verdict.to_json() for verdict in result.afters],
        "distances": result.distances.to_json(),
    }


def _figure(result: Fooled) -> bytes:
    history = [(step.gradients, step.objective, step.distance) for step in result.history]
    title = f"{result.before.label} \N{RIGHTWARDS ARROW} {result.after.label}"
    return figure_fooled(result.original, result.picture, result.before.top(5), result.after.top(5), history, title)
