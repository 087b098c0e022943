from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hoodwink.data.cards import DataError
from hoodwink.data.load import load
from hoodwink.data.sets import DataSet
from hoodwink.models.embed import Embedder, as_embedder
from hoodwink.models.load import load_model
from hoodwink.training import features
from hoodwink.training.features import find_features
from small_backbones import folder


class Counting:
    """An embedder that says how many pictures it was asked for, and stops where it is told to."""

    def __init__(self, embed: Embedder, most: int = 10**9) -> None:
        self.embed, self.most, self.asked = embed, most, 0
        self.model, self.dimension = embed.model, embed.dimension

    def __call__(self, pictures: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
        if self.asked + len(pictures) > self.most:
            raise KeyboardInterrupt
        self.asked += len(pictures)
        return self.embed(pictures)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(features, "PORTION", 16)
    return tmp_path / "cache" / "data" / "features"


@pytest.fixture(scope="module")
def embed(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return as_embedder(load_model(folder(tmp_path_factory.mktemp("model"))))


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load("digits-32:test", limit=60)


def test_each_picture_gets_what_the_network_gives_it_alone(embed: Embedder, digits: DataSet) -> None:
    indices = torch.tensor([7, 3, 59, 0, 21, 3])
    found = find_features(embed, digits, indices)
    alone = torch.cat([embed.model.outputs(embed.model.encode(digits.pictures[row])) for row in indices.tolist()])
    assert found.vectors.dtype == torch.float32 and torch.allclose(found.vectors, alone, atol=1e-5) and found.seconds > 0


@pytest.mark.parametrize("seed", range(3))
def test_any_order_and_number_gives_the_same_rows(embed: Embedder, digits: DataSet, seed: int) -> None:
    dice = torch.Generator().manual_seed(seed)
    order = torch.randperm(60, generator=dice)[: int(torch.randint(1, 61, (), generator=dice))]
    every = find_features(embed, digits, torch.arange(60)).vectors
    assert torch.allclose(find_features(embed, digits, order).vectors, every[order], atol=1e-5)


def test_nothing_is_computed_twice(embed: Embedder, digits: DataSet) -> None:
    counting, said = Counting(embed), list[str]()
    first = find_features(counting, digits, torch.arange(40), say=said.append)  # type: ignore[arg-type]
    assert counting.asked == 40 and said[-1] == "digits-32:test: features of 40 of 40 pictures by tiny" and len(said) == 3
    again = find_features(counting, dataclasses.replace(digits, name="renamed"), torch.arange(40), say=said.append)  # type: ignore[arg-type]
    assert counting.asked == 40 and len(said) == 3 and torch.equal(first.vectors, again.vectors)
    assert again.seconds == pytest.approx(first.seconds, abs=0.01), "what they cost is known later, too"


def test_interrupted_it_goes_on_where_it_was(embed: Embedder, digits: DataSet) -> None:
    with pytest.raises(KeyboardInterrupt):
        find_features(Counting(embed, 40), digits, torch.arange(60))  # type: ignore[arg-type]
    rest = Counting(embed)
    found = find_features(rest, digits, torch.arange(60))  # type: ignore[arg-type]
    assert rest.asked == 60 - 32 and torch.allclose(found.vectors, torch.from_numpy(embed(list(digits.pictures))), atol=1e-5)


def test_other_pictures_weights_layers_and_inputs_are_other_features(embed: Embedder, digits: DataSet, tmp_path: Path) -> None:
    find_features(embed, digits, torch.arange(16))
    same, inner, moved, other = (as_embedder(load_model(folder(tmp_path / f"{k}", seed=k // 3))) for k in range(4))
    card = embed.model.card
    inner.model.card = dataclasses.replace(card, network={**card.network, "arguments": {**card.network["arguments"], "layer": "linear"}})
    moved.model.card = dataclasses.replace(card, input=dataclasses.replace(card.picture, mean=(0.4, 0.4, 0.4)))
    darker = dataclasses.replace(digits, pictures=np.asarray(digits.pictures) // 2)
    counting = Counting(same)
    find_features(counting, digits, torch.arange(16))  # type: ignore[arg-type]
    assert counting.asked == 0, "the same network from another folder"
    for one, data in ((other, digits), (inner, digits), (moved, digits), (embed, darker)):
        counting = Counting(one)
        find_features(counting, data, torch.arange(16))  # type: ignore[arg-type]
        assert counting.asked == 16


@pytest.mark.parametrize("fault", ["cut", "bit", "empty", "another", "not there"])
def test_a_damaged_file_is_made_anew(embed: Embedder, digits: DataSet, cache: Path, fault: str) -> None:
    find_features(embed, digits, torch.arange(16, 32))
    (another,) = cache.iterdir()
    first = find_features(embed, digits, torch.arange(16)).vectors
    (path,) = set(cache.iterdir()) - {another}
    whole = path.read_bytes()
    spoilt = {"cut": whole[:-9], "bit": whole[:-5] + bytes([whole[-5] ^ 4]) + whole[-4:], "empty": b"", "another": another.read_bytes()}
    if fault in spoilt:
        path.write_bytes(spoilt[fault])
    else:
        path.unlink()
    counting = Counting(embed)
    assert torch.equal(find_features(counting, digits, torch.arange(16)).vectors, first)  # type: ignore[arg-type]
    assert counting.asked == 16
    find_features(counting, digits, torch.arange(16))  # type: ignore[arg-type]
    assert counting.asked == 16, "the new file is whole"


def test_files_of_pictures_are_known_by_their_hashes(embed: Embedder, tmp_path: Path) -> None:
    from PIL import Image

    levels = np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3), dtype=np.uint8)
    for k, one in enumerate(levels):
        (tmp_path / "set" / str(k)).mkdir(parents=True)
        Image.fromarray(one).save(tmp_path / "set" / str(k) / "picture.png")
    data = load(str(tmp_path / "set"))
    found = find_features(embed, data, torch.arange(3)).vectors
    assert torch.allclose(found, torch.from_numpy(embed(list(levels))), atol=1e-5)
    unread = dataclasses.replace(data, pictures=np.zeros((0, 1, 1, 3), np.uint8))
    assert torch.equal(find_features(embed, unread, torch.arange(3)).vectors, found)


def test_a_cache_that_cannot_be_written_is_said(embed: Embedder, digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="cannot be written: .*; name another folder in HOODWINK_CACHE"):
        find_features(embed, digits, torch.arange(4))
