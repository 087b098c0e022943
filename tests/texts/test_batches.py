from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.texts.batches import GROUPINGS, Pairs, buckets, equal_length, pad, waste
from hoodwink.texts.read import TextError

SEQUENCES = st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=12), min_size=1, max_size=60)


@given(SEQUENCES)
def test_padding_keeps_every_step(sequences: list[list[int]]) -> None:
    padded = pad(sequences)
    assert [row[:length].tolist() for row, length in zip(padded.indices, padded.lengths, strict=True)] == sequences
    assert int((padded.indices != 0).sum()) == sum(map(len, sequences))


def test_an_empty_sequence_is_refused() -> None:
    with pytest.raises(TextError, match="number 1 of 2 is empty"):
        pad([[1], []])


@given(SEQUENCES, st.integers(1, 9), st.sampled_from(list(GROUPINGS)), st.integers(0, 5))
def test_batches_hold_each_sequence_once(sequences: list[list[int]], size: int, grouping: str, seed: int) -> None:
    lengths = pad(sequences).lengths
    batches = GROUPINGS[grouping](lengths, size, torch.Generator().manual_seed(seed))
    assert sorted(torch.cat(batches).tolist()) == list(range(len(sequences))) and max(map(len, batches)) <= size
    if grouping == "equal":
        assert waste(lengths, batches) == 0 and all(len(set(lengths[batch].tolist())) == 1 for batch in batches)


def test_buckets_waste_little_and_change_with_the_seed() -> None:
    lengths = torch.randint(2, 20, (5000,), generator=torch.Generator().manual_seed(0))
    first, second = (buckets(lengths, 30, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert waste(lengths, first) < 0.05 < waste(lengths, GROUPINGS["shuffled"](lengths, 30, torch.Generator().manual_seed(0)))
    assert [batch.tolist() for batch in first] != [batch.tolist() for batch in second]
    assert len(equal_length(lengths, 30, torch.Generator())) > len(first)


def test_a_narrow_part_of_a_wide_batch() -> None:
    padded = pad([[1], [1, 2, 3, 4], [5, 6]]).take(torch.tensor([2, 0]))
    assert padded.indices.tolist() == [[5, 6], [1, 0]] and padded.lengths.tolist() == [2, 1]


def test_pairs_are_shuffled_anew_at_each_pass_nested_and_repeated() -> None:
    pairs = Pairs(range(50), [k % 3 for k in range(50)], seed=1)
    first, second = list(pairs), list(pairs)
    assert first != second and sorted(first) == sorted(second) == [(k, k % 3) for k in range(50)]
    seen = [(outer, inner) for outer in Pairs("ab", "ab") for inner in Pairs("abc", "abc")]
    nested = Pairs("abc", "abc")
    met = [(one, other) for one in nested for other in nested]
    assert len(seen) == 6 and len(set(met)) == 9
    with pytest.raises(TextError, match="a label for each of 2"):
        Pairs("ab", "a")
