"""What a training is fed with: a set that knows its batches, and gives them as the network takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor, nn

from hoodwink.data.augment import Augmentation, augment
from hoodwink.data.keys import keyed
from hoodwink.data.resident import Resident, batches, normalised
from hoodwink.texts.batches import GROUPINGS, Padded

Batch = tuple[Tensor, Tensor]  # inputs, and what is wanted of them


class Feed(Protocol):
    """A set of examples."""

    def __len__(self) -> int: ...

    def steps(self, size: int) -> int:
        """How many batches of at most so many examples an epoch has."""

    def batches(self, size: int, *, seed: int, epoch: int, start: int, rank: int, world: int) -> Iterator[Tensor]:
        """The indices, int64, of each batch of an epoch from `start` on; of each a process takes its part."""

    def drawn(self, indices: Sequence[Tensor], generator: torch.Generator) -> Iterator[Batch]:
        """These batches to learn from, varied at random."""

    def take(self, indices: Tensor) -> Batch:
        """Examples as they are, to judge by."""

    def part(self, indices: Tensor) -> Feed:
        """Some of the examples."""

    def suited(self, network: nn.Module) -> Feed:
        """The same in the form that a network reads fastest."""


@dataclass(frozen=True, eq=False)
class PictureFeed:
    """Pictures and labels. mean, std: for each channel of pictures in [0, 1]. channels_last: in memory, where convolutions read them.

    itself: what is wanted is the picture as the network takes it, not its label.
    """

    data: Resident
    mean: tuple[float, ...]
    std: tuple[float, ...]
    how: Augmentation = field(default_factory=Augmentation)
    channels_last: bool = False
    itself: bool = False

    def __len__(self) -> int:
        return len(self.data)

    def steps(self, size: int) -> int:
        return -(-len(self) // size)

    def batches(self, size: int, *, seed: int, epoch: int, start: int, rank: int, world: int) -> Iterator[Tensor]:
        return batches(len(self), size, seed=seed, epoch=epoch, start=start, rank=rank, world=world)

    def drawn(self, indices: Sequence[Tensor], generator: torch.Generator) -> Iterator[Batch]:
        """All at once: small batches are varied and normalised faster together."""
        pictures, labels = self.data.take(torch.cat(list(indices)))
        counts = [len(part) for part in indices]
        inputs = self._shaped(augment(pictures, self.how, generator))
        wanted = inputs if self.itself else labels
        return zip(torch.split(inputs, counts), torch.split(wanted, counts), strict=True)

    def take(self, indices: Tensor) -> Batch:
        pictures, labels = self.data.take(indices)
        inputs = self._shaped(pictures)
        return inputs, inputs if self.itself else labels

    def part(self, indices: Tensor) -> PictureFeed:
        return replace(self, data=Resident(*self.data.take(indices)))

    def suited(self, network: nn.Module) -> PictureFeed:
        return replace(self, channels_last=suits_channels_last(network))

    def _shaped(self, pictures: Tensor) -> Tensor:
        inputs = normalised(pictures, self.mean, self.std)
        return inputs.contiguous(memory_format=torch.channels_last) if self.channels_last else inputs


@dataclass(frozen=True, eq=False)
class TextFeed:
    """Texts as indices. labels: int64, N, on the device; None: what is wanted is, at each step, the next index. grouping: of GROUPINGS."""

    data: Padded
    labels: Tensor | None
    grouping: str = "shuffled"
    device: str = "cpu"

    def __len__(self) -> int:
        return len(self.data)

    def steps(self, size: int) -> int:
        if self.grouping != "equal":
            return -(-len(self) // size)
        return sum(-(-count // size) for count in torch.unique(self.data.lengths, return_counts=True)[1].tolist())

    def batches(self, size: int, *, seed: int, epoch: int, start: int, rank: int, world: int) -> Iterator[Tensor]:
        found = GROUPINGS[self.grouping](self.data.lengths, size, keyed("order", seed, epoch))
        return (batch[rank::world] for batch in islice(found, start, None))

    def drawn(self, indices: Sequence[Tensor], generator: torch.Generator) -> Iterator[Batch]:
        return map(self.take, indices)

    def take(self, indices: Tensor) -> Batch:
        found = self.data.take(indices).indices.to(self.device)
        if self.labels is None:
            return found[:, :-1], found[:, 1:]
        return found, self.labels[indices.to(self.labels.device)]

    def part(self, indices: Tensor) -> TextFeed:
        return replace(
            self, data=self.data.take(indices), labels=None if self.labels is None else self.labels[indices.to(self.labels.device)]
        )

    def suited(self, network: nn.Module) -> TextFeed:
        return self


def suits_channels_last(network: nn.Module) -> bool:
    """Whether a network's convolutions are quicker with their channels last in memory, and safe: some read several channels.

    oneDNN writes beyond its memory for the weights' gradient of 1 x 1 convolutions that stride over fewer than 16 channels
    (uxlfoundation/oneDNN#6035); not where channels come first.
    """
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    return any(one.in_channels > 1 for one in convolutions) and not any(map(_written_beyond, convolutions))


def _written_beyond(one: nn.Conv2d) -> bool:
    return max(one.kernel_size) == 1 and max(one.stride) > 1 and one.in_channels // one.groups < 16
