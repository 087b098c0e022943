"""What `hoodwink fool` says of one photo: while it works, and at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column
from rich.text import Text

from hoodwink.cli.common import called
from hoodwink.cli.show import BAD, FAINT, GOOD, facts, heading
from hoodwink.cli.talk import Talk
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from hoodwink.attacks.trail import Step, Watch
    from hoodwink.evidence.fooled import Fooled
    from hoodwink.evidence.judge import Verdict
    from hoodwink.evidence.misled import Misled

_WIDTH = 100  # characters of the line of progress, at most


@contextmanager
def watching(name: str, asked: dict[str, Any], talk: Talk) -> Iterator[Watch | None]:
    """A line of progress on a terminal: phase, gradient evaluations, and where the best picture stands."""
    if not talk.lively:
        yield None
        return
    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, max_width=24)),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}", markup=False, table_column=Column(no_wrap=True)),
    )
    with Progress(*columns, console=Console(stderr=True, width=min(_WIDTH, console.width)), expand=True, transient=True) as progress:
        task = progress.add_task(one_line(name), total=asked["steps"], state="")

        def watch(step: Step) -> None:
            progress.update(task, completed=step.gradients, state=_state(step, asked))

        yield watch


def _state(step: Step, asked: dict[str, Any]) -> str:
    share = asked["target"] is not None or asked["confidence"] is not None
    objective = f"p {1 / (1 + math.exp(-step.objective)):.3f}" if share else f"margin {step.objective:#.3g}"
    return f"{step.phase} {objective} {_distance(step.distance, asked['norm'])}"


def _distance(value: float, norm: str) -> str:
    """A distance as the search measures it, [0, 1] units or subpixels, in the unit that says most."""
    return {"linf": f"{255 * value:.0f} levels", "l0": f"{value:.0f} subpixels"}.get(norm, f"{norm.upper()} {value:.3g}")


def record(photo: Path, picture: Path, result: Fooled, folder: Path | None) -> dict[str, Any]:
    """The outcome as JSON values."""
    return {
        "file": str(photo),
        "folder": None if folder is None else str(folder),
        "picture": str(picture),
        "kept": False,
        "fooled": result.fooled,
        "target": result.target,
        "confidence": result.confidence,
        "before": [verdict.to_json() for verdict in result.befores],
        "after": [verdict.to_json() for verdict in result.afters],
        "distances": result.distances.to_json(),
        "gradients": result.gradients,
        "forwards": result.forwards,
        "seconds": result.seconds,
        "stall": result.stall,
        "ways": list(result.ways),
    }


def lines(photo: Path, picture: Path, result: Fooled, folder: Path | None) -> list[RenderableType]:
    """The outcome in a few lines: what was seen, what is seen in the file, how far they are apart, and where it all is."""
    word = Text("fooled", GOOD) if result.fooled else Text(f"not fooled: {result.stall or 'the file does not hold it'}", BAD)
    rows: list[tuple[str, str | Text]] = [
        *(("before", _seen(before, before, result)) for before in result.befores),
        *(("now", _seen(after, before, result)) for before, after in zip(result.befores, result.afters, strict=True)),
        ("change", change_of(result)),
        ("search", search_of(result)),
        ("picture" if result.fooled else "best", one_line(picture)),
    ]
    if folder is not None:
        rows.append(("report", one_line(folder / "report.html")))
    rows += [("read", one_line(note)) for note in result.before.notes]
    return [Text.assemble(heading(called(photo)), "  ", word), facts(rows)]


def _seen(verdict: Verdict, before: Verdict, result: Fooled) -> Text:
    """The label on top and, beside it, the one that it is about."""
    label, share = verdict.top(1)[0]
    asked = before.label if result.target is None else verdict.names[verdict.classes.find(result.target)]
    other = f", {asked} {verdict.confidence(asked):.4f}" if asked != label else ""
    by = f" ({verdict.model})" if len(result.befores) > 1 else ""
    return Text.assemble((label, "bold"), f" {share:.4f}{other}", (by, FAINT))


def change_of(result: Fooled | Misled) -> str:
    """How far the picture is from the original."""
    found = result.distances
    levels = "level" if found.linf == 1 else "levels"
    share = found.l0 / result.picture.size
    return f"at most {found.linf} {levels} of 255, in {share:.1%} of the values; L2 {found.l2:.3f} ({255 * found.l2:.0f} levels)"


def search_of(result: Fooled | Misled) -> str:
    """What the search took."""
    ways = f"; out of a stall by {', '.join(result.ways)}" if result.ways else ""
    return f"{result.gradients} gradient evaluations, {result.seconds:.1f} s{ways}"
