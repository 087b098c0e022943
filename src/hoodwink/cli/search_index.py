"""`hoodwink search index` and `add`: pictures embedded into a store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from hoodwink.cli.common import Choice, takes_models, takes_talk
from hoodwink.cli.search_common import one_model, open_for, takes_layer, takes_store
from hoodwink.cli.shards import asked_shard, own_device
from hoodwink.cli.talk import INTERRUPTED, Talk
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from hoodwink.models.embed import Embedder
    from hoodwink.search.folder import Broken, Plan
    from hoodwink.search.storage import Storage

_SHOWN = 20  # broken files that are named: all would fill the screen
_BATCH = 32


@click.command("index", epilog="\b\nExample:\n  hoodwink search index photos\n  hoodwink search index photos --shard 1/2")
@click.argument("folder", metavar="FOLDER")
@takes_store
@takes_layer
@click.option("--shard", metavar="I/N", help="Only the I-th of N parts, into the same store; auto: as torchrun or SLURM says.")
@takes_models
@takes_talk
def index_command(folder: str, store: str, layer: str, shard: str | None, choice: Choice, talk: Talk) -> None:
    """Bring a store up to date with a folder of pictures and those below it.

    Only what is new or changed is embedded. Files that moved keep their embedding, files that are gone leave the store, files that cannot
    be read are named and skipped. Each batch is kept once it is done: interrupted, the same line goes on. Ends with 2 if a file could not
    be read.
    """
    part = asked_shard(shard)
    _work(store, layer, own_device(choice, shard), talk, lambda kept: _plan(folder, kept, part), last=part is None)


@click.command("add", epilog="\b\nExample:\n  hoodwink search add cat.png more-photos")
@click.argument("paths", nargs=-1, required=True, metavar="FILE-OR-FOLDER...")
@takes_store
@takes_layer
@takes_models
@takes_talk
def add_command(paths: tuple[str, ...], store: str, layer: str, choice: Choice, talk: Talk) -> None:
    """Add pictures, or folders of them and those below, to a store; nothing leaves it. Ends with 2 if a file could not be read."""

    def planned(kept: Storage) -> Plan:
        from hoodwink.search.folder import plan_files

        return plan_files(paths, kept)

    _work(store, layer, choice, talk, planned)


def _plan(folder: str, store: Storage, shard: tuple[int, int] | None) -> Plan:
    from hoodwink.search.folder import plan

    return plan(folder, store, shard=shard or (1, 1))


def _work(where: str, layer: str, choice: Choice, talk: Talk, planned: Callable[[Storage], Plan], *, last: bool = True) -> None:
    """Plan, settle, embed, and (last) build the index."""
    from hoodwink.models.embed import as_embedder
    from hoodwink.search.folder import settle

    model = one_model(choice, talk)
    embedder = as_embedder(model, layer)
    with closing(open_for(where, model, embedder, layer)) as kept:
        try:
            with talk.busy("looking for what is new"):
                found = planned(kept)
                settle(kept, found)
            added, broken = _embed(kept, found, embedder, talk)
            index = _index(kept, where, talk) if last else None
        except KeyboardInterrupt:
            talk.code = INTERRUPTED
            talk.warn(f"interrupted; {one_line(where)} keeps what is done, {len(kept)} pictures; the same line goes on")
            talk.document({"store": where, "pictures": len(kept), "errors": talk.errors, "interrupted": True})
            return
        _conclude(where, kept, found, added, broken, index, talk)


def _embed(store: Storage, found: Plan, embedder: Embedder, talk: Talk) -> tuple[int, list[Broken]]:
    """Embed what is new; how many there were, and all files that could not be read."""
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
        done = embed_new(store, found, embed, _BATCH, prepare=model.encode, channels=channels, progress=step)
    return done.added, [*found.broken, *done.broken]


def _index(store: Storage, where: str, talk: Talk) -> dict[str, Any]:
    from hoodwink.evidence.searched import absolute, index_of

    with closing(index_of(store, absolute(where), say=talk.say)) as index:
        return {"how": index.note, "recall": 1.0 if index.built is None else index.built.recall}


def _conclude(where: str, store: Storage, found: Plan, added: int, broken: list[Broken], index: dict[str, Any] | None, talk: Talk) -> None:
    from hoodwink.cli.show import facts, heading

    _complain(broken, talk)
    groups = {"moved": found.moved, "copied": (*found.copied, *found.twins), "gone": found.gone}
    counts = {"embedded": added, "same": found.same + len(found.touched), **{name: len(group) for name, group in groups.items()}}
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
