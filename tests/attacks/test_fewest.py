from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hoodwink.attacks.fewest import FIRST, GROWTH, Fewest, fewest, greedy_edits, random_edits
from hoodwink.attacks.objectives import Goal, named

steady = settings(derandomize=True, deadline=None, max_examples=150)
Item = tuple[int, ...]
KINDS = 3  # values at each place
START: Item = (0,) * 5
ITEMS: list[Item] = list(itertools.product(range(KINDS), repeat=len(START)))


def further(item: Item) -> list[Item]:
    """One place changed, back too."""
    return [item[:k] + (value,) + item[k + 1 :] for k in range(len(item)) for value in range(KINDS) if value != item[k]]


def upwards(item: Item) -> list[Item]:
    """One place changed that was not."""
    return [other for other in further(item) if other.count(0) < item.count(0)]


def changes(item: Item) -> int:
    return len(item) - item.count(0)


@dataclass
class Table:
    """Answers by a table, and notes the batches it was asked in."""

    values: dict[Item, float]
    batches: list[list[Item]] = field(default_factory=list)

    def __call__(self, items: Sequence[Item]) -> Tensor:
        self.batches.append(list(items))
        return torch.tensor([[self.values[item], 0.0] for item in items], dtype=torch.float64)

    @property
    def asked(self) -> list[Item]:
        return [item for batch in self.batches for item in batch]


def above(threshold: float) -> Goal:
    return Goal(lambda logits: logits[:, 0], lambda logits: logits[:, 0], threshold)


def drawn(seed: int) -> dict[Item, float]:
    return dict(zip(ITEMS, torch.randn(len(ITEMS), generator=torch.Generator().manual_seed(seed)).tolist(), strict=True))


def fewest_of(values: dict[Item, float], threshold: float) -> int | None:
    return min((changes(item) for item, value in values.items() if value >= threshold), default=None)


def check(found: Fewest[Item], table: Table, threshold: float, most: int, batch: int) -> None:
    """What must hold of any search's record."""
    asked, values = table.asked, table.values
    fooling = [k for k, item in enumerate(asked) if values[item] >= threshold]
    assert len(set(asked)) == len(asked) == found.queries and max(map(len, table.batches)) <= batch
    assert found.found == bool(fooling) and found.value == values[found.item] and found.item in asked
    assert found.found_after == (fooling[0] + 1 if fooling else None)
    assert changes(found.item) <= found.changes <= most
    assert all(values[item] < threshold for item in ITEMS if changes(item) <= found.proven)
    assert all(item in set(asked) for item in ITEMS if changes(item) <= found.proven)
    if found.minimal:
        assert found.changes == changes(found.item) == fewest_of(values, threshold)
    if not found.found:
        assert found.value == max(values[item] for item in asked)


tables = st.integers(0, 10_000)
thresholds = st.floats(0.0, 4.0)
ways = st.sampled_from([further, upwards])


@steady
@given(seed=tables, threshold=thresholds, way=ways, width=st.integers(1, 6), batch=st.integers(1, 40), most=st.integers(0, 6))
def test_asked_whole_it_finds_the_fewest(
    seed: int, threshold: float, way: Callable[[Item], list[Item]], width: int, batch: int, most: int
) -> None:
    table = Table(drawn(seed))
    found = fewest(START, table, way, above(threshold), most=most, width=width, batch=batch)
    check(found, table, threshold, most, batch)
    wanted = fewest_of(table.values, threshold)
    if wanted is None or wanted > most:
        assert not found.found and found.proven == most
    else:
        assert found.minimal and found.changes == wanted and found.proven == wanted - 1
        last = [item for item in table.batches[-1] if table.values[item] >= threshold]
        assert found.value == max(table.values[item] for item in last) and all(changes(item) == wanted for item in last)


@steady
@given(seed=tables, threshold=thresholds, way=ways, width=st.integers(1, 6), exact=st.integers(0, 100), ranked=st.booleans())
def test_what_is_proven_is_so_where_levels_are_too_large(
    seed: int, threshold: float, way: Callable[[Item], list[Item]], width: int, exact: int, ranked: bool
) -> None:
    table = Table(drawn(seed))
    rank = (lambda item, others: torch.tensor([table.values[other] for other in others])) if ranked else None
    found = fewest(START, table, way, above(threshold), most=4, width=width, exact=exact, rank=rank)
    check(found, table, threshold, 4, 1024)
    if exact < 40 and width < 10 and found.changes > 1:
        assert found.proven == 1  # the second level has 40 items


