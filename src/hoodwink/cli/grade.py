"""`hoodwink grade`: hand-ins, pairs of an original and a fooled picture, against a network and a class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hoodwink.cli.common import Choice, share, takes_models, takes_talk
from hoodwink.cli.talk import DONE, NO, Talk
from hoodwink.runs import one_line, write_atomic

if TYPE_CHECKING:
    from rich.text import Text

    from hoodwink.evidence.grade import Grade
    from hoodwink.models.model import Model


@click.command("grade", epilog="\b\nExample:\n  hoodwink grade hoodwink-out --as strawberry --html grades.html --force")
@click.argument("files", nargs=-1, required=True, metavar="FOLDER | ORIGINAL FOOLED...")
@click.option("--as", "target", required=True, metavar="CLASS", help="What the fooled pictures must be called: a name, synonym or index.")
@click.option(
    "--confidence", type=click.FloatRange(0, 1), default=0.9, show_default=True, metavar="P", callback=share, help="Its least probability."
)
@click.option("--csv", "csv_file", metavar="FILE", help="Write the table as comma-separated values.")
@click.option("--html", "html_file", metavar="FILE", help="Write the table as a page with small pictures.")
@click.option("--force", is_flag=True, help="Overwrite these files.")
@takes_models
@takes_talk
def grade_command(
    files: tuple[str, ...],
    target: str,
    confidence: float,
    csv_file: str | None,
    html_file: str | None,
    force: bool,
    choice: Choice,
    talk: Talk,
) -> None:
    """Pass or fail pairs of original and fooled pictures.

    Give a FOLDER that holds NAME.png and NAME-fooled.png, or subfolders with original.png and fooled.png (a run folder is one); or
    the pairs themselves, ORIGINAL FOOLED ORIGINAL FOOLED. Ends with 0 if all pass, 1 if one fails, 2 if a picture cannot be read.
    """
    for file in filter(None, (csv_file, html_file)):
        _check_free(Path(file), force)
    pairs = _pairs(files)
    models = choice.classifiers(talk)
    if len(models) > 1:
        raise click.UsageError(f"one network was wanted, not {len(models)}; give --model once")
    from hoodwink.evidence.grade import grade, to_csv, to_html

    name = models[0].class_name(models[0].find(target))
    with talk.busy("judging"):
        grades = grade(pairs, models[0], target, confidence=confidence)
    _show(grades, name, confidence, models[0], talk)
    talk.code = DONE if all(one.passed for one in grades) else NO
    _say_unreadable(grades, models[0], talk)
    if csv_file:
        write_atomic(csv_file, to_csv(grades).encode())
    if html_file:
        write_atomic(html_file, to_html(grades, target=name, model=models[0].card.name, confidence=confidence).encode())
    summary = {"target": name, "confidence": confidence, "passed": sum(one.passed for one in grades)}
    talk.document({**summary, "grades": [one.to_json() for one in grades], "errors": talk.errors})


def _pairs(files: tuple[str, ...]) -> str | list[tuple[str | Path, str | Path]]:
    if len(files) == 1:
        return files[0]
    if len(files) % 2:
        raise click.UsageError(f"pairs were wanted, original and fooled by turns, not {len(files)} files; or give one folder")
    return list(zip(files[::2], files[1::2], strict=True))


def _check_free(path: Path, force: bool) -> None:
    if path.is_dir() or not path.parent.is_dir():
        raise click.UsageError(f"{one_line(path)}: a file in a folder that is there was wanted; name another")
    if path.exists() and not force:
        raise click.UsageError(f"{one_line(path)}: there is such a file; name another, or type --force to overwrite it")


def _say_unreadable(grades: list[Grade], model: Model, talk: Talk) -> None:
    """Read the pictures of hand-ins without distances again: that one cannot be read is more than a fail."""
    from hoodwink.pictures.read import read_picture

    paths = dict.fromkeys(path for one in grades if one.distances is None for path in (one.original, one.fooled))
    channels = model.card.picture.channels
    talk.each(paths, lambda path: read_picture(path, channels=channels))


def _show(grades: list[Grade], target: str, confidence: float, model: Model, talk: Talk) -> None:
    from hoodwink.cli.show import heading, listing

    passed = sum(one.passed for one in grades)
    talk.show(heading(f"{passed} of {len(grades)} pass", f"as {target}, {confidence:g} or more, by {model.card.name}"))
    talk.show(listing("", "hand-in", "p", "L2", "levels", "why", rows=map(_row, grades)))


def _row(one: Grade) -> list[str | Text]:
    from rich.text import Text

    from hoodwink.cli.show import BAD, GOOD

    confidence = "" if one.confidence is None else f"{one.confidence:.4f}"
    moved = ("", "") if one.distances is None else (f"{one.distances.l2:.3f}", str(one.distances.linf))
    return [Text("pass", GOOD) if one.passed else Text("FAIL", BAD), one.name, confidence, *moved, one.why]
