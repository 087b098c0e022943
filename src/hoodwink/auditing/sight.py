"""How an audit's network is asked: pictures of one size in [0, 1] to logits, for the search and for the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hoodwink.models.model import Model

Logits = Callable[[Tensor], Tensor]
DRAWS = 9  # of a network that answers at random: the search takes the mean of so many, the verdict most of them
_GAPS = (0.05, 50.0)  # of logits whose margins and probabilities a search can work with
_WANTED = 4.0  # the median gap that others are scaled to


@dataclass(frozen=True)
class Sight:
    """What a network sees of pictures of one size.

    rows, columns: the part of a picture that it sees. judge: the original network, from that part on the grid k/255; judge_free: off
    it. search, free: the prepared one, whose logits may be scaled, on the grid and off it.
    """

    rows: slice
    columns: slice
    judge: Logits
    judge_free: Logits
    search: Logits
    free: Logits


@dataclass
class Sights:
    """The sight of each size, made when it is first wanted; `scale` multiplies the searched logits.

    network: from normalised pictures to logits, for the search. random: the network answers at random, so searches take the mean.
    """

    model: Model
    network: Logits
    random: bool = False
    scale: float = 1.0
    _made: dict[tuple[int, int], Sight] = field(default_factory=dict)

    def of(self, height: int, width: int) -> Sight:
        """The sight of pictures of a size in pixels."""
        if (height, width) not in self._made:
            self._made[height, width] = self._make(height, width)
        return self._made[height, width]

    def _make(self, height: int, width: int) -> Sight:
        twin, spot = self.model.preprocess(height, width), self.model.card.picture.geometry(height, width)
        plain = twin if twin.resize.passes else _Plain(twin.mean, twin.std, *spot.size)

        def judge(part: Tensor) -> Tensor:
            return self.model.outputs(twin(part).contiguous()).float()

        def judge_free(part: Tensor) -> Tensor:
            return self.model.outputs(plain(part).contiguous()).float()

        def search(part: Tensor) -> Tensor:
            seen = plain(part)
            logits = self.network(seen) if not self.random else torch.stack([self.network(seen) for _ in range(DRAWS)]).mean(0)
            return logits if self.scale == 1 else logits * self.scale

        return Sight(twin.rows, twin.columns, judge, judge_free, search, search)


class _Plain:
    """The preprocessing of pictures that are not resized: on the grid the same numbers, and off it no rounding."""

    def __init__(self, mean: Tensor, std: Tensor, height: int, width: int) -> None:
        # Spread over the picture: beside three channels that lie last in memory, numbers for each channel would cost three times as much.
        self.mean, self.std = (value.expand(-1, -1, height, width).contiguous(memory_format=torch.channels_last) for value in (mean, std))

    def __call__(self, part: Tensor) -> Tensor:
        return part.sub(self.mean).div(self.std)


def scale_for(logits: Tensor) -> float:
    """What to multiply logits by, so that margins and probabilities say something: 1 for most networks.

    Where a network is trained to have huge or tiny logits, cross-entropy has no gradient left (Carlini and Wagner 2017,
    arXiv:1608.04644), and a margin asked in logits means something else.
    """
    best = logits.topk(2, 1).values
    gap = float((best[:, 0] - best[:, 1]).median())
    return 1.0 if _GAPS[0] <= gap <= _GAPS[1] or gap <= 0 else _WANTED / gap
