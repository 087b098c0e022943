"""The smallest change found that fools, for each picture of a batch: what minimal attacks keep."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from hoodwink.attacks.balls import BALLS, Ball, each, l2_size
from hoodwink.attacks.losses import Loss, margin
from hoodwink.attacks.objectives import MARGIN
from hoodwink.attacks.queries import Queries, finite
from hoodwink.attacks.spaces import Pixels

Part = TypeVar("Part", bound=Tensor)


class Nearest:
    """The pictures of a batch under a search for smaller changes, and for each the smallest one found that fools.

    A picture that fools as it is leaves; `kept` takes what belongs to it out of the search's own tensors. size: of the smallest
    change, N, in levels, infinite where none was found. change: it, zero where none was found.
    """

    def __init__(self, queries: Queries, pictures: Tensor, labels: Tensor, target: Tensor | None, ball: Ball) -> None:
        count = len(labels)
        self.whole = self.space = Pixels(pictures)
        self.queries, self.base, self.ball = queries, queries, ball
        self.rows = torch.arange(count, device=labels.device)
        self.size = torch.full((count,), torch.inf, device=labels.device)
        self.change = torch.zeros_like(self.space.low)
        self.up: Tensor | None = target
        self.down: Tensor | None = labels if target is None else None
        self._keep: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def pictures(self) -> Tensor:
        """The nearest picture found for each of the batch, [0, 1]; unchanged where none was."""
        return self.whole.decode(self.change)

    def slope(self, change: Tensor, loss: Loss) -> tuple[Tensor, Tensor, Tensor]:
        """The lead of a change, its size in levels, and the loss's gradient by the picture, of those that are still searched."""

        def asked(logits: Tensor, part: slice) -> Tensor:
            return loss(logits, *(None if classes is None else classes[part] for classes in (self.up, self.down)))

        logits, gradient = self.queries.slopes(self.space.decode(change), asked)
        lead, size, gradient = self.kept(*self._note(change, logits), finite(gradient))
        return lead, size, gradient

    def look(self, change: Tensor) -> Tensor:
        """The lead of a change."""
        return self._note(change, self.queries.logits(self.space.decode(change)))[0]

    def kept(self, *parts: Part) -> tuple[Part, ...]:
        """Tensors of those that were searched before the last slope, reduced to those that are after it."""
        keep = self._keep
        return parts if keep is None else tuple(part[keep] for part in parts)  # type: ignore[misc]

    def only(self, which: Tensor) -> None:
        """Search on for some alone; which: bool, of those that are still searched."""
        self.rows, self.space = self.rows[which], self.space.only(which)
        self.up, self.down = (None if classes is None else classes[which] for classes in (self.up, self.down))
        self.queries = self.base.only(self.rows)

    def _note(self, change: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        lead = margin(logits, self.up, self.down).to(self.size).nan_to_num(-torch.inf, torch.inf, -torch.inf)
        size = self.ball.size(change)
        better = ((lead >= MARGIN) & (size < self.size[self.rows])).nonzero()[:, 0]
        rows = self.rows[better]
        self.size[rows] = size[better]
        self.change[rows] = change[better]
        done = self.size[self.rows] == 0
        self._keep = ~done if bool(done.any()) else None
        if self._keep is not None:
            self.only(self._keep)
        return lead, size


def led(gradient: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The gradients, one at random where there is none, and their L2 sizes, N."""
    slope = l2_size(gradient)
    if not bool(slope.all()):
        gradient = gradient + each(slope == 0, gradient) * BALLS["l2"].random(gradient, 1.0, generator)
        slope = l2_size(gradient)
    return gradient, slope
