from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.data import resident as room
from hoodwink.data.folders import load_folder
from hoodwink.data.keys import keyed
from hoodwink.data.resident import batches, normalised, permutation, resident
from hoodwink.data.sets import DataSet, PictureFiles
from hoodwink.pictures.write import encode_png

from .conftest import put

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
SET = DataSet("made", "train", PICTURES, np.array([2, 0, 1, 1, 0]), ("a", "b", "c"))
PLANES = torch.from_numpy(PICTURES.transpose(0, 3, 1, 2).copy())


@pytest.fixture
def files(tmp_path: Path) -> DataSet:
    put(tmp_path / "in", {f"{'abc'[label]}/{i}.png": encode_png(PICTURES[i]) for i, label in enumerate([2, 0, 1, 1, 0])})
    data = load_folder(tmp_path / "in")
    assert data.files is not None
    return replace(data, pictures=PictureFiles(data.files))


def by_name(data: DataSet) -> torch.Tensor:
    assert data.files is not None
    return PLANES[[int(path.stem) for path in data.files]]


# one tensor


@pytest.mark.parametrize("portion", [1, 150, 1 << 24])
def test_a_set_is_one_tensor(portion: int, files: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_PORTION", portion)
    held = resident(SET)
    assert len(held) == 5 and held.pictures.is_contiguous() and held.pictures.dtype == torch.uint8
    assert torch.equal(held.pictures, PLANES)
    assert held.labels.dtype == torch.int64 and held.labels.tolist() == [2, 0, 1, 1, 0]
    assert torch.equal(resident(files).pictures, by_name(files))


def test_arrays_that_are_read_only_or_grey() -> None:
    grey = PICTURES[..., :1].copy()
    grey.setflags(write=False)
    held = resident(replace(SET, pictures=grey, labels=None, classes=()))
    assert torch.equal(held.pictures, PLANES[:, :1]) and held.labels.tolist() == [-1] * 5
    held.pictures.zero_()
    assert grey.any()


def test_rows_are_taken_by_their_indices() -> None:
    pictures, labels = resident(SET).take(torch.tensor([4, 0, 4]))
    assert torch.equal(pictures, PLANES[[4, 0, 4]]) and labels.tolist() == [0, 2, 0]


def test_pictures_of_several_sizes_are_an_error(files: DataSet) -> None:
    assert files.files is not None
    files.files[3].write_bytes(encode_png(np.zeros((7, 8, 3), np.uint8)))
    with pytest.raises(ValueError, match=r"the first has 6 x 4 pixels and .*\.png 8 x 7: bring all to one size first"):
        resident(files)


# more than memory holds


@pytest.mark.parametrize("from_files", [False, True])
def test_what_does_not_fit_is_written_once_and_read_from_the_disk(from_files: bool, files: DataSet, alone: Path) -> None:
    data = files if from_files else SET
    said: list[str] = []
    assert torch.equal(resident(data, memory=PICTURES.size, say=said.append).pictures, resident(data).pictures)
    assert said == [] and not alone.exists()
    for word in ("written to", "read from"):
        held = resident(data, memory=PICTURES.size - 1, say=said.append)
        assert torch.equal(held.pictures, resident(data).pictures) and held.labels.tolist() == resident(data).labels.tolist()
        assert f"are more than fits in memory: {word} {alone}" in said[-1]
    (path,) = (alone / "resident").iterdir()
    assert path.read_bytes() == resident(data).pictures.numpy().tobytes()
    held.pictures.zero_()  # nobody spoils the file
    assert torch.equal(resident(data, memory=0).pictures, resident(data).pictures)


def test_a_half_written_file_is_never_taken(files: DataSet, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_PORTION", 1)
    assert files.files is not None
    spoiled = files.files[3].read_bytes()
    files.files[3].write_bytes(b"text")
    with pytest.raises(ValueError, match="4.png: a picture in PNG, .* was wanted"):
        resident(files, memory=0)
    assert list((alone / "resident").iterdir()) == []
    files.files[3].write_bytes(spoiled)
    resident(files, memory=0)
    (path,) = (alone / "resident").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    assert torch.equal(resident(files, memory=0).pictures, by_name(files))


def test_other_pictures_have_a_file_of_their_own(alone: Path) -> None:
    resident(SET, memory=0)
    other = replace(SET, pictures=255 - PICTURES)
    assert torch.equal(resident(other, memory=0).pictures, 255 - PLANES)
    assert len(list((alone / "resident").iterdir())) == 2


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"file": b""})
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "file"))
    with pytest.raises(ValueError, match="cannot be written: .*; name another folder in HOODWINK_CACHE"):
        resident(SET, memory=0)


# batches


