from __future__ import annotations

import pytest
import torch
from torch import nn

from hoodwink.data.augment import Augmentation
from hoodwink.data.resident import Resident, normalised
from hoodwink.texts.batches import pad, waste
from hoodwink.training.feeds import PictureFeed, TextFeed, suits_channels_last


def pictures(count: int = 20) -> PictureFeed:
    levels = torch.randint(0, 256, (count, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return PictureFeed(Resident(levels, torch.arange(count)), (0.1, 0.2, 0.3), (0.5, 0.6, 0.7), Augmentation(flip=True))


def texts(grouping: str = "shuffled", count: int = 200) -> TextFeed:
    dice = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 30, (count,), generator=dice).tolist()
    return TextFeed(pad([[1 + k % 7] * length for k, length in enumerate(lengths)]), torch.arange(count), grouping)


def test_pictures_are_judged_as_they_are_and_learned_varied() -> None:
    feed = pictures()
    inputs, labels = feed.take(torch.tensor([3, 1]))
    assert torch.equal(inputs, normalised(feed.data.pictures[[3, 1]], feed.mean, feed.std)) and labels.tolist() == [3, 1]
    drawn = list(feed.drawn([torch.tensor([0, 1]), torch.tensor([2])], torch.Generator().manual_seed(1)))
    assert [len(one[1]) for one in drawn] == [2, 1]
    plain, _ = feed.take(torch.arange(3))
    both = torch.cat([one[0] for one in drawn])
    assert all(torch.equal(a, b) or torch.equal(a, b.flip(2)) for a, b in zip(both, plain, strict=True)) and not torch.equal(both, plain)


def test_convolutions_get_their_channels_last() -> None:
    convolving, flat = nn.Sequential(nn.Conv2d(3, 2, 3)), nn.Sequential(nn.Flatten(), nn.Linear(108, 2))
    shaped, _ = pictures().suited(convolving).take(torch.arange(2))
    assert shaped.is_contiguous(memory_format=torch.channels_last) and not shaped.is_contiguous()
    assert pictures().suited(flat).take(torch.arange(2))[0].is_contiguous()


@pytest.mark.parametrize(
    ("shortcut", "safe"), [((16, 32, 1, 2), True), ((8, 16, 1, 2), False), ((8, 16, 1, 1), True), ((8, 16, 3, 2), True)]
)
def test_channels_stay_first_where_onednn_writes_beyond_its_memory(shortcut: tuple[int, int, int, int], safe: bool) -> None:
    network = nn.Sequential(nn.Conv2d(3, shortcut[0], 3), nn.Conv2d(*shortcut))
    assert suits_channels_last(network) == safe
    assert pictures().suited(network).take(torch.arange(2))[0].is_contiguous(memory_format=torch.channels_last) == safe


def test_texts_are_no_wider_than_their_longest() -> None:
    feed = texts()
    for batch in feed.batches(16, seed=0, epoch=0, start=0, rank=0, world=1):
        inputs, labels = feed.take(batch)
        assert inputs.shape[1] == int(feed.data.lengths[batch].max()) and torch.equal(labels, batch)


@pytest.mark.parametrize(("grouping", "most"), [("equal", 0.0), ("buckets", 0.05), ("shuffled", 1.0)])
def test_grouped_by_length_they_waste_few_steps(grouping: str, most: float) -> None:
    feed = texts(grouping, count=2000)
    batches = list(feed.batches(32, seed=0, epoch=3, start=0, rank=0, world=1))
    assert waste(feed.data.lengths, batches) <= most and len(batches) == feed.steps(32)


def test_without_labels_the_next_index_is_wanted() -> None:
    feed = TextFeed(pad([[5, 1, 2, 6], [5, 3, 6]]), None)
    inputs, wanted = feed.take(torch.tensor([0, 1]))
    assert inputs.tolist() == [[5, 1, 2], [5, 3, 6]] and wanted.tolist() == [[1, 2, 6], [3, 6, 0]]


@pytest.mark.parametrize("feed", [pictures(), texts()], ids=["pictures", "texts"])
def test_a_part_is_those_examples(feed: PictureFeed | TextFeed) -> None:
    part = feed.part(torch.tensor([4, 2]))
    assert len(part) == 2
    for one, other in zip(part.take(torch.arange(2)), feed.take(torch.tensor([4, 2])), strict=True):
        assert torch.equal(one, other)
