"""`hoodwink study`: questions answered on real data, listed, run and reported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hoodwink.cli.common import pairs, takes_talk
from hoodwink.cli.talk import INTERRUPTED, NO, Talk
from hoodwink.cli.verbs import Verbs
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from hoodwink.studies.record import Study
    from hoodwink.studies.result import Measured, StudyResult

DEFAULT_OUT = "hoodwink-studies"  # as studies.runner has it, which --help must not import
ALL = "all"
VERBS = {
    "list": (__name__, "List the studies, their questions and how long they take."),
    "run": (__name__, "Answer a question on real data."),
    "report": (__name__, "Put what studies found on one page."),
}


@click.command(
    "study",
    cls=Verbs,
    table=VERBS,
    subcommand_metavar="VERB ...",
    invoke_without_command=True,
    epilog="\b\nExample:\n  hoodwink study run neuron",
)
@click.pass_context
def study_command(ctx: click.Context) -> None:
    """Answer questions of deep learning on real data."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@click.command("list", epilog="\b\nExample:\n  hoodwink study list")
@takes_talk
def list_command(talk: Talk) -> None:
    """List the studies, their questions and how long they take.

    Minutes are those of three seeds at full size on two cores.
    """
    with talk.busy("loading torch"):
        from hoodwink.studies.runner import SEEDS
        from hoodwink.studies.table import STUDIES
    from hoodwink.cli.show import heading, listing

    def minutes(study: Study) -> float:
        return sum(line.minutes * (1 if line.fixed else SEEDS) for line in study.lines)

    rows = [(name, f"{minutes(one):.2g}", ", ".join(line.name for line in one.lines), one.question) for name, one in STUDIES.items()]
    talk.show(heading("Studies"), listing("name", "minutes", "lines", "question", rows=rows))
    talk.document(
        {
            "studies": [
                {"name": row[0], "minutes": minutes(STUDIES[row[0]]), "lines": row[2].split(", "), "question": row[3]} for row in rows
            ]
        }
    )


@click.command("run", epilog="\b\nExample:\n  hoodwink study run neuron")
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--quick", is_flag=True, help="The same on few small pictures, in seconds; floors are not judged.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, metavar="N", help="How many; one with --quick.")
@click.option(
    "--set", "settings", multiple=True, metavar="K=V", callback=pairs, help="Another setting of all lines that have it, or LINE.K=V."
)
@click.option("--out", metavar="DIR", help=f"The run folder; several studies go into DIR/NAME.  [default: {DEFAULT_OUT}/NAME]")
@click.option("--force", is_flag=True, help="Begin anew; else what is finished is not done again.")
@click.option("--device", default="cpu", show_default=True, metavar="NAME", help="Where networks run: cpu, cuda.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads of the CPU.")
@takes_talk
def run_command(names: tuple[str, ...], talk: Talk, threads: int | None, **asked: Any) -> None:
    """Answer a question on real data.

    NAME is one that `hoodwink study list` shows, or "all": `hoodwink study run all --quick` tries every one. A study that was stopped goes on when it is run again; a finished one is shown.
    Ends with 1 where a floor is missed.
    """
    if not names:
        raise click.UsageError("a study was wanted: type hoodwink study run neuron; hoodwink study list shows all")
    with talk.busy("loading torch"):
        import torch

        from hoodwink.studies.table import STUDIES, find_study
    if threads is not None:
        torch.set_num_threads(threads)
    chosen = [study for name in names for study in (STUDIES.values() if name == ALL else [find_study(name)])]
    results: list[StudyResult] = []
    try:
        talk.each(chosen, lambda study: results.append(_run(study, talk, len(chosen) > 1, **asked)), lambda study: study.name)
    except KeyboardInterrupt:
        talk.code = INTERRUPTED
        talk.warn("interrupted; the same command goes on")
    talk.document({"studies": [result.to_json() for result in results]})


@click.command("report", epilog="\b\nExample:\n  hoodwink study run neuron\n  hoodwink study report --out report.html")
@click.argument("folders", nargs=-1, metavar="[DIR...]")
@click.option("--out", default="hoodwink-studies.html", show_default=True, metavar="FILE", help="The page, one file that opens offline.")
@takes_talk
def report_command(folders: tuple[str, ...], out: str, talk: Talk) -> None:
    """Put what studies found on one page.

    DIR is the run folder of a study, or one that holds several; without any, those in hoodwink-studies.
    """
    with talk.busy("loading torch"):
        from hoodwink.runs import write_atomic
        from hoodwink.studies.report import find_results, study_page

    results = find_results(folders or (DEFAULT_OUT,))
    write_atomic(out, study_page(results).encode())
    missed = sum(len(result.missed) for result in results)
    talk.show(f"{len(results)} {'study' if len(results) == 1 else 'studies'}, {missed} floors missed: {one_line(out)}")
    talk.document({"page": out, "studies": [result.name for result in results], "missed": missed})


def _run(
    study: Study, talk: Talk, many: bool, out: str | None, quick: bool, seeds: int, settings: dict[str, Any], **rest: Any
) -> StudyResult:
    from hoodwink.cli.train import stepping
    from hoodwink.studies.runner import run

    expected = sum(line.minutes * (1 if line.fixed else seeds) for line in study.lines)
    talk.say(f"{study.name}: {study.question}" + ("" if quick or expected < 0.1 else f" Some {expected:.2g} minutes."))
    folder = None if out is None else Path(out) / study.name if many else Path(out)
    words = tuple(click.get_current_context().obj or ())
    with stepping(talk) as step:
        result = run(study, quick, seeds=seeds, out=folder, say=talk.say, step=step, arguments=words, **rest, **settings)
    _show(result, talk)
    if result.missed:
        talk.code = max(talk.code, NO)
    return result


def _show(result: StudyResult, talk: Talk) -> None:
    """The numbers of each line, what they say, and where the rest is."""
    from hoodwink.cli.show import heading, listing, notes

    rows = [
        (line.name if k == 0 else "", one.measure, one.text, *_known(one)) for line in result.lines for k, one in enumerate(line.measured)
    ]
    talk.show(heading(result.name, result.question))
    talk.show(listing("line", "measure", "found", "source", "wanted", "", rows=rows), notes(result.findings))
    talk.show(f"figures and numbers: {one_line(result.folder)}")


def _known(one: Measured) -> tuple[Any, ...]:
    """What the source got, what is wanted, and whether it is reached, in colour."""
    from rich.text import Text

    from hoodwink.cli.show import BAD, GOOD
    from hoodwink.studies.result import number

    mark = one.mark
    if mark is None:
        return "", "", ""
    sign = "at most" if mark.lower else "at least"
    wanted = "" if mark.floor is None else f"{sign} {number(mark.floor)}"
    held = "" if one.holds is None else Text("reached", GOOD) if one.holds else Text(f"missed: {mark.reason}".rstrip(": "), BAD)
    return "" if mark.reference is None else number(mark.reference), wanted, held
