"""`hoodwink check`: a student's own layers in NumPy, tested."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hoodwink.cli.common import takes_talk
from hoodwink.cli.talk import DONE, NO, Talk
from hoodwink.runs import one_line, write_atomic

if TYPE_CHECKING:
    from rich.text import Text

    from hoodwink.scratch.student import Finding

TEMPLATE = Path(__file__).parent.parent / "assets" / "my_layers.txt"


@click.command("check", epilog="\b\nExample:\n  hoodwink check --write my_layers.py\n  hoodwink check my_layers.py")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="Write a FILE to begin with: what each function takes and returns.")
@takes_talk
def check_command(file: Path, write: bool, talk: Talk) -> None:
    """Say what is wrong in a student's own NumPy layers.

    FILE holds fc_forward, fc_backward, relu_forward, relu_backward, softmax_loss, l2_loss, or some of them. It is run, so check no
    stranger's. Each gradient is compared with central differences. Ends with 0 if nothing is wrong (functions may be missing), with 1 if
    something is, with 2 if FILE cannot be run or holds none of them.
    """
    if write:
        _write(file, talk)
        return
    with talk.busy(f"checking {one_line(file)}"), redirect_stdout(sys.stderr):  # what the student's code prints is talk
        from hoodwink.scratch.check import check

        findings = check(file)
    if all(one.verdict in ("missing", "untried") for one in findings):
        raise click.ClickException(
            f"{one_line(file)}: nothing to check: no function is written yet; hoodwink check --write FILE shows what is wanted"
        )
    wrong = any(one.verdict == "wrong" for one in findings)
    talk.code = NO if wrong else DONE
    _show(file, findings, talk)
    talk.document({"file": str(file), "right": not wrong, "findings": [asdict(one) for one in findings]})


def _write(file: Path, talk: Talk) -> None:
    if file.exists():
        raise click.ClickException(f"{one_line(file)}: is there already and is not replaced; name another file")
    write_atomic(file, TEMPLATE.read_bytes())
    talk.say(f"wrote {one_line(file)}; type: hoodwink check {one_line(file)}")
    talk.document({"file": str(file), "written": True})


def _show(file: Path, findings: list[Finding], talk: Talk) -> None:
    from hoodwink.cli.show import facts, heading

    names = {state: len({one.function for one in findings if one.verdict == state}) for state in ("right", "wrong", "missing", "untried")}
    talk.show(heading(one_line(file), ", ".join(f"{count} {state}" for state, count in names.items() if count)))
    talk.show(facts((one.function, _coloured(one)) for one in findings))


def _coloured(one: Finding) -> Text:
    from rich.text import Text

    from hoodwink.cli.show import BAD, FAINT, GOOD

    style = {"right": GOOD, "wrong": BAD}.get(one.verdict, FAINT)
    line = f" (line {one.line})" if one.line else ""
    return Text.assemble((f"{one.verdict:<8}", style), one_line(one.says) + line)
