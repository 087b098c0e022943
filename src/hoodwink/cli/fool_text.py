"""`hoodwink fool --text`: texts in, texts with as few changes as fool a network out, each judged from its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hoodwink.cli.common import Choice
from hoodwink.cli.talk import DONE, NO, Talk
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hoodwink.evidence.judge import Verdict
    from hoodwink.evidence.reworded import Reworded


@dataclass(frozen=True)
class Task:
    """What is asked. texts: themselves; files: of one text each; out: the run folder, which holds one for each of several texts."""

    texts: tuple[str, ...]
    files: tuple[str, ...]
    target: str | None
    untargeted: bool
    confidence: float | None
    most: int
    kinds: tuple[str, ...]
    method: str
    seed: int
    out: Path
    force: bool


def fool_texts(task: Task, choice: Choice, talk: Talk) -> None:
    """Fool a network with each text, into a run folder."""
    if (task.target is None) != task.untargeted:
        raise click.UsageError("either --as CLASS, or --untargeted for any other class than now, was wanted; type one of them")
    from hoodwink.cli.places import numbered
    from hoodwink.rewording import fool_text_into

    models = choice.classifiers(talk)
    if len(models) > 1:
        raise click.UsageError(f"a text is fooled for one network at a time, {len(models)} are named; type one --model")
    model = models[0]
    _ = model.card.reader  # says what it takes where it takes pictures
    if task.target is not None:
        model.find(task.target)
    sources: list[str | Path] = [*task.texts, *(Path(file) for file in task.files)]
    folders = [task.out] if len(sources) == 1 else numbered([str(one) for one in sources], task.out)
    done: list[dict[str, Any]] = []

    def fool(index: int) -> None:
        with talk.busy(f"changing {one_line(sources[index])}"):
            result = fool_text_into(
                folders[index],
                sources[index],
                model=model,
                force=task.force,
                arguments=list(click.get_current_context().obj or ()),
                target=task.target,
                confidence=task.confidence,
                most=task.most,
                kinds=task.kinds,
                method=task.method,
                seed=task.seed,
            )
        done.append(_record(result, folders[index]))
        talk.code = max(talk.code, DONE if result.fooled else NO)
        talk.show(*_lines(result, folders[index]), "")

    talk.each(range(len(sources)), fool, lambda index: str(sources[index]))
    talk.document({"texts": done, "errors": talk.errors, "interrupted": False})


def _record(result: Reworded, folder: Path) -> dict[str, Any]:
    names = ("text", "original", "fooled", "count", "proven", "minimal", "queries", "found_after", "gradients", "seconds", "confidence")
    known = {name: getattr(result, name) for name in names}
    return {"folder": str(folder), **known, "before": result.before.to_json(), "after": result.after.to_json()}


def _lines(result: Reworded, folder: Path) -> list[RenderableType]:
    """The outcome in a few lines."""
    from rich.text import Text

    from hoodwink.cli.show import BAD, GOOD, facts, heading

    word = Text("fooled", GOOD) if result.fooled else Text(f"not fooled with {result.asked.most} changes", BAD)
    file = "fooled.txt" if result.fooled else "not-fooled.txt"
    rows = [
        ("before", f"{result.original}  ({_seen(result.before)})"),
        ("now", f"{result.text}  ({_seen(result.after)})"),
        ("change", _change(result)),
        ("search", _search(result)),
        ("text" if result.fooled else "best", one_line(folder / file)),
        ("report", one_line(folder / "report.html")),
        *(("read", note) for note in result.after.notes),
    ]
    return [Text.assemble(heading(repr(result.original)), "  ", word), facts(rows)]


def _seen(verdict: Verdict) -> str:
    label, share = verdict.top(1)[0]
    return f"{label} {share:.4f}"


def _change(result: Reworded) -> str:
    from hoodwink.evidence.wording import changes_in_words

    sure = "; fewer cannot do it" if result.minimal else "; that fewer cannot do it is not proven" if result.fooled else ""
    if not result.fooled and result.proven > 0:
        sure = f"; none with {result.proven} or fewer fools"
    return f"{changes_in_words(result.count, result.changes.unit)}{sure}"


def _search(result: Reworded) -> str:
    first = "" if result.found_after is None else f", one fooled after {result.found_after}"
    return f"{result.queries:,} texts asked{first}; {result.gradients} gradients, {result.seconds:.2f} s"
