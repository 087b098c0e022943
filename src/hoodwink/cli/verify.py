"""`hoodwink verify`: whether what a run folder claims is so, judged from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hoodwink.cli.common import Choice, takes_models, takes_talk
from hoodwink.cli.talk import BAD, DONE, NO, Talk, in_options
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from rich.text import Text

    from hoodwink.evidence.checks import Check
    from hoodwink.evidence.verify import Verification


@click.command("verify", epilog="\b\nExample:\n  hoodwink verify hoodwink-out")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@takes_models
@click.option("--trust-code", is_flag=True, help="Run the Python code that a run.json names as its network (python:...).")
@takes_talk
def verify_command(folders: tuple[str, ...], choice: Choice, trust_code: bool, talk: Talk) -> None:
    """Judge the claims of a run folder again, from its files.

    DIR is a run folder, or a folder of them. The network is the one that the run names, unless --model or --weights gives another. Ends
    with 0 if every claim holds, 1 if one does not, 2 if one cannot be checked.
    """
    with talk.busy("judging"):
        from hoodwink.evidence.verify import verify_all
    given = choice.load(talk) if choice.given else []
    if len(given) > 1:
        raise click.UsageError(f"one network was wanted, not {len(given)}; give --model once")
    found: list[Verification] = []

    def verify(folder: str) -> None:
        with talk.busy(f"judging {one_line(folder)}"):
            runs = verify_all(folder, model=given[0] if given else None, device=choice.device, trust_code=trust_code)
        for run in runs:
            found.append(run)
            talk.code = max(talk.code, _code(run))
            _show(run, talk)

    talk.each(folders, verify)
    talk.document({"holds": bool(found) and talk.code == DONE, "runs": [run.to_json() for run in found], "errors": talk.errors})


def _code(run: Verification) -> int:
    from hoodwink.evidence.checks import UNKNOWN

    if not run.checks or any(check.status == UNKNOWN for check in run.checks):
        return BAD
    return DONE if run.holds else NO


def _show(run: Verification, talk: Talk) -> None:
    from hoodwink.cli.show import facts, heading, notes

    talk.show(heading(str(run.directory)), wrap=False)
    talk.show(facts((_status(check), _words(check)) for check in run.checks))
    talk.show(notes(run.notes))


def _status(check: Check) -> Text:
    from rich.text import Text

    from hoodwink.cli.show import BAD as RED
    from hoodwink.cli.show import GOOD as GREEN
    from hoodwink.evidence.checks import HOLDS

    return Text(check.status, GREEN if check.status == HOLDS else RED)


def _words(check: Check) -> str:
    about = " by ".join(filter(None, (check.file, check.model)))
    return one_line(in_options(f"{about}: {check.why}"))
