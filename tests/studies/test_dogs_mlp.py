from __future__ import annotations

import torch

from hoodwink.models.build import build
from hoodwink.studies.dogs_mlp import DOGS_MLP, MLP


def test_the_source_s_settings() -> None:
    line = DOGS_MLP.lines[0]
    recipe = MLP.changed(line.settings)
    assert (recipe.optimiser, recipe.rate, recipe.momentum, recipe.batch, recipe.epochs) == ("sgd", 0.001, 0.0, 32, 100)
    assert (recipe.patience, recipe.least, recipe.split, recipe.schedule) == (3, 1e-4, "valid", "constant")
    widths = [(value.shape[1], value.shape[0]) for value in build(recipe.network, recipe.arguments).parameters() if value.dim() == 2]
    assert widths == [(12288, 128), (128, 64), (64, 10)]


def test_both_lines_have_the_same_layers() -> None:
    source, better = (build("mlp", MLP.changed(line.settings).arguments) for line in DOGS_MLP.lines)
    assert [p.shape for p in source.parameters()] == [p.shape for p in better.parameters()]
    assert any(isinstance(layer, torch.nn.Dropout) for layer in better.modules())
