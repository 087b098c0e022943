"""What a search climbs where embeddings are compared: the answers to a question become those to another, among embeddings handed in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hoodwink.attacks.objectives import Goal

LEAD = 1e-4  # asked above every rival, in cosines: another machine's rounding of embeddings moves one by less than 1e-5
NOWHERE = -2.0  # the lead of an embedding without a direction, which nothing is near to: no other is so low
SOFT = 0.02  # cosines as close as that share the gradient


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Which answers a question shall get.

    wanted: unit vectors k x D, of k answers, the one that shall be the first of all before the others. rivals: unit vectors n x D of
    all that may come between. least: of the k answers, how many shall be wanted ones.
    """

    wanted: Tensor
    rivals: Tensor
    least: int

    def lead(self, embeddings: Tensor) -> Tensor:
        """By how much the cosines of embeddings N x D hold it, N: positive exactly when the first answer is, and `least` of k are, wanted.

        Of the k nearest at least m are wanted exactly when the m-th nearest wanted one is nearer than the (k - m + 1)-th nearest rival.
        Without so many rivals only the first answer counts. Embeddings equal to the first wanted one count as it.
        """
        return self._lead(embeddings, *self._cosines(embeddings))

    def objective(self, embeddings: Tensor) -> Tensor:
        """The lead, N, with the gradient of a smooth one: of all cosines near to the two that the lead is about, the nearest most."""
        wanted, rivals, first, others = self._cosines(embeddings)
        lead = self._lead(embeddings, wanted, rivals, first, others).detach()
        parts = [_highest(first) - _highest(others)]
        if rivals.shape[1] >= self._place:
            last = rivals.topk(min(rivals.shape[1], self._place + wanted.shape[1])).values[:, self._place - 1 :]
            parts.append(-_highest(-wanted.topk(self.least).values) - _highest(last))
        smooth = -_highest(-torch.stack(parts, 1))
        return lead + (smooth - smooth.detach())

    def _lead(self, embeddings: Tensor, wanted: Tensor, rivals: Tensor, first: Tensor, others: Tensor) -> Tensor:
        found = first.amax(1) - others.amax(1)
        if rivals.shape[1] >= self._place:
            nearer = wanted.topk(self.least).values[:, -1] - rivals.topk(self._place).values[:, -1]
            found = torch.minimum(found, nearer)
        return torch.where(embeddings.any(1), found, NOWHERE)

    @property
    def _place(self) -> int:
        return len(self.wanted) - self.least + 1

    def _cosines(self, embeddings: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the wanted, the rivals, those equal to the first, and all others: N x how many there are of each."""
        units = normalize(embeddings, dim=1)
        wanted, rivals = units @ self.wanted.T, units @ self.rivals.T
        first = (self.wanted == self.wanted[0]).all(1)
        return wanted, rivals, wanted[:, first], torch.cat([wanted[:, ~first], rivals], 1)


def among(wanted: Tensor, rivals: Tensor, share: float) -> Goal:
    """The goal that the first answer is wanted[0], and that at least this share of k answers are wanted (see `Neighbours`)."""
    found = Neighbours(wanted, rivals, least_of(len(wanted), share))
    return Goal(found.objective, found.lead, LEAD)


def least_of(count: int, share: float) -> int:
    """How many of so many are at least this share: 18 of 20 for 0.9."""
    return max(1, math.ceil(count * share - 1e-9))


def _highest(values: Tensor) -> Tensor:
    """A smooth highest, N, of values N x M."""
    return SOFT * torch.logsumexp(values / SOFT, 1)
