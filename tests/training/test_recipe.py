from __future__ import annotations

from typing import Any

import pytest

from hoodwink.training.recipe import RecipeError
from hoodwink.training.recipes import find_recipe

COUPLED = "the critic's slope is of each picture alone; type --set norms=false --set kernels=0"
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    # numbers out of range
    *(("digits-mlp", {name: -3}, f"{name}: 0 or more was wanted, not -3") for name in ("subset", "validation", "lookahead", "l1", "l2")),
    *(("digits-mlp", {name: "nan"}, f"{name}: 0 or more was wanted, not nan") for name in ("l1", "weight_decay")),
    *(("digits-mlp", {name: 1.0}, f"{name}: 0 or more, and less than 1, was wanted, not 1.0") for name in ("momentum", "smoothing")),
    ("digits-vae", {"second": -0.1}, "second: 0 or more, and less than 1, was wanted, not -0.1"),
    ("digits-mlp", {"hidden": "32,0"}, "hidden: 1 or more was wanted, not 0"),
    ("digits-mlp", {"hidden": "-3"}, "hidden: 1 or more was wanted, not -3"),
    ("cifar-fast", {"widths": "0"}, "widths: 1 or more was wanted, not 0"),
    *(("digits-vae", {"code": code}, f"code: 1 or more was wanted, not {code}") for code in ("0", "-1")),
    ("digits-gan", {"kernels": "-1"}, "kernels: 0 or more was wanted, not -1"),
    ("digits-mlp", {"shift": "-1"}, "shift: 0 or more was wanted, not -1"),
    # settings without effect
    ("digits-gan", {"rounds": 3}, "rounds: of a training with the loss 'adversarial' it can only be 5, not 3"),
    ("digits-vae", {"rounds": 3}, "rounds: of a training with the loss 'elbo' it can only be 5, not 3"),
    ("digits-gan", {"norms": "false"}, "norms: of convolutions, .* type --set norms=true"),
    ("mnist-dcgan", {"dropout": 0.5}, "dropout: of linear layers, .* type --set dropout=0"),
    ("digits-vae", {"patience": 3}, "patience: examples held out .* type --set validation=N, or --set patience=0"),
    ("digits-mlp", {"layer": "layers.3"}, "layer: of a backbone, and there is none; type --set backbone=efficientnet-lite0"),
    ("digits-mlp", {"nesterov": "true", "momentum": 0}, "nesterov: a momentum was wanted; type --set momentum=0.9"),
    # a critic's penalty is of the slope at each picture
    ("mnist-wgan", {"norms": "true"}, COUPLED),
    ("mnist-wgan", {"kernels": 4}, COUPLED),
    ("mnist-wgan", {"layers": "dense", "widths": "32,64", "kernels": 4}, COUPLED),
]


@pytest.mark.parametrize(("recipe", "settings", "message"), REFUSED)
def test_what_cannot_be_is_refused(recipe: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        find_recipe(recipe).changed(settings)


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("digits-mlp", {"hidden": "", "momentum": 0.0, "subset": 0}),
        ("digits-vae", {"patience": 3, "validation": 100, "keep": "best"}),
        ("digits-gan", {"kernels": 4}),
        ("mnist-wgan", {"rounds": 3, "layers": "dense", "norms": "true"}),
        ("mnist-dcgan", {"norms": "false", "kernels": 4}),
        ("names-lstm", {"width": 0}),
    ],
)
def test_what_has_an_effect_is_taken(recipe: str, settings: dict[str, Any]) -> None:
    find_recipe(recipe).changed(settings)


def test_whole_numbers_stand_for_others() -> None:
    recipe = find_recipe("digits-mlp").changed({"dropout": 0, "rate": 1})
    assert recipe.arguments["dropout"] == 0.0 and isinstance(recipe.rate, float)


@pytest.mark.parametrize(("name", "value"), [("bias_rate", "0"), ("bias_rate", "-5"), ("rate", "inf"), ("rate", "nan"), ("least", "-1")])
def test_rates_are_finite_and_above_zero(name: str, value: str) -> None:
    with pytest.raises(RecipeError, match=f"^{name}: "):
        find_recipe("digits-mlp").changed({name: value})


def test_a_list_of_lists_is_for_python() -> None:
    with pytest.raises(RecipeError, match="layers: a list of lists, which only Python can give"):
        find_recipe("mnist-cnn").changed({"layers": "5,5,1,0,2"})
    assert find_recipe("mnist-cnn").changed({"layers": [[5, 5, 1, 0, 2]]}).arguments["layers"] == [[5, 5, 1, 0, 2]]
