"""`hoodwink search`: pictures by what they look like to a network; here what changes and counts a store."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hoodwink.cli.common import takes_talk
from hoodwink.cli.search_common import says_refusals, takes_store
from hoodwink.cli.talk import Talk
from hoodwink.cli.verbs import Verbs
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from hoodwink.search.engine import Built
    from hoodwink.search.storage import Storage

VERBS = {
    "index": ("hoodwink.cli.search_index", "Bring a store up to date with a folder of pictures."),
    "query": ("hoodwink.cli.search_query", "Show the pictures that are nearest to one."),
    "fool": ("hoodwink.cli.search_fool", "Change a picture so that its nearest are another picture's."),
    "add": ("hoodwink.cli.search_index", "Add pictures, or folders of them, to a store."),
    "remove": (__name__, "Take pictures out of a store; their files stay."),
    "stats": (__name__, "Say what a store holds, and what is out of date."),
}


@click.command(
    "search",
    cls=Verbs,
    table=VERBS,
    subcommand_metavar="VERB ...",
    invoke_without_command=True,
    epilog="\b\nExample:\n  hoodwink search index photos\n  hoodwink search query cat.png -k 5",
)
@click.pass_context
def search_command(ctx: click.Context) -> None:
    """Find pictures by what they look like to a network.

    Their embeddings are kept in a store and compared by the cosine.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@click.command("remove", epilog="\b\nExample:\n  hoodwink search remove photos/cat.png")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@takes_store
@takes_talk
@says_refusals
def remove_command(paths: tuple[str, ...], store: str, talk: Talk) -> None:
    """Take pictures out of a store; their files stay.

    PATH is a picture, there or gone, or a folder: all that the store knows of it. Ends with 2 if the store knows nothing of one.
    """
    from hoodwink.search.store import open_store

    with closing(open_store(store)) as kept:
        known, found = kept.known(), set[str]()
        talk.each(paths, lambda path: found.update(_named(known, path)))
        removed = kept.remove(sorted(found))
        count = len(kept)
    talk.show(f"{removed} removed; {one_line(store)} holds {count} pictures")
    talk.document({"store": store, "removed": removed, "pictures": count, "errors": talk.errors})


def _named(known: Iterable[str], path: str) -> list[str]:
    """What a store knows of a picture or folder."""
    from hoodwink.search.storage import SearchError

    whole = os.path.abspath(path)
    found = [one for one in known if one == whole or one.startswith(whole + os.sep)]
    if not found:
        raise SearchError(
            f"{one_line(path)}: a picture or folder of the store was wanted, it knows none; hoodwink search query shows paths"
        )
    return found


@click.command("stats", epilog="\b\nExample:\n  hoodwink search stats --store hoodwink-search")
@takes_store
@takes_talk
@says_refusals
def stats_command(store: str, talk: Talk) -> None:
    """Say what a store holds, and what is out of date: files that are gone or changed, and an index that is older than the store.

    No picture is read; a file with another size or time is taken to be changed.
    """
    from hoodwink.cli.show import facts, heading
    from hoodwink.search.store import open_store

    with closing(open_store(store)) as kept, talk.busy("counting"):
        found = _stats(kept, store)
    talk.show(heading(store, f"{found['pictures']} pictures"), wrap=False)
    talk.show(facts((name.replace("_", " "), _words(name, value)) for name, value in found.items() if name not in ("store", "pictures")))
    talk.document(found)


def _stats(store: Storage, name: str) -> dict[str, Any]:
    from hoodwink.search.index import read_pointer

    card, built = store.card, read_pointer(store.place) if store.place else None
    files = store.known().values()
    state = [_state(file.path) for file in files]
    changed = sum(now is not None and now != (file.size, file.mtime) for now, file in zip(state, files, strict=True))
    about = {"model": card.model, "weights": card.weights_sha256, "layer": card.layer or "the last", "dimension": card.dimension}
    contents = len({file.sha256 for file in files})
    return {
        "store": name,
        "pictures": len(state),
        "contents": contents,
        **about,
        "bytes": _bytes(store.place),
        "index": None if built is None else _index(built, built.stamp == store.stamp()),
        "gone": sum(now is None for now in state),
        "changed": changed,
    }


def _index(built: Built, fresh: bool) -> dict[str, Any]:
    said = {"kind": built.kind, "pictures": built.count, "recall": built.recall, "up_to_date": fresh}
    return said | ({"cells": built.cells, "probes": built.probes} if built.kind == "cells" else {})


def _state(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _bytes(place: Path | None) -> int | None:
    return None if place is None else sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def _words(name: str, value: Any) -> str:
    if name == "bytes":
        return "on no disk of this machine" if value is None else f"{value / 1e6:.1f} MB with the index"
    if name == "index":
        return "none yet; a query makes it" if value is None else _index_words(value)
    if name in ("gone", "changed"):
        return f"{value} files" + ("; hoodwink search index FOLDER brings the store up to date" if value else "")
    return one_line(value)


def _index_words(about: dict[str, Any]) -> str:
    how = "every picture is compared" if about["kind"] == "flat" else f"{about['probes']} of {about['cells']} cells are searched"
    old = "" if about["up_to_date"] else "; the store changed since, a query takes that in"
    return f"{how}, recall {about['recall']:.4f}, of {about['pictures']} pictures{old}"
