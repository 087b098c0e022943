"""`hoodwink search query`: the pictures of a store that are nearest to one."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hoodwink.cli.common import Choice, takes_max_pixels, takes_models, takes_talk
from hoodwink.cli.search_common import one_model, says_refusals, takes_store
from hoodwink.cli.talk import Talk
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from hoodwink.evidence.searched import Searched


@click.command("query", epilog="\b\nExample:\n  hoodwink search query cat.png -k 5\n  hoodwink search query cat.png --out cat-answers")
@click.argument("picture", metavar="PICTURE")
@click.option("-k", "count", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="How many answers.")
@takes_store
@click.option("--out", metavar="DIR", help="Write a run folder: answers, contact sheet, report, and a claim that hoodwink verify judges.")
@click.option("--force", is_flag=True, help="Replace the run that is there.")
@takes_max_pixels
@takes_models
@takes_talk
@says_refusals
def query_command(picture: str, count: int, store: str, out: str | None, force: bool, max_pixels: int, choice: Choice, talk: Talk) -> None:
    """Show the pictures of a store that are nearest to PICTURE, by the cosine of their embeddings.

    PICTURE is any picture, in the store or not. The network must be the one that the store was made with.
    """
    model = one_model(choice, talk)
    with talk.busy("asking"):
        from hoodwink.evidence.searched import absolute, ask, keep, open_for_model
        from hoodwink.models.embed import as_embedder

        with closing(open_for_model(where := absolute(store), model)) as kept:
            found = ask(picture, kept, as_embedder(model, kept.card.layer), model=model, where=where, k=count, max_pixels=max_pixels)
            words = list(click.get_current_context().obj or ())
            folder = keep(found, kept, out, force=force, arguments=words) if out else None
    _show(found, folder, talk)
    talk.document({**found.to_json(), "folder": None if folder is None else str(folder), "errors": talk.errors})


def _show(found: Searched, folder: Path | None, talk: Talk) -> None:
    from hoodwink.cli.show import heading, listing, notes

    talk.show(heading(str(found.picture.path), f"nearest of {found.count} pictures in {one_line(found.store)}"), wrap=False)
    rows = [(str(rank), f"{one.cosine:.4f}", one.path) for rank, one in enumerate(found.answers, 1)]
    talk.show(listing("rank", "cosine", "path", rows=rows), wrap=False)
    gone = sum(not os.path.exists(one.path) for one in found.answers)
    said = [found.note, *([f"{gone} of the files are gone from disk"] if gone else []), *([f"kept in {folder}"] if folder else [])]
    talk.show(notes(said))
