from __future__ import annotations

import torch

from hoodwink.training.material import parted
from hoodwink.training.recipes import find_recipe


def test_the_last_are_held_out_unless_they_are_sorted_by_class() -> None:
    recipe = find_recipe("digits-mlp").changed({"validation": 8})
    mixed = torch.arange(40) % 4
    learned, held = parted(recipe, mixed, 4, seed=None)
    assert held is not None and held.tolist() == list(range(32, 40)) and learned.tolist() == list(range(32))
    learned, held = parted(recipe, mixed.sort().values, 4, seed=None)
    assert held is not None and len(mixed.sort().values[held].unique()) > 1
    assert sorted([*learned.tolist(), *held.tolist()]) == list(range(40))


def test_without_any_held_out_all_are_learned_in_file_order() -> None:
    learned, held = parted(find_recipe("digits-mlp").changed({"validation": 0}), torch.arange(40) // 10, 4, seed=None)
    assert held is None and learned.tolist() == list(range(40))
