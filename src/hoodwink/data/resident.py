"""A data set as one tensor on the device, and the indices of each step's batch."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import torch
from torch import Tensor

from hoodwink.data.cards import DataError
from hoodwink.data.fetch import cache_folder
from hoodwink.data.keys import keyed
from hoodwink.data.sets import DataSet, PictureFiles
from hoodwink.pictures.levels import Levels
from hoodwink.runs import reason

_PORTION = 1 << 24  # bytes turned at a time
_SHARE = 2  # a set may fill one part in so many of the memory that is free: training wants the rest


@dataclass(frozen=True, eq=False)
class Resident:
    """A data set in hand. pictures: uint8, N x C x H x W, contiguous; labels: int64, N, -1 where there are none.

    Both are on the device that was asked for, or, where the pictures are more than that holds, on the CPU (and then maybe on disk).
    """

    pictures: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.pictures)

    def take(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures and labels of these indices (int64, any device), copied."""
        there = indices.to(self.pictures.device)
        return self.pictures.index_select(0, there), self.labels.index_select(0, there)


def resident(
    data: DataSet, device: str | torch.device = "cpu", *, memory: int | None = None, say: Callable[[str], None] | None = None
) -> Resident:
    """Put a data set into one uint8 tensor on a device.

    What does not fit stays on the CPU; what does not fit there is written, once, to a file in the cache and read from the disk as
    batches ask for it. memory: bytes that the pictures may fill; without it, half of what is free. say: is told when that happens.
    Raises DataError, a ValueError, for pictures of different sizes.
    """
    shape = _shape(data)
    device, size = torch.device(device), math.prod(shape)
    say = say or (lambda _: None)
    if device.type != "cpu" and size > _limit(memory, device):
        say(f"{data.name}: its {size / 1e6:.0f} MB are more than {device} holds: they stay on the CPU")
        device = torch.device("cpu")
    if device.type == "cpu" and size > _limit(memory, device):
        pictures = _on_disk(data, shape, say)
    else:
        pictures = torch.empty(shape, dtype=torch.uint8, device=device)
        for start, portion in _portions(data, shape):
            _put(pictures[start : start + len(portion)], portion)
    labels = np.full(len(data), -1, np.int64) if data.labels is None else data.labels
    return Resident(pictures, torch.tensor(labels, dtype=torch.int64, device=device))


def permutation(count: int, seed: int, epoch: int) -> Tensor:
    """The order, int64, in which an epoch goes through a set; it depends on the seed and the epoch alone, on any machine."""
    return torch.randperm(count, generator=keyed("order", seed, epoch))


def batches(
    count: int,
    size: int,
    *,
    seed: int,
    epoch: int,
    start: int = 0,
    drop_last: bool = False,
    shuffle: bool = True,
    rank: int = 0,
    world: int = 1,
) -> Iterator[Tensor]:
    """The indices, int64, of each step of an epoch, from step `start` on.

    size: pictures of a step, over all ranks; rank r of `world` gets rows r, r + world, ... of each, so that the ranks together make the
    same steps as one alone (in a short last step a rank may have none). drop_last: without that step. Raises ValueError.
    """
    if size < 1 or start < 0:
        raise ValueError(f"a batch of 1 or more and a start of 0 or more were wanted, not {size} and {start}")
    if not 0 <= rank < world <= size:
        raise ValueError(f"a rank in 0..world - 1 and a world of at most {size}, the batch, were wanted, not {rank} of {world}")
    order = permutation(count, seed, epoch) if shuffle else torch.arange(count)
    end = count - count % size if drop_last else count
    return (order[first : min(first + size, end)][rank::world] for first in range(start * size, end, size))


def normalised(pictures: Tensor, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype = torch.float32) -> Tensor:
    """(levels / 255 - mean) / std for each channel of N x C x H x W, in the memory format of the pictures, to float32's rounding.

    Raises ValueError unless there are a mean and a std, above 0, for each channel.
    """
    if not pictures.shape[1] == len(mean) == len(std) or min(std) <= 0:
        raise ValueError(f"a mean and a std above 0 for each of {pictures.shape[1]} channels were wanted, not {list(mean)} and {list(std)}")
    wide = torch.float64 if dtype == torch.float64 else torch.float32  # half floats would round twice
    factor = torch.tensor([1 / (255 * s) for s in std], dtype=wide, device=pictures.device)[:, None, None]
    offset = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], dtype=wide, device=pictures.device)[:, None, None]
    return pictures.to(wide).mul_(factor).add_(offset).to(dtype)


def _shape(data: DataSet) -> tuple[int, int, int, int]:
    if isinstance(data.pictures, PictureFiles):
        height, width, channels = data.pictures[0].shape
    else:
        _, height, width, channels = data.pictures.shape
    return len(data), channels, height, width


def _portions(data: DataSet, shape: tuple[int, int, int, int]) -> Iterator[tuple[int, Levels]]:
    """Where each portion of the pictures begins, and the portion, N x C x H x W, not yet in that order in memory."""
    count = max(1, _PORTION // max(1, shape[1] * shape[2] * shape[3]))
    for start in range(0, len(data), count):
        part = data.pictures[start : start + count]
        levels = _stacked(part, shape) if isinstance(part, PictureFiles) else part
        yield start, levels.transpose(0, 3, 1, 2)


def _put(place: Tensor, levels: Levels) -> None:
    if place.device.type == "cpu":
        place.numpy()[...] = levels
    else:
        place.copy_(torch.from_numpy(levels.copy(order="C")))


def _stacked(pictures: PictureFiles, shape: tuple[int, int, int, int]) -> Levels:
    _, channels, height, width = shape
    levels = np.empty((len(pictures), height, width, channels), np.uint8)
    for index, picture in enumerate(pictures):
        if picture.shape != levels.shape[1:]:
            raise DataError(
                f"pictures of one size were wanted, the first has {width} x {height} pixels and {pictures.paths[index]}"
                f" {picture.shape[1]} x {picture.shape[0]}: bring all to one size first"
            )
        levels[index] = picture
    return levels


def _on_disk(data: DataSet, shape: tuple[int, int, int, int], say: Callable[[str], None]) -> Tensor:
    """The pictures in a file of the cache, mapped; other bytes or shapes have a file of their own."""
    size = math.prod(shape)
    path = cache_folder("resident") / f"{data.sha256}-{'x'.join(map(str, shape))}.levels"
    there = path.is_file() and path.stat().st_size == size
    say(f"{data.name}: its {size / 1e6:.0f} MB are more than fits in memory: {'read from' if there else 'written to'} {path}")
    if not there:
        try:
            _write(path, data, shape)
        except OSError as error:
            raise DataError(f"{path}: cannot be written: {reason(error)}; name another folder in HOODWINK_CACHE") from error
    # Copy on write: torch has no read-only tensors, and the file stays as it is.
    return torch.from_numpy(np.memmap(path, np.uint8, "c", shape=shape))


def _write(path: Path, data: DataSet, shape: tuple[int, int, int, int]) -> None:
    """Write under another name first: a file that was half written is never taken, nor that of another process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        try:
            for _, portion in _portions(data, shape):
                file.write(portion.tobytes())
            file.flush()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _limit(memory: int | None, device: torch.device) -> float:
    """How many bytes pictures may fill there; without bound where that cannot be learned."""
    if memory is not None:
        return memory
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / _SHARE
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")) / _SHARE
    except (OSError, StopIteration):
        return math.inf
