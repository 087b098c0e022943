"""From a recipe's words to data, network and card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from hoodwink.data.download import Progress
from hoodwink.data.fetch import Tell
from hoodwink.data.keys import keyed
from hoodwink.models.build import build
from hoodwink.models.card import ModelCard
from hoodwink.networks.table import NETWORKS
from hoodwink.training.feeds import suits_channels_last
from hoodwink.training.material import Material
from hoodwink.training.pictures import gather_pictures
from hoodwink.training.recipe import Recipe, RecipeError
from hoodwink.training.texts import gather_texts
from hoodwink.training.transfer import gather_features


def gather(
    recipe: Recipe,
    device: str = "cpu",
    *,
    say: Callable[[str], None] | None = None,
    tell: Tell | None = None,
    progress: Progress | None = None,
) -> Material:
    """Load a recipe's data and part it; DataError, RecipeError, TextError, ModelError of a backbone."""
    if recipe.backbone:
        return gather_features(recipe, device, say, tell, progress)
    if recipe.network in NETWORKS and NETWORKS[recipe.network].features:
        raise RecipeError(f"network: {recipe.network} takes another network's features; type --set backbone=efficientnet-lite0")
    if recipe.reading.unit:
        return gather_texts(recipe, device, tell)
    return gather_pictures(recipe, device, say, tell, progress)


def make_network(recipe: Recipe, material: Material, device: str = "cpu") -> nn.Module:
    """The recipe's network with weights drawn from its seed, and what of it the data set."""
    torch.manual_seed(keyed("weights", recipe.seed).initial_seed())
    network = build(recipe.network, _arguments(recipe, material))
    material.start(network)
    network = network.to(device)
    return network.to(memory_format=torch.channels_last) if suits_channels_last(network) else network  # type: ignore[call-overload]


def make_card(recipe: Recipe, material: Material, weights_sha256: str, score: float | None, date: str) -> ModelCard:
    """What is known of a network; score: its accuracy (or perplexity) on the test examples, None while it is still being trained."""
    backbone, own = material.backbone, {"name": recipe.network, "arguments": _arguments(recipe, material)}
    known = {"set": material.sets["test"], "measure": recipe.measure, "value": score, "sha256": material.hashes["test"], "date": date}
    return ModelCard(
        name=recipe.name,
        task=recipe.task,
        network=own if backbone is None else backbone.record(own),
        source=f"trained by hoodwink train {recipe.name}, seed {recipe.seed}{'' if backbone is None else backbone.source}",
        licence="" if backbone is None else backbone.licence,
        weights_sha256=weights_sha256,
        input=material.input,
        classes=material.classes,
        scores=() if score is None else (known,),
    )


def _arguments(recipe: Recipe, material: Material) -> dict[str, Any]:
    classes = {"classes": len(material.classes)} if recipe.task == "classify" else {}
    return {**recipe.arguments, **classes, **material.arguments}
