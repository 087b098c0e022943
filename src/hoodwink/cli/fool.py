"""`hoodwink fool`: photos in, pictures that a network takes for something else out, each judged from its file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hoodwink.cli import places
from hoodwink.cli.common import Choice, all_pictures, fraction, packaged_cat, share, takes_max_pixels, takes_models, takes_talk
from hoodwink.cli.talk import DONE, INTERRUPTED, NO, Talk
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from hoodwink.evidence.fooled import Fooled
    from hoodwink.models.model import Model

DEFAULT_CLASS = "strawberry"
DEFAULT_OUT = "hoodwink-out"


@dataclass(frozen=True)
class _Job:
    """What is asked of every photo; `asked` holds the arguments of `hoodwink.fool`, `done` what is finished, as JSON values."""

    out: Path
    models: list[Model]
    asked: dict[str, Any]
    max_pixels: int
    force: bool
    resume: bool
    talk: Talk
    done: list[dict[str, Any]] = field(default_factory=list)


_EXAMPLES = f"""\b
Example:
  hoodwink fool --as {DEFAULT_CLASS}
  hoodwink look {DEFAULT_OUT}/fooled.png
  hoodwink fool --text Kamoto --model names --untargeted --out kamoto"""


@click.command("fool", epilog=_EXAMPLES)
@click.argument("photos", nargs=-1, metavar="[PHOTO]...")
@click.option("--text", "texts", multiple=True, metavar="TEXT", help="A text, for a network that reads such. May be repeated.")
@click.option("--as", "target", metavar="CLASS", help="What the network shall call it: a class by name, synonym or index.")
@click.option("--untargeted", is_flag=True, help="Anything but what the network calls it now.")
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="P",
    callback=share,
    help="The least probability of the class, between 0 and 1 (default: 0.9; with --untargeted, none).",
)
@click.option("--eps", metavar="SIZE", callback=fraction, help="Not the nearest picture, but the most confident one this near: 8/255.")
@click.option("--norm", type=click.Choice(["l2", "linf", "l1", "l0"]), default="l2", show_default=True, help="How distance is measured.")
@click.option("--mask", metavar="FILE", help="A picture of the photo's size, white where the photo may change.")
@click.option(
    "--steps", type=click.IntRange(1), default=300, show_default=True, metavar="N", help="Gradient evaluations for each photo, in all."
)
@click.option("--most", type=click.IntRange(1), default=4, show_default=True, metavar="N", help="Of a text: changes, at most.")
@click.option(
    "--kinds", default="neighbours,typos,lookalikes", show_default=True, metavar="KINDS", help="Of a text: what may stand for a word."
)
@click.option(
    "--method", type=click.Choice(["fewest", "greedy", "random"]), default="fewest", show_default=True, help="Of a text: how is searched."
)
@click.option("--at-model-size", is_flag=True, help="Fool the part that the network sees, resized and cropped, as a picture of its own.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="N", help="Of what is random in the search."
)
@takes_max_pixels
@click.option(
    "--out",
    default=DEFAULT_OUT,
    show_default=True,
    metavar="DIR",
    help="The run folder; it holds one for each of several photos. Or NAME.png.",
)
@click.option("--force", is_flag=True, help="Replace the run, or the picture, that is there.")
@click.option("--resume", is_flag=True, help="Keep the runs that are finished, and do the others.")
@takes_models
@takes_talk
def fool_command(
    photos: tuple[str, ...],
    texts: tuple[str, ...],
    target: str | None,
    untargeted: bool,
    most: int,
    kinds: str,
    method: str,
    max_pixels: int,
    out: str,
    force: bool,
    resume: bool,
    choice: Choice,
    talk: Talk,
    **asked: Any,
) -> None:
    """Change a photo, or a text, a little, so that a network calls it something else.

    PHOTO is a picture file or a folder of them; without any, the packaged cat. The new picture is written, read back from disk and judged;
    what is said of it is what the network sees in that file. Ends with 0 if all are fooled, 1 if one is not (its best picture is kept).
    Of a text as few letters as can be are changed, or words where the network reads words; a FILE.txt holds one text.
    """
    if texts or any(photo.lower().endswith(".txt") for photo in photos):
        from hoodwink.cli.fool_text import Task, fool_texts

        words = tuple(filter(None, kinds.split(",")))
        fool_texts(
            Task(texts, photos, target, untargeted, asked["confidence"], most, words, method, asked["seed"], Path(out), force), choice, talk
        )
        return
    asked["target"] = _target(photos, target, untargeted, talk)
    found = all_pictures(photos or (str(packaged_cat()),), talk)
    if found and places.is_picture_name(Path(out)):
        places.check_picture(Path(out), found, force)
    models = choice.classifiers(talk) if found else []
    _check(asked, models)
    job = _Job(Path(out), models, asked, max_pixels, force, resume, talk)
    try:
        _do_all(found, job)
    except KeyboardInterrupt:
        talk.code = INTERRUPTED
        talk.warn(f"interrupted; {len(job.done)} of {len(found)} photos are finished and kept; the same line with --resume goes on")
    talk.document({"pictures": job.done, "errors": talk.errors, "interrupted": talk.code == INTERRUPTED})


def _target(photos: tuple[str, ...], target: str | None, untargeted: bool, talk: Talk) -> str | None:
    """The class asked for, None for any other; without a photo there are defaults, with one there are none."""
    if target is not None and untargeted:
        raise click.UsageError(f"--as {target} and --untargeted contradict each other; type one of them")
    if photos and target is None and not untargeted:
        raise click.UsageError(f"no class is named; type --as CLASS, such as --as {DEFAULT_CLASS}, or --untargeted for any other than now")
    if not photos:
        named = "" if target is not None or untargeted else f", and no class: {DEFAULT_CLASS}"
        talk.say(f"no photo is named: the packaged cat{named}")
    return target if target is not None or untargeted else DEFAULT_CLASS


def _check(asked: dict[str, Any], models: list[Model]) -> None:
    """Refuse, once and before the work, what would be wrong for every photo."""
    from hoodwink.pictures.levels import radius
    from hoodwink.pictures.read import read_picture

    if asked["target"] is not None:
        for model in models:
            model.find(asked["target"])
    if asked["mask"] is not None:
        read_picture(asked["mask"], channels=1)
    if asked["eps"] is not None:
        try:
            radius(asked["eps"], asked["norm"])
        except ValueError as error:
            raise click.UsageError(f"--{error}") from error


def _do_all(photos: list[Path], job: _Job) -> None:
    folders = dict(enumerate(places.folders(photos, job.out)))

    def do(index: int) -> None:
        count = f"{index + 1}/{len(photos)} " if len(photos) > 1 else ""
        if places.is_picture_name(job.out):
            _into_picture(photos[index], job, count)
        else:
            _into_folder(photos[index], folders[index], job, count)

    job.talk.each(folders, do, lambda index: str(photos[index]))


def _into_folder(photo: Path, folder: Path, job: _Job, count: str) -> None:
    from hoodwink.cli.outcome import watching
    from hoodwink.fooling import fool_into

    if job.resume and not job.force and _kept(photo, folder, job):
        return
    force = job.force or (job.resume and places.unfinished(folder))
    options = {**job.asked, "max_pixels": job.max_pixels}
    with watching(f"{count}{photo.name}", job.asked, job.talk) as watch:
        result = fool_into(folder, photo, model=job.models, force=force, arguments=_words(), watch=watch, **options)
    _conclude(photo, folder / str(result.after.file), result, job, folder)


def _kept(photo: Path, folder: Path, job: _Job) -> bool:
    """Whether the photo's run is there and finished; then that is said, and counts."""
    found = places.finished(folder, photo, job.models, job.asked, job.max_pixels)
    if found is None:
        return False
    fooled = bool(found["result"]["fooled"])
    job.done.append({"file": str(photo), "folder": str(folder), "kept": True, "fooled": fooled})
    job.talk.code = max(job.talk.code, DONE if fooled else NO)
    job.talk.say(f"{one_line(photo)}: kept, finished in {one_line(folder)} ({'fooled' if fooled else 'not fooled'})")
    return True


