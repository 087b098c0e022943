"""One of several processes that share the work: which part is its own, and which device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from hoodwink.cli.common import Choice

if TYPE_CHECKING:
    from hoodwink.auditing.shards import Shard


def asked_shard(text: str | None) -> Shard | None:
    """What --shard says: "2/8", or "auto" for what torchrun or SLURM say; None where all is to be done."""
    from hoodwink.auditing.shards import parse_shard, shard_of_environment

    if text is None:
        return None
    if text != "auto":
        return parse_shard(text)
    found = shard_of_environment()
    if found is None:
        raise click.UsageError(
            "--shard auto: neither torchrun (RANK, WORLD_SIZE) nor SLURM says that this is one of several; type --shard 1/8"
        )
    return found


def own_device(choice: Choice, shard: str | None) -> Choice:
    """With --shard auto every process of a machine takes a GPU of its own."""
    from hoodwink.auditing.shards import local_rank

    rank = local_rank() if shard == "auto" and choice.device == "cuda" else None
    if rank is None:
        return choice
    import torch

    return replace(choice, device=f"cuda:{rank % max(1, torch.cuda.device_count())}")
