"""`hoodwink look`: what a network sees in a file. It loads from disk and knows no attack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hoodwink.cli.common import Choice, all_pictures, called, packaged_cat, takes_max_pixels, takes_models, takes_talk
from hoodwink.cli.talk import Talk

if TYPE_CHECKING:
    from hoodwink.evidence.judge import Verdict
    from hoodwink.models.model import Model


@click.command("look", epilog="\b\nExample:\n  hoodwink look -k 3")
@click.argument("photos", nargs=-1, metavar="[PHOTO]...")
@click.option("-k", "count", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="How many classes are shown.")
@click.option("--at-model-size", is_flag=True, help="Take the pictures as they are; they must have the network's own size.")
@takes_max_pixels
@takes_models
@takes_talk
def look_command(photos: tuple[str, ...], count: int, at_model_size: bool, max_pixels: int, choice: Choice, talk: Talk) -> None:
    """Say what a network sees in a photo.

    PHOTO is a picture file or a folder of them; without any, the packaged cat. Each is read from disk, as anybody would.
    """
    if not photos:
        talk.say("no photo is named: the packaged cat")
    paths = all_pictures(photos or (str(packaged_cat()),), talk)
    models = choice.load(talk) if paths else []
    seen: list[dict[str, object]] = []

    def look(path: Path) -> None:
        verdicts = [_judge(path, model, at_model_size, max_pixels) for model in models]
        seen.append({"file": str(path), "verdicts": [verdict.to_json(count) for verdict in verdicts]})
        _show(path, verdicts, count, talk)

    talk.each(paths, look)
    talk.document({"pictures": seen, "errors": talk.errors})


def _judge(path: Path, model: Model, at_model_size: bool, max_pixels: int) -> Verdict:
    from hoodwink.evidence.judge import judge
    from hoodwink.pictures.read import PictureError

    try:
        return judge(path, model, at_model_size=at_model_size, max_pixels=max_pixels)
    except PictureError:
        raise
    except ValueError as error:  # a size that does not fit
        raise PictureError(path, str(error).partition(": ")[2] or str(error)) from error


def _show(path: Path, verdicts: list[Verdict], count: int, talk: Talk) -> None:
    from hoodwink.cli.show import Bars, heading, notes

    for verdict in verdicts:
        talk.show(heading(called(path), f"as {verdict.model} sees it"), wrap=False)
        talk.show(Bars(verdict.top(count), verdict.label))
    talk.show(notes(verdicts[0].notes))
