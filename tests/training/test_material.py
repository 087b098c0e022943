from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hoodwink.data.cards import DataError
from hoodwink.pictures.write import encode_png
from hoodwink.training.inputs import gather
from hoodwink.training.material import parted
from hoodwink.training.recipes import find_recipe


def folder(place: Path, counts: dict[str, int], side: int = 8, split: str = "train") -> Path:
    for cls, count in counts.items():
        for at in range(count):
            path = place / split / cls / f"{at:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_png(np.full((side, side, 3), (at * 7) % 256, np.uint8)))
    return place


def test_of_a_set_with_a_name_the_last_are_held_out() -> None:
    learned, held = parted(find_recipe("digits-mlp").changed({"validation": 8}), torch.arange(40) % 4, 4)
    assert held is not None and held.tolist() == list(range(32, 40)) and learned.tolist() == list(range(32))


def test_of_a_folder_pictures_of_all_classes_are_held_out(tmp_path: Path) -> None:
    place = str(folder(folder(tmp_path, {"a": 30, "b": 10, "c": 8}), {"a": 1, "b": 1, "c": 1}, split="test"))
    asked = {"data": place, "inputs": 192}
    found = gather(find_recipe("digits-mlp").changed(asked | {"validation": 12}))
    assert found.validation is not None and len(found.validation) == 12 and len(found.train) == 36
    assert len(found.validation.take(torch.arange(12))[1].unique()) == 3
    whole = gather(find_recipe("digits-mlp").changed(asked | {"validation": 0}))
    assert whole.validation is None and len(whole.train) == 48


def test_folders_that_cannot_be_learned_from_are_said(tmp_path: Path) -> None:
    recipe = find_recipe("digits-mlp").changed({"validation": 0, "inputs": 192})
    one = folder(folder(tmp_path / "one", {"a": 4}), {"a": 1}, split="test")
    with pytest.raises(DataError, match="pictures of two classes or more were wanted, all are of 'a'"):
        gather(recipe.changed({"data": str(one)}))
    two = folder(folder(tmp_path / "two", {"a": 4, "b": 4}), {"a": 1, "b": 1}, side=10, split="test")
    with pytest.raises(DataError, match="two:test: pictures 8 x 8, as in .*two:train, were wanted, these are 10 x 10"):
        gather(recipe.changed({"data": str(two)}))
    flat = folder(tmp_path / "flat", {"a": 4, "b": 4})
    with pytest.raises(DataError, match="a training wants DIR/train/CLASS and DIR/test/CLASS"):
        gather(recipe.changed({"data": str(flat / "train")}))
