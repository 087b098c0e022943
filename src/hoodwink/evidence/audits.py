"""Audits judged again: the felling pictures from their file, the original network, one by one. Knows nothing of attacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from hoodwink.models.model import Model
from hoodwink.pictures.levels import Levels, distances, radius
from hoodwink.runs import RunError, one_line

FOOLED = "fooled.safetensors"
_ALIKE, _EACH = ("pictures", "originals"), ("picture.", "original.")


@dataclass(frozen=True, eq=False)
class Felled:
    """The felling pictures of an audit, in order of their index in the data set.

    pictures, originals: uint8 H x W x C. index: int64, in the data set. label: int64, the true class. case: which of the claim's balls
    (the first that it lies in) felled it.
    """

    pictures: Sequence[Levels]
    originals: Sequence[Levels]
    index: np.ndarray[Any, np.dtype[np.int64]]
    label: np.ndarray[Any, np.dtype[np.int64]]
    case: np.ndarray[Any, np.dtype[np.int64]]

    def __len__(self) -> int:
        return len(self.index)

    def pack(self) -> bytes:
        """The bytes of a safetensors file: one tensor of all pictures where they are of one size, else one for each."""
        tensors: dict[str, Any] = {"index": self.index, "label": self.label, "case": self.case}
        for name, each, levels in zip(_ALIKE, _EACH, (self.pictures, self.originals), strict=True):
            if len({one.shape for one in levels}) == 1:
                tensors[name] = np.stack(levels)
            else:
                tensors |= {f"{each}{k:08d}": np.ascontiguousarray(one) for k, one in enumerate(levels)}
        return save(tensors)

    @staticmethod
    def read(path: str | Path) -> Felled:
        """Read what `pack` made; RunError names a file that holds something else."""
        try:
            tensors = load_file(path)
            alike, each = (_levels(tensors, name, one) for name, one in zip(_ALIKE, _EACH, strict=True))
            found = Felled(alike, each, tensors["index"], tensors["label"], tensors["case"])
        except (OSError, SafetensorError, KeyError) as error:
            raise RunError(f"{one_line(path)}: the pictures of an audit were wanted, they cannot be read: {one_line(error)}") from error
        if not len(found.pictures) == len(found.originals) == len(found.index) == len(found.label) == len(found.case):
            raise RunError(f"{one_line(path)}: as many pictures as originals, indices, labels and cases were wanted")
        return found


def _levels(tensors: Mapping[str, Any], alike: str, each: str) -> Sequence[Levels]:
    if alike in tensors:
        return list(tensors[alike])
    return [tensors[name] for name in sorted(tensors) if name.startswith(each)]


def labels_of(pictures: Sequence[Levels], model: Model, *, draws: int = 1) -> Iterator[int]:
    """The label that the original network gives to each picture, read as a file is and asked alone; of `draws` the most frequent."""
    for levels in pictures:
        encoded = model.encode(levels)
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            seen = [int(model.outputs(encoded).argmax()) for _ in range(draws)]
        yield max(set(seen), key=seen.count)


def holding(found: Felled, cases: Sequence[Mapping[str, Any]], model: Model, *, draws: int = 1) -> Iterator[str]:
    """For each felling picture what is wrong with it, "" where it holds: another label than its own, the original rightly classified,
    and inside the ball of its case ({norm, eps})."""
    for picture, original, label, case, now, before in zip(
        found.pictures,
        found.originals,
        found.label,
        found.case,
        labels_of(found.pictures, model, draws=draws),
        labels_of(found.originals, model, draws=draws),
        strict=True,
    ):
        if before != label:
            yield "its original is not rightly classified"
        elif now == label:
            yield "it gets its own label"
        else:
            yield _outside(picture, original, cases[case])


def _outside(picture: Levels, original: Levels, case: Mapping[str, Any]) -> str:
    norm, eps = str(case["norm"]), float(case["eps"])
    if picture.shape != original.shape:
        return "it has another size than its original"
    size, reach = getattr(distances(original, picture), norm), radius(eps, norm)
    return "" if size <= reach * (1 + 1e-9) else f"it lies outside its ball: {norm} {size:g}, {reach:g} is allowed"
