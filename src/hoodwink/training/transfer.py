"""Training a head on the features of a pretrained network; what is kept is the whole network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hoodwink.data.augment import Augmentation
from hoodwink.data.download import Progress
from hoodwink.data.fetch import Tell
from hoodwink.data.resident import batches
from hoodwink.data.sets import DataSet
from hoodwink.models.build import can_build
from hoodwink.models.card import ModelError
from hoodwink.models.embed import Embedder, as_embedder
from hoodwink.models.load import PACKAGED, load_model
from hoodwink.networks.composed import replaced
from hoodwink.networks.table import NETWORKS
from hoodwink.training.features import find_features
from hoodwink.training.feeds import Batch
from hoodwink.training.material import Material, parted
from hoodwink.training.pictures import labelled_sets
from hoodwink.training.recipe import Recipe, RecipeError

_HEADED = "headed"  # as models.build calls a network whose layer is replaced


@dataclass(frozen=True, eq=False)
class VectorFeed:
    """Features and labels. vectors: float32 N x D; labels: int64 N; both on the device."""

    vectors: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.vectors)

    def steps(self, size: int) -> int:
        return -(-len(self) // size)

    def batches(self, size: int, *, seed: int, epoch: int, start: int, rank: int, world: int) -> Iterator[Tensor]:
        return batches(len(self), size, seed=seed, epoch=epoch, start=start, rank=rank, world=world)

    def drawn(self, indices: Sequence[Tensor], generator: torch.Generator) -> Iterator[Batch]:
        return map(self.take, indices)

    def take(self, indices: Tensor) -> Batch:
        there = indices.to(self.vectors.device)
        return self.vectors[there], self.labels[there]

    def part(self, indices: Tensor) -> VectorFeed:
        return VectorFeed(*self.take(indices))

    def suited(self, network: nn.Module) -> VectorFeed:
        return self


@dataclass(frozen=True, eq=False)
class Backbone:
    """A pretrained network without its last layer. seconds: that its features took when they were computed, by split."""

    embed: Embedder
    seconds: Mapping[str, float]

    @property
    def layer(self) -> str:
        """The layer in whose place the head is put, named as in `named_modules()`."""
        return str(self.embed.model.card.network["arguments"]["layer"])

    @property
    def source(self) -> str:
        return f", on the features of {self.embed.model.card.name} ({self.embed.model.card.source or 'source unknown'})"

    @property
    def licence(self) -> str:
        return self.embed.model.card.licence

    def whole(self, head: nn.Module) -> nn.Module:
        """The network with this head; weights are shared."""
        return replaced(self.embed.model.network, self.layer, head)

    def record(self, head: Mapping[str, Any]) -> dict[str, Any]:
        """How `models.build` builds the whole, given how it builds the head."""
        return {"name": _HEADED, "arguments": {**self.embed.model.card.network["arguments"], "head": dict(head)}}

    def facts(self) -> dict[str, Any]:
        """What a run's record says of it."""
        card = self.embed.model.card
        known = {"model": card.name, "weights_sha256": card.weights_sha256, "layer": self.layer, "dimension": self.embed.dimension}
        return known | {"seconds": {split: round(value, 2) for split, value in self.seconds.items()}}


def find_embedder(recipe: Recipe, device: str) -> Embedder:
    """The recipe's backbone without its layer; RecipeError where no model folder could name it, ModelError."""
    try:
        model = load_model(recipe.backbone, device=device)
    except ModelError:
        if recipe.backbone in PACKAGED or os.path.isdir(recipe.backbone) or recipe.backbone.startswith(("timm:", "torchvision:")):
            raise
        raise RecipeError(
            f"backbone: a packaged network, a model folder, timm:NAME or torchvision:NAME was wanted, not {recipe.backbone!r}; "
            "type --set backbone=efficientnet-lite0"
        ) from None
    embed = as_embedder(model, recipe.layer)
    network = embed.model.card.network
    if network["name"] != _HEADED or network["arguments"]["head"] is not None or not can_build(network["arguments"]["body"]["name"]):
        raise RecipeError(
            f"backbone: a network that a model folder can name was wanted, {recipe.backbone} is built by code of its own; "
            "name a packaged network, a model folder, timm:NAME or torchvision:NAME"
        )
    return embed


def gather_features(
    recipe: Recipe, device: str, say: Callable[[str], None] | None, tell: Tell | None, progress: Progress | None
) -> Material:
    """Load a recipe's pictures, and of those that are used the features; DataError, RecipeError, ModelError."""
    _check(recipe)
    embed = find_embedder(recipe, device)
    seen = embed.model.card.picture
    names, sets = labelled_sets(recipe, tell, progress, seen.channels)
    if any(data.pictures[0].shape[2] != seen.channels for data in sets.values()):
        ours, theirs = ("in colour", "grey") if seen.channels == 3 else ("in grey", "coloured")
        raise RecipeError(
            f"backbone: {embed.model.card.name} takes pictures {ours}, {recipe.data} has {theirs} ones; name another with --set data="
        )
    classes = sets["train"].classes
    learned, held = parted(recipe, _labels(sets["train"]), len(classes))
    chosen = {"train": (sets["train"], learned)}
    if held is not None:
        chosen["validation"] = (sets["train"], held)
    elif recipe.split:
        chosen["validation"] = (sets[recipe.split], torch.arange(len(sets[recipe.split])))
    chosen["test"] = (sets["test"], torch.arange(len(sets["test"])))
    feeds, seconds = {}, {}
    for name, (data, indices) in chosen.items():
        found = find_features(embed, data, indices, say=say)
        feeds[name], seconds[name] = VectorFeed(found.vectors.to(device), _labels(data)[indices].to(device)), found.seconds

    def start(network: nn.Module) -> None:
        if recipe.input == "standard":
            network.initialise(feeds["train"].vectors)  # type: ignore[operator]

    return Material(
        feeds["train"],
        feeds.get("validation"),
        feeds["test"],
        classes,
        hashes={name: data.sha256 for name, data in sets.items()},
        sets=names,
        input=seen,
        arguments={"inputs": embed.dimension},
        start=start,
        backbone=Backbone(embed, seconds),
    )


def _check(recipe: Recipe) -> None:
    """Refuse what features that are computed once cannot do."""
    if recipe.task != "classify" or recipe.reading.unit:
        raise RecipeError(f"backbone: a recipe that classifies pictures was wanted, {recipe.name} is another; leave backbone away")
    if recipe.augmentation != Augmentation() or recipe.flips:
        raise RecipeError(
            "backbone: its features are computed once, of the pictures as they are, so none can be varied; leave the augmentation "
            "and flips away, or train from pixels without backbone"
        )
    if recipe.input == "signed":
        raise RecipeError("input: 'standard' or 'unit' (as they are) was wanted of the features of a backbone, not 'signed'")
    if recipe.network in NETWORKS and not NETWORKS[recipe.network].features:
        raise RecipeError(f"network: one that takes the backbone's features was wanted, not {recipe.network!r}; type --set network=head")


def _labels(data: DataSet) -> Tensor:
    return torch.tensor(data.labels, dtype=torch.int64)
