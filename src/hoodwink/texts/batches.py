"""Sequences of unequal length in batches: padded, of equal length, or of similar length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hoodwink.texts.read import TextError

PAD = 0


@dataclass(frozen=True, eq=False)
class Padded:
    """N sequences side by side. indices: int64, N x T, PAD behind each end; lengths: int64, N, at least 1."""

    indices: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: Tensor) -> Padded:
        """Some of them, no wider than their longest."""
        lengths = self.lengths[rows]
        return Padded(self.indices[rows, : int(lengths.max())] if len(rows) else self.indices[:0], lengths)


def pad(sequences: Sequence[Sequence[int]]) -> Padded:
    """Put sequences of indices side by side; TextError for an empty one, which has no last step."""
    empty = [k for k, one in enumerate(sequences) if not len(one)]
    if empty:
        raise TextError(f"sequences of one step or more were wanted, number {empty[0]} of {len(sequences)} is empty")
    lengths = torch.tensor([len(one) for one in sequences], dtype=torch.int64)
    indices = torch.full((len(sequences), int(lengths.max()) if len(sequences) else 0), PAD, dtype=torch.int64)
    if len(sequences):
        flat = torch.tensor([step for one in sequences for step in one], dtype=torch.int64)
        indices[torch.arange(indices.shape[1])[None] < lengths[:, None]] = flat
    return Padded(indices, lengths)


def equal_length(lengths: Tensor, size: int, generator: torch.Generator) -> list[Tensor]:
    """Batches of indices, each of sequences of one length, at most `size`, in a random order: no step is wasted, batches may be small."""
    order = torch.randperm(len(lengths), generator=generator)
    order = order[torch.sort(lengths[order], stable=True).indices]
    groups = torch.split(order, torch.unique_consecutive(lengths[order], return_counts=True)[1].tolist())
    return _shuffled([batch for group in groups for batch in torch.split(group, size)], generator)


def buckets(lengths: Tensor, size: int, generator: torch.Generator) -> list[Tensor]:
    """Batches of `size` indices of sequences of similar length, in a random order.

    Sequences are shuffled, sorted by length (equal ones stay as they were shuffled) and cut: padding then wastes few steps.
    """
    order = torch.randperm(len(lengths), generator=generator)
    order = order[torch.sort(lengths[order], stable=True).indices]
    return _shuffled(list(torch.split(order, size)), generator)


def shuffled(lengths: Tensor, size: int, generator: torch.Generator) -> list[Tensor]:
    """Batches of `size` indices in a random order, whatever the lengths are."""
    return list(torch.split(torch.randperm(len(lengths), generator=generator), size))


GROUPINGS: dict[str, Callable[[Tensor, int, torch.Generator], list[Tensor]]] = {
    "equal": equal_length,
    "buckets": buckets,
    "shuffled": shuffled,
}


def waste(lengths: Tensor, batches: Sequence[Tensor]) -> float:
    """The share of steps that are padding when these batches are padded to their longest."""
    padded = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
    return 1 - int(lengths.sum()) / padded if padded else 0.0


class Pairs:
    """An iterator of (feature, label) pairs that goes through them in another order at each pass, nested and repeated passes too."""

    def __init__(self, features: Sequence[object], labels: Sequence[object], *, seed: int = 0) -> None:
        if len(features) != len(labels):
            raise TextError(f"a label for each of {len(features)} features was wanted, there are {len(labels)}")
        self.features, self.labels = features, labels
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self.features)

    def __iter__(self) -> Iterator[tuple[object, object]]:
        """A new pass: its order is drawn when it begins, and it keeps its own place."""
        order = torch.randperm(len(self), generator=self.generator).tolist()
        return ((self.features[k], self.labels[k]) for k in order)


def _shuffled(batches: list[Tensor], generator: torch.Generator) -> list[Tensor]:
    return [batches[k] for k in torch.randperm(len(batches), generator=generator).tolist()]
