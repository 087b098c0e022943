"""The fewest changes that fool, of what is changed step by step, such as texts; and two plain searches to set beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from hoodwink.attacks.objectives import Goal

T = TypeVar("T", bound=Hashable)
Ask = Callable[[Sequence[T]], Tensor]  # N items -> logits, N x K
Further = Callable[[T], Sequence[T]]  # an item -> all that are one change further
Rank = Callable[[T, Sequence[T]], Tensor]  # an item, N that are one change further -> estimates of their objectives, N

FIRST, GROWTH = 16, 4  # items in a level's first batch, and how many times larger each next one is
WALKS = 64  # random walks side by side


@dataclass(frozen=True)
class Fewest(Generic[T]):
    """What a search for the fewest changes found.

    item: one that fools (found), else the one with the highest objective; value: its objective. changes: steps taken from the start to it,
    which may be more than the fewest that lead there. proven: every item within so many changes was asked and none fools (-1: the start
    does). queries: items whose logits were asked, each once. found_after: queries up to the first item that fools, as if asked one by one;
    None where none does. gradients: calls of rank.
    """

    item: T
    changes: int
    found: bool
    proven: int
    value: float
    queries: int
    found_after: int | None
    gradients: int

    @property
    def minimal(self) -> bool:
        """Whether it is proven that fewer changes do not fool."""
        return self.found and self.changes == self.proven + 1


def fewest(
    start: T,
    ask: Ask[T],
    further: Further[T],
    goal: Goal,
    *,
    rank: Rank[T] | None = None,
    most: int = 4,
    exact: int = 200_000,
    width: int = 8,
    batch: int = 1024,
) -> Fewest[T]:
    """Search the fewest changes that reach a goal: level by level, what is promising first, then all of a level where that is affordable.

    A level is all items of so many changes. First asked is what lies one change from the `width` best of the level before, by rank's
    estimates. If none fools, all levels before were asked whole, and this one has at most `exact` items, the others follow. Items are
    asked in batches that grow up to `batch`; the search ends with the first batch that has one that fools (it returns the batch's best), or
    after `most` levels. ask must answer about an item the same in any batch. ValueError for numbers out of range.
    """
    _check(most, batch, exact=exact, width=width)
    asked = _Asked(start, ask, goal, batch)
    level, whole = [start], 0  # what was asked of the level before, and up to which level all was
    for changes in range(1, most + 1):
        if asked.found:
            break
        parents = asked.best_first(level)
        level = asked.until_found(_promising(asked, parents[:width], further, rank), changes)
        if asked.found or whole < changes - 1:
            continue
        rest = asked.fresh(parents, further, max(exact - len(level), 0)) if len(parents) > width else []
        if rest is not None:
            level += asked.until_found(rest, changes)
            whole = changes
    return asked.result(whole)


def greedy_edits(start: T, ask: Ask[T], further: Further[T], goal: Goal, *, most: int = 4, batch: int = 1024) -> Fewest[T]:
    """Ask about all items one change further, go to the best of them, and so on until one fools, `most` times; none is asked twice."""
    _check(most, batch)
    asked = _Asked(start, ask, goal, batch)
    level = [start]
    for changes in range(1, most + 1):
        if asked.found or not level:
            break
        level = asked.all_of(asked.fresh(asked.best_first(level)[:1], further) or [], changes)
    return asked.result(min(most, 1))


def random_edits(
    start: T,
    ask: Ask[T],
    further: Further[T],
    goal: Goal,
    *,
    queries: int,
    most: int = 4,
    batch: int = 1024,
    generator: torch.Generator | None = None,
) -> Fewest[T]:
    """Walk at random from the start, at most `most` changes far, many times; queries: items asked at most.

    Once an item fools, walks are shorter than the one to it. Ends, too, where none is left or a round of walks came to nothing new; none is
    asked twice.
    """
    _check(most, batch, queries=queries)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    asked = _Asked(start, ask, goal, batch)
    together, before = max(1, min(WALKS, queries // max(most, 1))), 0
    while before < len(asked.values) < queries:
        before, walks = len(asked.values), [start] * together
        for changes in range(1, asked.changes if asked.found else most + 1):
            walks = _step(walks, further, generator)
            new = [item for item in dict.fromkeys(walks) if item not in asked.values]
            asked.all_of(new[: queries - len(asked.values)], changes)
            if asked.found and asked.changes == changes:
                break
    return asked.result(0)


class _Asked(Generic[T]):
    """Items that were asked, and the best of them: one that fools, by fewest changes, by its objective.

    values: the objective of each, in the order in which they were asked.
    """

    def __init__(self, start: T, ask: Ask[T], goal: Goal, batch: int) -> None:
        self.values = dict[T, float]()
        self.gradients = 0
        self.item, self.changes, self.value = start, 0, -math.inf
        self._ask, self._goal, self._batch = ask, goal, batch
        self._found_after: int | None = None
        self.all_of([start], 0)

    @property
    def found(self) -> bool:
        return self._found_after is not None

    def all_of(self, items: list[T], changes: int) -> list[T]:
        """Ask about items, none of which was asked before; returns them."""
        for done in range(0, len(items), self._batch):
            self._look(items[done : done + self._batch], changes)
        return items

    def until_found(self, items: list[T], changes: int) -> list[T]:
        """The same, in batches that grow, until one has an item that fools; returns those asked."""
        done, size = 0, FIRST
        while done < len(items) and not self.found:
            part = items[done : done + min(size, self._batch)]
            self._look(part, changes)
            done, size = done + len(part), size * GROWTH
        return items[:done]

    def best_first(self, items: list[T]) -> list[T]:
        return sorted(items, key=self.values.__getitem__, reverse=True)

    def fresh(self, parents: list[T], further: Further[T], limit: float = math.inf) -> list[T] | None:
        """All that are one change further than these and were not asked, each once; None where they are more than `limit`."""
        found = dict[T, None]()
        for parent in parents:
            found.update(dict.fromkeys(further(parent)))
            if len(found) > limit + len(self.values):  # without a look at each: so many of them are new
                return None
        new = [item for item in found if item not in self.values]
        return new if len(new) <= limit else None

    def result(self, whole: int) -> Fewest[T]:
        """What was found; whole: the levels of which all was asked, up to the first with one that fools."""
        proven = min(whole, self.changes - 1) if self.found else whole
        return Fewest(
            item=self.item,
            changes=self.changes,
            found=self.found,
            proven=proven,
            value=self.value,
            queries=len(self.values),
            found_after=self._found_after,
            gradients=self.gradients,
        )

    def _look(self, part: list[T], changes: int) -> None:
        with torch.no_grad():
            values = _each(self._goal.objective(self._ask(part)), part, "ask")
        fools = values >= self._goal.threshold
        first, best = int(fools.int().argmax()), int(values.argmax())
        if bool(fools[first]) and not self.found:
            self._found_after, self.value = len(self.values) + first + 1, -math.inf  # what does not fool is the best no more
        if bool(fools[best]) == self.found and ((self.found and changes < self.changes) or float(values[best]) > self.value):
            self.item, self.changes, self.value = part[best], changes, float(values[best])
        self.values.update(zip(part, values.tolist(), strict=True))


def _promising(asked: _Asked[T], parents: list[T], further: Further[T], rank: Rank[T] | None) -> list[T]:
    """What is new one change further than these: by the highest estimate first, or one parent's after the other's, mixed."""
    estimates = dict[T, float]()
    for parent in parents:
        items = asked.fresh([parent], further) or []
        if rank is None:  # further's order is often one of places: the first ones would be all of the first place
            order = torch.randperm(len(items), generator=torch.Generator().manual_seed(0)).tolist()
            estimates |= dict.fromkeys((items[k] for k in order), 0.0)
        elif items:
            found = _each(rank(parent, items), items, "rank")
            asked.gradients += 1
            for item, estimate in zip(items, found.tolist(), strict=True):
                estimates[item] = max(estimate, estimates.get(item, -math.inf))
    return sorted(estimates, key=estimates.__getitem__, reverse=True)


def _each(values: Tensor, items: list[T], who: str) -> Tensor:
    """A number for each item, the lowest where it is none."""
    if values.shape != (len(items),):
        raise ValueError(f"{who}: an answer for each of {len(items)} items was wanted, not numbers of shape {tuple(values.shape)}")
    return values.nan_to_num(-math.inf, math.inf, -math.inf)


def _step(walks: list[T], further: Further[T], generator: torch.Generator) -> list[T]:
    """Each walk one change further, wherever there is one."""
    choices = {item: further(item) for item in dict.fromkeys(walks)}
    walks = [item for item in walks if choices[item]]
    return [choices[item][int(torch.randint(len(choices[item]), (), generator=generator))] for item in walks]


def _check(most: int, batch: int, exact: int = 0, width: int = 1, queries: int = 1) -> None:
    if min(most, exact) < 0 or min(batch, width, queries) < 1:
        raise ValueError(
            "most and exact: 0 or more, batch, width and queries: 1 or more, were wanted, not "
            f"most {most}, exact {exact}, batch {batch}, width {width}, queries {queries}"
        )