def _into_picture(photo: Path, job: _Job, count: str) -> None:
    from hoodwink.cli.outcome import watching
    from hoodwink.evidence.judge import judge
    from hoodwink.fooling import fool
    from hoodwink.pictures.read import read_picture
    from hoodwink.pictures.write import write_picture

    picture = read_picture(photo, channels=job.models[0].card.picture.channels, max_pixels=job.max_pixels)
    with watching(f"{count}{photo.name}", job.asked, job.talk) as watch:
        result: Fooled = fool(picture, model=job.models, watch=watch, **job.asked)
    path = write_picture(job.out if result.fooled else places.failed_name(job.out), result.picture, force=job.force)
    afters = tuple(judge(path, model, at_model_size=job.asked["at_model_size"]) for model in job.models)
    _conclude(photo, path, replace(result, afters=afters), job)


def _conclude(photo: Path, picture: Path, result: Fooled, job: _Job, folder: Path | None = None) -> None:
    from hoodwink.cli.outcome import lines, record

    job.done.append(record(photo, picture, result, folder))
    job.talk.code = max(job.talk.code, DONE if result.fooled else NO)
    job.talk.show(*lines(photo, picture, result, folder), "")


def _words() -> list[str]:
    """The command line as it was typed."""
    return list(click.get_current_context().obj or ())
