from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.auditing.records import AuditError
from hoodwink.auditing.shards import fingerprints, local_rank, members, parse_shard, shard_folder, shard_of_environment, share_of


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, None),
        ({"RANK": "0", "WORLD_SIZE": "4"}, (1, 4)),
        ({"RANK": "3", "WORLD_SIZE": "4", "SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, (4, 4)),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"RANK": "0"}, None),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, (2, 2)),
        ({"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8", "SLURM_ARRAY_TASK_MIN": "1"}, (3, 8)),
        ({"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "8"}, (1, 8)),
        (
            {"SLURM_ARRAY_TASK_ID": "20", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_STEP": "5"},
            (3, 3),
        ),
        (
            {
                "SLURM_ARRAY_TASK_ID": "1",
                "SLURM_ARRAY_TASK_COUNT": "1",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_PROCID": "1",
                "SLURM_NTASKS": "2",
            },
            (2, 2),
        ),
    ],
)
def test_the_environment_says_which_worker_this_is(environment: dict[str, str], wanted: tuple[int, int] | None) -> None:
    assert shard_of_environment(environment) == wanted


@pytest.mark.parametrize(
    "environment",
    [
        {"SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"},  # --array=1,4,9
        {"RANK": "4", "WORLD_SIZE": "4"},
        {"RANK": "one", "WORLD_SIZE": "4"},
    ],
)
def test_an_environment_without_sense(environment: dict[str, str]) -> None:
    with pytest.raises(AuditError, match="--shard 1/8"):
        shard_of_environment(environment)


def test_the_process_on_its_machine() -> None:
    assert local_rank({}) is None
    assert local_rank({"LOCAL_RANK": "2", "SLURM_LOCALID": "1"}) == 2
    assert local_rank({"SLURM_LOCALID": "1"}) == 1


def test_shards_as_typed() -> None:
    assert parse_shard("2/8") == (2, 8)
    for text in ("0/8", "9/8", "2", "2/", "/8", "a/b", "-1/8", "1.5/8", ""):
        with pytest.raises(AuditError, match="--shard 2/8"):
            parse_shard(text)


def test_folders_sort_as_numbers_do() -> None:
    names = [shard_folder(Path("out"), (k, 12)).name for k in range(1, 13)]
    assert names[0] == "shard-01-of-12"
    assert names == sorted(names)


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 7))
def test_every_picture_is_one_workers_and_equal_ones_the_same(contents: list[int], count: int) -> None:
    hashes = [f"{7919 * content % 1000:03d}" for content in contents]
    parts = [members(hashes, (k, count)).tolist() for k in range(1, count + 1)]
    assert sorted(index for part in parts for index in part) == list(range(len(hashes)))
    owners = [{hashes[index] for index in part} for part in parts]
    assert sum(map(len, owners)) == len(set(hashes))
    assert max(map(len, owners)) - min(map(len, owners)) <= 1
    assert all(part == sorted(part) for part in parts)


def test_fingerprints_are_of_the_content_and_the_shape() -> None:
    pictures = np.arange(3 * 4 * 2 * 3, dtype=np.uint8).reshape(3, 4, 2, 3)
    first = fingerprints(pictures)
    assert len(set(first)) == 3
    assert fingerprints(list(pictures[::-1])) == first[::-1]
    assert fingerprints([pictures[0].reshape(2, 4, 3)])[0] != first[0]
    assert fingerprints(pictures.transpose(0, 2, 1, 3)) == fingerprints(np.ascontiguousarray(pictures.transpose(0, 2, 1, 3)))


@given(st.integers(0, 200), st.integers(1, 20))
def test_the_shards_post_as_many_sentinels_as_one_go(sentinels: int, count: int) -> None:
    assert sentinels <= count * share_of(sentinels, (1, count)) < sentinels + count
