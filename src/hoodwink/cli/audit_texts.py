"""`hoodwink audit --changes K`: of these texts, how many can be fooled with so many changes, and how sure are we?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hoodwink.cli.common import Choice
from hoodwink.cli.talk import INTERRUPTED, NO, Talk
from hoodwink.runs import Run, one_line

if TYPE_CHECKING:
    from hoodwink.auditing.texts import TextSettings


@dataclass(frozen=True)
class Task:
    """What is asked. data: a set of texts; changes: at most; kinds: what may stand for a word."""

    data: str
    limit: int | None
    changes: int
    kinds: tuple[str, ...]
    seed: int
    fail_under: float | None
    out: Path
    force: bool
    resume: bool


def audit_texts_of(task: Task, choice: Choice, talk: Talk) -> None:
    """Audit a network of texts, into a run folder."""
    import click

    from hoodwink.auditing.texts import TextSettings, audit_texts
    from hoodwink.cli.data import fetching
    from hoodwink.cli.train import stepping
    from hoodwink.data.texts import load_texts

    model = choice.classifiers(talk)[0]
    _ = model.card.reader  # says what it takes where it takes pictures
    with fetching(talk, task.data) as (tell, _progress):
        data = load_texts(task.data, limit=task.limit, tell=tell)
    settings: TextSettings = TextSettings(changes=task.changes, kinds=task.kinds, seed=task.seed)
    words = list(click.get_current_context().obj or ())
    try:
        with stepping(talk, "texts") as watch:
            run = audit_texts(
                model, data, settings=settings, out=task.out, resume=task.resume, force=task.force, arguments=words, watch=watch
            )
    except KeyboardInterrupt:
        talk.code = INTERRUPTED
        talk.warn(f"interrupted; what is finished is kept in {one_line(task.out)}; the same line with --resume goes on")
        talk.document({"folder": str(task.out), "errors": talk.errors, "interrupted": True})
        return
    _conclude(run, model.card.name, task, talk)


def _conclude(run: Run, name: str, task: Task, talk: Talk) -> None:
    from hoodwink.cli.show import facts, heading, listing

    result, unit = run.record["result"], run.record["changes"]["unit"]
    last = result["table"][-1]
    failed = task.fail_under is not None and last["accuracy"] < task.fail_under
    if failed:
        talk.code = max(talk.code, NO)
    rows = [_row(row) for row in result["table"]]
    talk.show(heading(f"{name} on {last['all']} of {task.data}"), listing(f"{unit} changed", "accuracy", "proven", rows=rows), "")
    found = result["figures"]
    lines = [
        ("success rate", f"{found['success_rate']:.2%} of those read rightly"),
        ("changed", f"{found['changed']:.2f} {unit} where it fooled, {found['changed_share']:.1%} of a text"),
        ("queries", f"{found['queries']:.0f} and {found['gradients']:.1f} gradients a text, {result['spent']['seconds']:.1f} s in all"),
    ]
    if task.fail_under is not None:
        lines.append(("FAILS" if failed else "holds", f"{last['accuracy']:.2%} stand, at least {task.fail_under:.2%} were asked for"))
    talk.show(facts([*lines, ("report", one_line(run.directory / "report.html"))]))
    talk.document({**result, "folder": str(run.directory), "settings": run.record["settings"], "errors": talk.errors, "interrupted": False})


def _row(row: Mapping[str, Any]) -> list[str]:
    exact = row["standing"] == row["proven"]
    return [
        str(row["changes"]),
        f"{row['accuracy']:.2%} ({row['standing']} of {row['all']})",
        "exact" if exact else f"at least {row['proven'] / row['all']:.2%}",
    ]
