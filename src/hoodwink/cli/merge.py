"""`hoodwink merge`: the shards of an audit, joined into one run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hoodwink.cli.answer import conclude, takes_wanted, wanted
from hoodwink.cli.common import takes_talk
from hoodwink.cli.talk import Talk

MERGED = "merged"


@click.command("merge", epilog="\b\nExample:\n  hoodwink merge hoodwink-audit")
@click.argument("folders", nargs=-1, required=True, metavar="DIR | OUT SHARD...")
@click.option("--force", is_flag=True, help="Replace the run that is there.")
@takes_wanted
@takes_talk
def merge_command(folders: tuple[str, ...], force: bool, talk: Talk, **asked: Any) -> None:
    """Join the shards of an audit.

    DIR is the --out of audits with --shard: the shards in it are joined in DIR/merged. Or name the new folder OUT and each SHARD. Counts
    are added, as if all had been done in one go. Ends as hoodwink audit does.
    """
    ending = wanted(asked, force)
    with talk.busy("merging"):
        from hoodwink.auditing.merge import find_shards, merge

        shards = find_shards(folders[0]) if len(folders) == 1 else [Path(folder) for folder in folders[1:]]
        out = Path(folders[0]) / MERGED if len(folders) == 1 else Path(folders[0])
        run = merge(shards, out, force=force, arguments=list(click.get_current_context().obj or ()))
    talk.say(f"{len(shards)} shards joined")
    conclude(run.record, out, ending, talk)
