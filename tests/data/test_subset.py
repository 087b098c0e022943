from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.data.subset import balanced, split


@given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=5), seed=st.integers(0, 99), data=st.data())
def test_as_many_of_each_class(counts: list[int], seed: int, data: st.DataObject) -> None:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    share = data.draw(st.integers(1, min(counts)))
    indices = balanced(labels, share * len(counts), classes=len(counts), seed=seed)
    assert torch.bincount(labels[indices]).tolist() == [share] * len(counts)
    assert indices.dtype == torch.int64 and indices.tolist() == sorted(set(indices.tolist()))
    assert torch.equal(indices, balanced(labels, share * len(counts), classes=len(counts), seed=seed))


def test_another_seed_draws_others() -> None:
    labels = torch.arange(1000) % 2
    assert not torch.equal(balanced(labels, 100, classes=2), balanced(labels, 100, classes=2, seed=1))


@pytest.mark.parametrize(
    ("total", "message"),
    [
        (7, "a multiple of 3 classes was wanted, not 7; type 6"),
        (2, "not 2; type 3"),
        (0, "not 0; type 3"),
        (500, "not 500; type 6"),
        (9, "3 pictures of class 2 were wanted, there are 2; type a total of at most 6"),
    ],
)
def test_what_cannot_be_balanced(total: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        balanced(torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]), total, classes=3)
    with pytest.raises(ValueError, match="1 pictures of class 3 were wanted, there are 0"):
        balanced(torch.tensor([0, 1, 2]), 4, classes=4)


@given(sizes=st.lists(st.integers(0, 20), min_size=1, max_size=4), left=st.integers(0, 5), seed=st.none() | st.integers(0, 9))
def test_parts_share_nothing(sizes: list[int], left: int, seed: int | None) -> None:
    count = sum(sizes) + left
    parts = split(count, *sizes, seed=seed)
    assert [len(part) for part in parts] == sizes
    together = torch.cat(parts)
    assert len(set(together.tolist())) == sum(sizes) and (together < count).all() and (together >= 0).all()
    if seed is None:
        assert together.tolist() == list(range(sum(sizes)))
    else:
        assert all(torch.equal(*pair) for pair in zip(parts, split(count, *sizes, seed=seed), strict=True))


def test_parts_at_random_differ_with_the_seed() -> None:
    first = split(100, 50, 50, seed=0)[0].tolist()
    assert first != list(range(50)) and first != split(100, 50, 50, seed=1)[0].tolist()


@pytest.mark.parametrize("sizes", [(40_001, 10_000), (-1, 3)])
def test_more_than_there_are(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="parts of at most 50000 pictures in all were wanted"):
        split(50_000, *sizes)
