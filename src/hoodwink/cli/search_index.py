"""`hoodwink search index` and `add`: pictures embedded into a store."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from hoodwink.cli.common import Choice, takes_max_pixels, takes_models, takes_talk
from hoodwink.cli.search_common import layer_of, one_model, open_for, says_refusals, takes_layer, takes_store
from hoodwink.cli.shards import asked_shard, own_device
from hoodwink.cli.talk import INTERRUPTED, Talk
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from hoodwink.models.embed import Embedder
    from hoodwink.search.folder import Broken, Embedded, Plan
    from hoodwink.search.storage import Storage

_SHOWN = 20  # broken files that are named: all would fill the screen
_BATCH = 32


@click.command("index", epilog="\b\nExample:\n  hoodwink search index photos\n  hoodwink search index photos --shard 1/2")
@click.argument("folder", metavar="FOLDER")
@takes_store
@takes_layer
@click.option("--shard", metavar="I/N", help="Only the I-th of N parts, into the same store; auto: as torchrun or SLURM says.")
@takes_max_pixels
@takes_models
@takes_talk
@says_refusals
def index_command(folder: str, store: str, layer: str | None, shard: str | None, max_pixels: int, choice: Choice, talk: Talk) -> None:
    """Bring a store up to date with a folder of pictures and those below it.

    Only what is new or changed is embedded. Files that moved keep their embedding, files that are gone leave the store, files that cannot
    be read are named and skipped. Each batch is kept once it is done: interrupted, the same line goes on. Ends with 2 if a file could not
    be read.
    """
    from hoodwink.search.folder import check_folder, plan

    part = asked_shard(shard)
    check_folder(folder)  # before a store is made
    whole = part is None
    _work(store, layer, own_device(choice, shard), talk, lambda kept: plan(folder, kept, shard=part or (1, 1)), max_pixels, last=whole)


@click.command("add", epilog="\b\nExample:\n  hoodwink search add cat.png more-photos")
@click.argument("paths", nargs=-1, required=True, metavar="FILE-OR-FOLDER...")
@takes_store
@takes_layer
@takes_max_pixels
@takes_models
@takes_talk
@says_refusals
def add_command(paths: tuple[str, ...], store: str, layer: str | None, max_pixels: int, choice: Choice, talk: Talk) -> None:
    """Add pictures, or folders of them and those below, to a store; nothing leaves it. Ends with 2 if a file could not be read."""
    from hoodwink.search.folder import plan_files
    from hoodwink.search.storage import SearchError

    if not any(os.path.lexists(one) for one in paths):  # before a store is made
        raise SearchError(f"{', '.join(map(one_line, paths))}: pictures or folders of them were wanted, nothing is there; name others")
    _work(store, layer, choice, talk, lambda kept: plan_files(paths, kept), max_pixels)


def _work(
    where: str,
    layer: str | None,
    choice: Choice,
    talk: Talk,
    planned: Callable[[Storage], Plan],
    max_pixels: int,
    *,
    last: bool = True,
) -> None:
    """Plan, settle, embed, and (last) build the index."""
    from hoodwink.models.embed import as_embedder
    from hoodwink.search.folder import settle

    model = one_model(choice, talk)
    layer = layer_of(where) if layer is None else layer
    embedder = as_embedder(model, layer)
    with closing(open_for(where, model, embedder, layer)) as kept:
        try:
            with talk.busy("looking for what is new"):
                found = settle(kept, planned(kept))
            done = _embed(kept, found, embedder, max_pixels, talk)
            index = _index(kept, where, talk) if last else None
        except KeyboardInterrupt:
            talk.code = INTERRUPTED
            talk.warn(f"interrupted; {one_line(where)} keeps what is done, {len(kept)} pictures; the same line goes on")
            talk.document({"store": where, "pictures": len(kept), "errors": talk.errors, "interrupted": True})
            return
        _conclude(where, kept, found, done, index, talk)


def _embed(store: Storage, found: Plan, embedder: Embedder, max_pixels: int, talk: Talk) -> Embedded:
    """Embed what is new."""
    import numpy as np
    import torch

    from hoodwink.cli.train import stepping
    from hoodwink.search.folder import embed_new

    model = embedder.model

    def embed(encoded: list[Any]) -> Any:
        if len({one.shape for one in encoded}) > 1:  # a network of no size of its own
            return np.concatenate([embedder.embed(one) for one in encoded])
        return embedder.embed(torch.cat(encoded))

    with stepping(talk, "picture") as step:
        channels = model.card.picture.channels
        limits = {"channels": channels, "max_pixels": max_pixels}
        return embed_new(store, found, embed, _BATCH, prepare=model.encode, progress=step, **limits)


def _index(store: Storage, where: str, talk: Talk) -> dict[str, Any]:
    from hoodwink.evidence.searched import absolute, index_of

    with closing(index_of(store, absolute(where), say=talk.say)) as index:
        return {"how": index.note, "recall": 1.0 if index.built is None else index.built.recall}


def _conclude(where: str, store: Storage, found: Plan, done: Embedded, index: dict[str, Any] | None, talk: Talk) -> None:
    from hoodwink.cli.show import facts, heading

    broken = [*found.broken, *done.broken]
    _complain(broken, talk)
    counts = {
        "embedded": done.added,
        "same": found.same + len(found.touched),
        "moved": len(found.moved),
        "copied": len(found.copied) + done.twins,
        "gone": len(found.gone),
    }
    talk.show(heading(where, f"{len(store)} pictures"), wrap=False)
    lines = [(name, str(count)) for name, count in counts.items() if count]
    if broken:
        lines.append(("not read", str(len(broken))))
    lines.append(("index", "made by the next query" if index is None else f"{index['how']}; recall {index['recall']:.4f}"))
    talk.show(facts(lines))
    unread = [{"path": one.path, "why": one.why} for one in broken]
    talk.document({"store": where, "pictures": len(store), **counts, "broken": unread, "index": index, "errors": talk.errors})


def _complain(broken: list[Broken], talk: Talk) -> None:
    """Name the files that were skipped."""
    from hoodwink.search.storage import SearchError

    for one in broken[:_SHOWN]:
        talk.error(SearchError(one.why), one_line(one.path))
    if len(broken) > _SHOWN:
        talk.error(SearchError(f"{len(broken) - _SHOWN} more files could not be read; --json names all"))
