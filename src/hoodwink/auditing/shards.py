"""An audit on many machines: who takes which pictures, without talking to each other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.auditing.records import AuditError
from hoodwink.pictures.levels import Levels

Shard = tuple[int, int]  # (i, n): the i-th of n, from 1
Rows = np.ndarray[Any, np.dtype[np.int64]]
_DIGITS = 16  # of a picture's hash: two of a million pictures share one with a chance of 3e-8


def shard_of_environment(environment: Mapping[str, str] | None = None) -> Shard | None:
    """Which shard this process is, from what torchrun (RANK, WORLD_SIZE) or SLURM (of an array job's task, else of the process) says.

    None where neither says anything, or that there is one process only. Raises AuditError for numbers that make no sense.
    """
    known = os.environ if environment is None else environment
    for place, count, first, step in (
        ("RANK", "WORLD_SIZE", "", ""),
        ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"),
        ("SLURM_PROCID", "SLURM_NTASKS", "", ""),
    ):
        if place in known and count in known:
            index = (_whole(known, place) - _whole(known, first, 0)) // max(1, _whole(known, step, 1)) + 1
            total = _whole(known, count)
            if not 1 <= index <= total:
                raise AuditError(
                    f"{place}={known[place]} of {count}={known[count]}: tasks without gaps were wanted, such as --array=1-8; else type --shard 1/8"
                )
            if total > 1:
                return index, total
    return None


def local_rank(environment: Mapping[str, str] | None = None) -> int | None:
    """Which of the processes on this machine this one is, from 0, as torchrun or SLURM says; None where neither does."""
    known = os.environ if environment is None else environment
    name = next((name for name in ("LOCAL_RANK", "SLURM_LOCALID") if name in known), None)
    return None if name is None else _whole(known, name)


def parse_shard(text: str) -> Shard:
    """Read "2/8", the second of eight; AuditError says what was wanted."""
    index, slash, count = text.partition("/")
    if slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count):
        return int(index), int(count)
    raise AuditError(f"shard: i/n with i from 1 to n was wanted, not {text!r}; type --shard 2/8, or --shard auto under torchrun or SLURM")


def fingerprints(pictures: Sequence[Levels] | Levels) -> tuple[str, ...]:
    """A hash of the content of each picture, uint8 H x W x C."""
    found = []
    for levels in pictures:
        digest = hashlib.sha256(f"{levels.shape}\n".encode())
        digest.update(np.ascontiguousarray(levels).data)
        found.append(digest.hexdigest()[:_DIGITS])
    return tuple(found)


def members(hashes: Sequence[str], shard: Shard) -> Rows:
    """The indices of a shard's pictures, given the hash of every picture of the data set.

    The hashes in their order are dealt out in turn: every worker finds the same split, none has over one hash more than another, and
    equal pictures are the same worker's.
    """
    index, count = shard
    owner = {digest: turn % count + 1 for turn, digest in enumerate(sorted(set(hashes)))}
    return np.array([k for k, digest in enumerate(hashes) if owner[digest] == index], dtype=np.int64)


def shard_folder(out: Path, shard: Shard) -> Path:
    """The run folder of a shard: equally long numbers, so that folders sort."""
    index, count = shard
    return out / f"shard-{index:0{len(str(count))}d}-of-{count}"


def share_of(sentinels: int, shard: Shard) -> int:
    """How many sentinels each shard posts, so that together there are as many as in one go, or a few more."""
    return -(-sentinels // shard[1])


def _whole(known: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = known.get(name, default)
    try:
        return int(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise AuditError(f"the environment's {name} should be a whole number, it is {text!r}; type --shard 1/8 instead of auto") from None
