"""From a recipe's words to data, network and card."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from hoodwink.data.download import Progress
from hoodwink.data.fetch import Tell
from hoodwink.data.keys import keyed
from hoodwink.models.build import build
from hoodwink.models.card import ModelCard
from hoodwink.networks.gan import GAN
from hoodwink.networks.table import NETWORKS
from hoodwink.training.feeds import Feed, suits_channels_last
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
    name, colon, split = recipe.data.rpartition(":")
    if colon and not {"/", "\\"} & set(split) and not os.path.exists(recipe.data):
        raise RecipeError(f"data: a name or folder without a split was wanted, not {recipe.data!r}; type --set data={name}")
    if recipe.backbone:
        return gather_features(recipe, device, say, tell, progress)
    if recipe.network in NETWORKS and NETWORKS[recipe.network].features:
        raise RecipeError(f"network: {recipe.network} takes another network's features; type --set backbone=efficientnet-lite0")
    if recipe.reading.unit:
        return gather_texts(recipe, device, tell)
    return gather_pictures(recipe, device, say, tell, progress)


def make_network(recipe: Recipe, material: Material, device: str = "cpu") -> nn.Module:
    """The recipe's network with weights drawn from its seed, and what of it the data set; RecipeError where it does not take the data."""
    torch.manual_seed(keyed("weights", recipe.seed).initial_seed())
    network = build(recipe.network, _arguments(recipe, material))
    try:
        list(material.train.drawn([torch.arange(min(2, len(material.train)))], torch.Generator()))
    except (RuntimeError, ValueError) as error:  # a change of pictures that is too large for them
        raise RecipeError(str(error).partition("\n")[0]) from error
    try:
        material.start(network)
        network = network.to(device)
        for feed in filter(None, (material.train, material.validation, material.test)):
            _show(network, feed)
    except (RuntimeError, ValueError) as error:
        raise _misfit(recipe, material, str(error).partition("\n")[0]) from error
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


@torch.no_grad()
def _show(network: nn.Module, feed: Feed) -> None:
    """Let a network see two examples, in evaluation mode, which draws nothing; ValueError where it makes pictures of another size."""
    some = torch.arange(min(2, len(feed)))
    inputs, wanted = feed.take(some)
    network.eval()
    if isinstance(network, GAN):
        network.judged(inputs)
        made = network.made(torch.zeros(len(inputs), network.noise, device=inputs.device))
    else:
        made = network(inputs)
    if wanted.dim() == 4 and made.shape != wanted.shape:
        raise ValueError(f"pictures {_size(wanted)} were wanted of it, it makes them {_size(made)}")


def _misfit(recipe: Recipe, material: Material, why: str) -> RecipeError:
    """Say what does not fit in what, and what to type."""
    shape = material.train.take(torch.arange(1))[0].shape[1:]
    if len(shape) != 3:
        return RecipeError(f"{recipe.network}: examples that it takes were wanted, those of {recipe.data} are others ({why})")
    channels, height, width = shape
    size = f"{height} x {width} x {channels} (height x width x channels)"
    fitting = {"channels": channels, "side": height, "inputs": channels * height * width}
    built = {name: value for name, value in recipe.arguments.items() if name in fitting}
    others = [f"--set {name}={fitting[name]}" for name, value in built.items() if value != fitting[name]]
    if not others or ("side" in built and height != width):
        return RecipeError(f"{recipe.network}: pictures {size} of {recipe.data} do not fit ({why}); name others with --set data=")
    told = ", ".join(f"{name}={value}" for name, value in built.items())
    return RecipeError(f"{recipe.network}: the pictures of {recipe.data} are {size}, and it is built for {told}; type {' '.join(others)}")


def _size(pictures: torch.Tensor) -> str:
    return " x ".join(map(str, pictures.shape[2:]))


def _arguments(recipe: Recipe, material: Material) -> dict[str, Any]:
    classes = {"classes": len(material.classes)} if recipe.task == "classify" else {}
    return {**recipe.arguments, **classes, **material.arguments}
