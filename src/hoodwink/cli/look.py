"""`hoodwink look`: what a network sees in a file, or reads in a text. It loads from disk and knows no attack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hoodwink.cli.common import Choice, all_pictures, called, packaged_cat, takes_max_pixels, takes_models, takes_talk
from hoodwink.cli.talk import Talk

if TYPE_CHECKING:
    from hoodwink.evidence.judge import Verdict
    from hoodwink.models.model import Model


@click.command("look", epilog="\b\nExample:\n  hoodwink look -k 3\n  hoodwink look --text Okonkwo --model names")
@click.argument("photos", nargs=-1, metavar="[FILE]...")
@click.option("--text", "texts", multiple=True, metavar="TEXT", help="A text, for a network that reads such. May be repeated.")
@click.option("-k", "count", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="How many classes are shown.")
@click.option("--at-model-size", is_flag=True, help="Take the pictures as they are; they must have the network's own size.")
@takes_max_pixels
@takes_models
@takes_talk
def look_command(
    photos: tuple[str, ...], texts: tuple[str, ...], count: int, at_model_size: bool, max_pixels: int, choice: Choice, talk: Talk
) -> None:
    """Say what a network sees in a photo, or reads in a text.

    FILE is a picture or a folder of them, or, for a network of texts, a .txt file with one text; without any, the packaged cat. Each is
    read from disk, as anybody would.
    """
    if texts or any(photo.lower().endswith(".txt") for photo in photos):
        _look_at_texts(photos, texts, count, choice, talk)
        return
    if not photos:
        talk.say("no photo is named: the packaged cat")
    paths = all_pictures(photos or (str(packaged_cat()),), talk)
    models = choice.load(talk) if paths else []
    for model in models:
        _ = model.card.picture  # says what it takes where it takes texts
    seen: list[dict[str, object]] = []

    def look(path: Path) -> None:
        verdicts = [_judge(path, model, at_model_size, max_pixels) for model in models]
        seen.append({"file": str(path), "verdicts": [verdict.to_json(count) for verdict in verdicts]})
        _show(called(path), verdicts, count, talk)

    talk.each(paths, look)
    talk.document({"pictures": seen, "errors": talk.errors})


def _look_at_texts(files: tuple[str, ...], texts: tuple[str, ...], count: int, choice: Choice, talk: Talk) -> None:
    from hoodwink.evidence.judge import judge
    from hoodwink.texts.read import make_text, read_text

    models = choice.load(talk)
    for model in models:
        model.card.need("classify")
        _ = model.card.reader  # says what it takes where it takes pictures
    seen: list[dict[str, object]] = []

    def look(item: tuple[str, str]) -> None:
        text = make_text(item[1]) if item[0] == "text" else read_text(item[1])
        verdicts = [judge(text, model) for model in models]
        file = None if text.path is None else str(text.path)
        seen.append({"text": text.content, "file": file, "verdicts": [verdict.to_json(count) for verdict in verdicts]})
        _show(repr(text.content), verdicts, count, talk)

    talk.each([*(("text", text) for text in texts), *(("file", file) for file in files)], look, lambda item: item[1])
    talk.document({"texts": seen, "errors": talk.errors})


def _judge(path: Path, model: Model, at_model_size: bool, max_pixels: int) -> Verdict:
    from hoodwink.evidence.judge import judge
    from hoodwink.pictures.read import PictureError

    try:
        return judge(path, model, at_model_size=at_model_size, max_pixels=max_pixels)
    except PictureError:
        raise
    except ValueError as error:  # a size that does not fit
        raise PictureError(path, str(error).partition(": ")[2] or str(error)) from error


def _show(name: str, verdicts: list[Verdict], count: int, talk: Talk) -> None:
    from hoodwink.cli.show import Bars, heading, notes

    for verdict in verdicts:
        talk.show(heading(name, f"as {verdict.model} sees it"), wrap=False)
        talk.show(Bars(verdict.top(count), verdict.label))
    talk.show(notes(verdicts[0].notes))