@given(count=st.integers(0, 40), size=st.integers(1, 15), seed=st.integers(0, 9), epoch=st.integers(0, 9), shuffle=st.booleans())
def test_every_index_once_an_epoch(count: int, size: int, seed: int, epoch: int, shuffle: bool) -> None:
    steps = list(batches(count, size, seed=seed, epoch=epoch, shuffle=shuffle))
    indices = [index for step in steps for index in step.tolist()]
    assert sorted(indices) == list(range(count)) and (shuffle or indices == sorted(indices))
    assert [len(step) for step in steps] == [size] * (count // size) + [count % size] * bool(count % size)
    assert all(step.dtype == torch.int64 for step in steps)
    assert shuffle is False or indices == permutation(count, seed, epoch).tolist()
    whole = list(batches(count, size, seed=seed, epoch=epoch, shuffle=shuffle, drop_last=True))
    assert len(whole) == count // size and all(torch.equal(*pair) for pair in zip(whole, steps, strict=False))


@given(data=st.data(), count=st.integers(0, 40), size=st.integers(1, 15), drop_last=st.booleans(), start=st.integers(0, 50))
def test_ranks_share_each_batch_and_start_goes_on(data: st.DataObject, count: int, size: int, drop_last: bool, start: int) -> None:
    fields: dict[str, Any] = {"seed": 3, "epoch": 1, "drop_last": drop_last}
    world = data.draw(st.integers(1, size))
    alone = list(batches(count, size, **fields))
    ranks = [list(batches(count, size, **fields, start=start, rank=rank, world=world)) for rank in range(world)]
    assert {len(steps) for steps in ranks} == {max(0, len(alone) - start)}
    for step, parts in zip(alone[start:], zip(*ranks, strict=True), strict=True):
        joined = torch.empty_like(step)
        for rank, part in enumerate(parts):
            assert abs(len(part) - len(step) / world) < 1
            joined[rank::world] = part
        assert torch.equal(joined, step)


def test_seeds_and_epochs_share_nothing() -> None:
    orders = {tuple(permutation(30, seed, epoch).tolist()) for seed in range(8) for epoch in range(8)}
    assert len(orders) == 64  # with seed + epoch there would be 15
    assert permutation(8, 0, 0).tolist() == [0, 4, 5, 2, 1, 7, 6, 3]  # as on every other machine


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"size": 0}, "a batch of 1 or more and a start of 0 or more were wanted, not 0 and 0"),
        ({"start": -1}, "not 4 and -1"),
        ({"rank": 2, "world": 2}, "a rank in 0..world - 1 and a world of at most 4, the batch, were wanted, not 2 of 2"),
        ({"rank": -1}, "not -1 of 1"),
        ({"world": 5}, "not 0 of 5"),
    ],
)
def test_bad_batches_are_refused_at_once(more: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        batches(**{"count": 10, "size": 4, "seed": 0, "epoch": 0} | more)  # type: ignore[arg-type]


def test_an_epoch_is_not_made_before_it_is_asked_for() -> None:
    assert len(list(islice(batches(10, 3, seed=0, epoch=0), 2))) == 2


# generators


def test_a_key_is_all_of_its_parts() -> None:
    keys = [("order", 0, 1), ("order", 1, 0), ("order", 0), ("augment", 0, 1), ("order", 0, 1, 0), ("order", 0, -1), ("order", 10)]
    first = [keyed(purpose, *numbers).initial_seed() for purpose, *numbers in keys]  # type: ignore[arg-type]
    assert len(set(first)) == len(keys) and all(0 <= seed < 1 << 63 for seed in first)
    assert keyed("order", 0, 1).initial_seed() == first[0]


# normalised


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.float16, 4e-3), (torch.bfloat16, 3e-2)]
)
def test_normalised_is_what_it_says(memory_format: torch.memory_format, dtype: torch.dtype, tolerance: float) -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(2, 3, 16, 16).contiguous(memory_format=memory_format)
    mean, std = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
    found = normalised(levels, mean, std, dtype)
    wanted = (levels.double() / 255 - torch.tensor(mean).double()[:, None, None]) / torch.tensor(std).double()[:, None, None]
    assert found.dtype == dtype and found.is_contiguous(memory_format=memory_format)
    # the oracle's mean and std are float32
    assert torch.allclose(found.double(), wanted, rtol=0, atol=max(tolerance, 1e-6))


@pytest.mark.parametrize(("mean", "std"), [((0.5,), (0.5,)), ((0.5,) * 3, (0.5,)), ((0.5,) * 3, (0.5, 0.0, 0.5))])
def test_a_mean_and_a_std_for_each_channel(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="a mean and a std above 0 for each of 3 channels were wanted"):
        normalised(PLANES, mean, std)
