"""Who still stands: a batch of pictures under search, and the best change found for each."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from hoodwink.attacks.losses import Loss, margin
from hoodwink.attacks.objectives import MARGIN
from hoodwink.attacks.queries import Queries, finite
from hoodwink.attacks.spaces import Pixels

Part = TypeVar("Part", Tensor, "Tensor | None")


class Standing:
    """The pictures of a batch that nothing found so far fools, and the best change found for each.

    Every question names changes in levels, of those that stand; a picture whose lead reaches MARGIN has fallen and leaves, and
    `kept` takes what belongs to it out of the search's own tensors. lead: the best one seen, N: of the target over all other classes,
    without a target of the best other class over the label. change: where it was seen. toward: classes that losses pull up while
    any other label fells.
    """

    def __init__(self, queries: Queries, space: Pixels, labels: Tensor, target: Tensor | None = None, toward: Tensor | None = None) -> None:
        count = len(labels)
        self.whole, self.space, self.queries, self.base = space, space, queries, queries
        self.rows = torch.arange(count, device=labels.device)
        self.lead = torch.full((count,), -torch.inf, device=labels.device)
        self.change = torch.zeros_like(space.low)
        self.up: Tensor | None = target
        self.down: Tensor | None = labels if target is None else None
        self.pull = self.up if toward is None else toward
        self._keep: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def pictures(self) -> Tensor:
        """The best picture found for each of the batch, [0, 1]."""
        return self.whole.decode(self.change)

    @property
    def fallen(self) -> Tensor:
        """Which of the batch have fallen, bool N."""
        return self.lead >= MARGIN

    def slope(self, change: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
        """The logits and the gradient of the loss by the picture at a change, of those that stood before and (`kept`) stand after."""
        logits, gradient = self.queries.slopes(
            self.space.decode(change), lambda logits, part: loss(logits, _part(self.pull, part), _part(self.down, part))
        )
        keep, gradient = self._note(change, logits), finite(gradient)
        if keep is None:
            return logits, gradient
        return logits[keep], gradient[keep]

    def look(self, change: Tensor) -> Tensor:
        """The lead of a change of those that stood; those that fell by it leave."""
        logits = self.queries.logits(self.space.decode(change))
        lead = margin(logits, self.up, self.down)
        keep = self._note(change, logits)
        return lead if keep is None else lead[keep]

    def kept(self, *parts: Part) -> tuple[Part, ...]:
        """Tensors of those that stood before the last question, reduced to those that stand after it."""
        keep = self._keep
        return parts if keep is None else tuple(None if part is None else part[keep] for part in parts)

    def _note(self, change: Tensor, logits: Tensor) -> Tensor | None:
        lead = margin(logits, self.up, self.down).to(self.lead)
        better = (lead > self.lead[self.rows]).nonzero()[:, 0]
        rows = self.rows[better]
        self.lead.index_copy_(0, rows, lead[better])
        self.change[rows] = change[better]  # channels stay last in memory; index_select would turn them
        stand = ~(lead >= MARGIN)  # where the network answers with what is no number, nothing fell
        self._keep = None if bool(stand.all()) else stand
        if self._keep is not None:
            self.rows, self.space = self.rows[stand], self.space.only(stand)
            self.up, self.down, self.pull = (_part(classes, stand) for classes in (self.up, self.down, self.pull))
            self.queries = self.base.only(self.rows)
        return self._keep


def _part(classes: Tensor | None, which: slice | Tensor) -> Tensor | None:
    return None if classes is None else classes[which]
