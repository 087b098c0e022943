"""`hoodwink model join`: a classifier behind an autoencoder, as one model folder."""

from __future__ import annotations

from pathlib import Path

import click

from hoodwink.cli.common import _MACHINE, Choice, takes_talk
from hoodwink.cli.talk import Talk
from hoodwink.runs import RunError, check_free, one_line, spare_models

DEFAULT_OUT = "hoodwink-joined"


@click.command("join", epilog="\b\nExample:\n  hoodwink model join digits hoodwink-digits --out joined")
@click.argument("autoencoder")
@click.argument("classifier")
@click.option("--out", default=DEFAULT_OUT, show_default=True, metavar="DIR", help="The model folder.")
@click.option("--force", is_flag=True, help="Replace the model that is there.")
@_MACHINE[0]
@_MACHINE[1]
@takes_talk
def join_command(autoencoder: str, classifier: str, out: str, force: bool, device: str, threads: int | None, talk: Talk) -> None:
    """Put a classifier behind an autoencoder.

    Both are model folders, of pictures of the same size. The result is one model, which look, fool and audit take: the classifier as it
    sees what the autoencoder makes of a picture.
    """
    spare_models(out, (autoencoder, classifier))
    _check_free_for_model(Path(out), force)
    first, second = Choice((autoencoder, classifier), device=device, threads=threads).load(talk)
    from hoodwink.cli.show import facts, heading
    from hoodwink.models.join import join

    model = join(first, second)
    folder = model.save(out)
    talk.show(heading(model.card.name), facts([("model", one_line(folder))]), "")
    talk.say(f"type hoodwink look PICTURE --model {one_line(folder)}")
    talk.document({"model": str(folder), "card": model.card.to_json(brief=True)})


def _check_free_for_model(folder: Path, force: bool) -> None:
    """Want no folder, an empty one, or with --force one that a model has for itself: what else is there would no longer be what it was."""
    from hoodwink.models.model import CARD_FILE, WEIGHTS_FILE

    check_free(folder, force=True)  # a file is none
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if there - {CARD_FILE, WEIGHTS_FILE}:
        raise RunError(
            f"{one_line(folder)}: an empty folder, or a model's own, was wanted, this holds other things; name another with --out"
        )
    if there and not force:
        raise RunError(f"{one_line(folder)}: a model is there; name another folder with --out, or type --force to replace it")