def test_a_level_is_asked_whole_up_to_the_limit() -> None:
    values = {item: float(item == (0, 0, 0, 2, 2)) for item in ITEMS}  # no hint where
    proven = {exact: fewest(START, Table(values), further, above(0.5), width=1, exact=exact, most=2) for exact in (0, 39, 40)}
    assert [one.proven for one in proven.values()] == [1, 1, 1] and [one.found for one in proven.values()] == [False, False, True]
    none = Table(dict.fromkeys(ITEMS, 0.0))
    found = fewest(START, none, further, above(1.0), width=1, exact=80, most=9)
    assert found.proven == 9 and found.queries == len(ITEMS) and found.item == START and not found.minimal  # 10, 40, 80, 80, 32 items
    found = fewest(START, none, further, above(1.0), width=1, exact=79, most=9)
    assert found.proven == 2


def test_a_level_that_the_best_covered_needs_no_more() -> None:
    table = Table(dict.fromkeys(ITEMS, 0.0))
    assert fewest(START, table, further, above(1.0), width=9, exact=0, most=2).proven == 2  # each of level 2 lies beside two of level 1


def test_what_the_best_do_not_lead_to_is_asked_where_a_level_is_asked_whole() -> None:
    tree: dict[Item, list[Item]] = {(0,): [(1,), (2,)], (1,): [(3,)], (2,): [(4,)]}
    values: dict[Item, float] = {(0,): 0.0, (1,): 0.5, (2,): 0.4, (3,): 0.0, (4,): 1.0}
    root: Item = (0,)

    def once(item: Item) -> list[Item]:
        return tree.get(item, [])

    found = fewest(root, Table(values), once, above(1.0), width=1)
    assert found == Fewest((4,), 2, True, 1, 1.0, 5, 5, 0) and found.minimal  # what stands at the threshold fools
    found = fewest(root, Table(values), once, above(1.0), width=1, exact=0)
    assert found == Fewest((1,), 1, False, 1, 0.5, 4, None, 0)


def test_the_next_level_begins_at_the_best_of_this() -> None:
    for seed in range(5):
        table = Table(drawn(seed))
        fewest(START, table, upwards, above(99.0), width=2, exact=0, most=2)
        first, second = sorted(upwards(START), key=table.values.__getitem__)[:-3:-1]
        assert set(table.asked[11:]) == {*upwards(first), *upwards(second)} and set(table.asked[11:19]) == set(upwards(first))


def test_a_start_that_fools_is_proven_with_one_query() -> None:
    for search in (fewest, greedy_edits):
        found = search(START, Table(drawn(0)), further, above(-math.inf))
        assert found == Fewest(START, 0, True, -1, drawn(0)[START], 1, 1, 0) and found.minimal
    assert random_edits(START, Table(drawn(0)), further, above(-9.0), queries=5).queries == 1


def linear(seed: int) -> tuple[dict[Item, float], Callable[[Item, Sequence[Item]], Tensor]]:
    """Items by a linear function of one-hot places, and its gradient's estimates."""
    weight = torch.randn(len(START), KINDS, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))

    def value(item: Item) -> Tensor:
        return (torch.nn.functional.one_hot(torch.tensor(item), KINDS) * weight).sum()

    def rank(item: Item, others: Sequence[Item]) -> Tensor:
        places = torch.nn.functional.one_hot(torch.tensor(item), KINDS).double().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad((places * weight).sum(), places)
        moved = torch.nn.functional.one_hot(torch.tensor(others), KINDS) - places.detach()
        return value(item) + (moved * gradient).sum((1, 2))

    return {item: float(value(item)) for item in ITEMS}, rank


@steady
@given(seed=tables, share=st.floats(0.0, 1.0))
def test_of_a_linear_function_a_gradient_a_change_finds_the_fewest(seed: int, share: float) -> None:
    values, rank = linear(seed)
    threshold = values[START] + share * (max(values.values()) - values[START]) + 1e-9
    table = Table(values)
    found = fewest(START, table, further, above(threshold), rank=rank, most=5, width=1, exact=0)
    check(found, table, threshold, 5, 1024)
    wanted = fewest_of(values, threshold)
    if wanted is None:  # by rounding alone
        return
    assert found.found and found.changes == found.gradients == wanted
    assert table.asked.index(found.item) == sum(map(len, table.batches[:-1]))  # the first of the level that was asked
    assert found.found_after == len(table.asked) - len(table.batches[-1]) + 1


def test_batches_grow() -> None:
    items = tuple(range(200))
    sizes: list[int] = []

    def ask(part: Sequence[int]) -> Tensor:
        sizes.append(len(part))
        return torch.zeros(len(part), 2)

    fewest(-1, ask, lambda item: items if item == -1 else (), above(1.0), batch=100)
    assert sizes == [1, FIRST, FIRST * GROWTH, 100, 20]


def test_estimates_decide_the_order_whatever_they_are() -> None:
    table = Table(dict.fromkeys(ITEMS, 0.0))
    guesses = torch.tensor([math.nan, 3.0, -math.inf, 1.0, math.inf, 2.0, -1.0, -2.0, -3.0, -4.0])
    fewest(START, table, further, above(1.0), rank=lambda item, others: guesses, most=1)
    near = further(START)
    assert table.batches[1] == [near[k] for k in (4, 1, 5, 3, 6, 7, 8, 9, 0, 2)]


def test_answers_that_are_no_numbers_do_not_fool() -> None:
    table = Table({item: math.nan if item[0] else math.inf if item == (0, 0, 0, 0, 1) else 0.0 for item in ITEMS})
    found = fewest(START, table, further, above(1.0))
    assert found.item == (0, 0, 0, 0, 1) and found.value == math.inf and found.minimal


def test_a_real_goal_is_reached() -> None:
    values, rank = linear(3)
    found = fewest(START, Table(values), further, named(0, 0.9), rank=rank, most=5)
    assert found.found == (torch.sigmoid(torch.tensor(max(values.values()))) >= 0.9)


@steady
@given(seed=tables, threshold=thresholds, batch=st.integers(1, 40), most=st.integers(0, 6))
def test_greedy_asks_all_and_goes_to_the_best(seed: int, threshold: float, batch: int, most: int) -> None:
    table = Table(drawn(seed))
    found = greedy_edits(START, table, further, above(threshold), most=most, batch=batch)
    check(found, table, threshold, most, batch)
    here, known, steps = START, [START], 0
    while max(table.values[item] for item in known) < threshold and steps < most:
        near = [item for item in further(here) if item not in known]
        known += near
        here, steps = max(near, key=table.values.__getitem__), steps + 1
    assert table.asked == known
    if found.found:
        assert (found.item, found.changes) == (here, steps)


@steady
@given(seed=tables, threshold=thresholds, queries=st.integers(1, 400), most=st.integers(0, 5), way=ways)
def test_random_walks_keep_to_their_queries_and_come_again(
    seed: int, threshold: float, queries: int, most: int, way: Callable[[Item], list[Item]]
) -> None:
    def search() -> tuple[Fewest[Item], Table]:
        table = Table(drawn(seed))
        generator = torch.Generator().manual_seed(seed)
        return random_edits(START, table, way, above(threshold), queries=queries, most=most, batch=30, generator=generator), table

    found, table = search()
    check(found, table, threshold, most, 30)
    assert found.queries <= queries and search() == (found, table)
    if found.found:
        assert found.minimal == (found.changes <= 1)
        if way is upwards:
            assert found.changes == min(changes(item) for item in table.asked if table.values[item] >= threshold)


def test_random_walks_go_on_to_fewer_changes() -> None:
    values = {item: float(item[0] == 2) for item in ITEMS}
    results = [
        random_edits(START, Table(values), upwards, above(0.5), queries=200, most=5, generator=torch.Generator().manual_seed(seed))
        for seed in range(5)
    ]
    assert all(one.changes == 1 and one.minimal for one in results)


def test_random_walks_begin_again_while_there_is_something_new() -> None:
    none = Table(dict.fromkeys(ITEMS, 0.0))
    assert [random_edits(START, none, further, above(1.0), queries=q, most=5).queries for q in (1, 3, 200)] == [1, 3, 200]
    assert random_edits(START, none, further, above(1.0), queries=10_000, most=1).queries == 11


def test_searches_end_where_nothing_is_further() -> None:
    table: dict[Item, float] = {(0,): 0.0, (1,): 0.5}

    def ask(items: Sequence[Item]) -> Tensor:
        return torch.tensor([[table[item], 0.0] for item in items])

    def once(item: Item) -> list[Item]:
        return [(1,)] if item == (0,) else []

    first: Item = (0,)
    goal = above(1.0)
    for found in (fewest(first, ask, once, goal), greedy_edits(first, ask, once, goal), random_edits(first, ask, once, goal, queries=99)):
        assert (found.item, found.changes, found.queries, found.found) == ((1,), 1, 2, False)


def test_what_is_out_of_range_is_refused() -> None:
    for wrong in ({"most": -1}, {"batch": 0}, {"width": 0}, {"exact": -1}):
        with pytest.raises(ValueError, match="were wanted, not most"):
            fewest(START, Table(drawn(0)), further, above(0.0), **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="queries 0"):
        random_edits(START, Table(drawn(0)), further, above(0.0), queries=0)
    with pytest.raises(ValueError, match="ask: an answer for each of 1 items was wanted"):
        fewest(START, lambda items: torch.zeros(3, 2), further, above(0.0))
    with pytest.raises(ValueError, match="rank: an answer for each of 10 items"):
        fewest(START, Table(drawn(0)), further, above(99.0), rank=lambda item, others: torch.zeros(3))
