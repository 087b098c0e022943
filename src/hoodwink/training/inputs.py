"""From a recipe's words to data, network and card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hoodwink.data.cards import DataError
from hoodwink.data.download import Progress
from hoodwink.data.fetch import Tell
from hoodwink.data.load import load
from hoodwink.data.resident import Resident, normalised, resident
from hoodwink.data.subset import balanced, split
from hoodwink.models.build import build
from hoodwink.models.card import ModelCard, PictureInput
from hoodwink.training.loop import convolves, seed_all
from hoodwink.training.recipes import Recipe, RecipeError

_FIRST = 5000  # training pictures that set a first layer


@dataclass(frozen=True)
class Material:
    """The data of a training. hashes: of each split's content; channels, size: of the pictures."""

    train: Resident
    validation: Resident | None
    test: Resident
    classes: tuple[str, ...]
    hashes: dict[str, str]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: int
    size: tuple[int, int]


def gather(
    recipe: Recipe,
    device: str = "cpu",
    *,
    say: Callable[[str], None] | None = None,
    tell: Tell | None = None,
    progress: Progress | None = None,
) -> Material:
    """Load a recipe's data and part it; DataError, RecipeError."""
    sets = {name: load(f"{recipe.data}:{name}", tell=tell, progress=progress) for name in filter(None, ("train", recipe.split, "test"))}
    for name, found in sets.items():
        if found.labels is None:
            raise DataError(f"{recipe.data}:{name}: pictures with labels were wanted, these have none")
        if found.broken:
            raise DataError(
                f"{recipe.data}:{name}: {len(found.broken)} pictures cannot be read, the first is {found.broken[0][0]}: {found.broken[0][1]}"
            )
    ready = {name: resident(found, device, say=say) for name, found in sets.items()}
    train, validation = ready["train"], ready.get(recipe.split)
    if recipe.validation:
        if recipe.validation >= len(train):
            raise RecipeError(
                f"validation: fewer than {len(train)} pictures, all of {recipe.data}:train, were wanted, not {recipe.validation}"
            )
        first, rest = split(len(train), len(train) - recipe.validation, recipe.validation)
        train, validation = part(train, first), part(train, rest)
    classes = sets["train"].classes
    if recipe.subset:
        train = part(train, balanced(train.labels, recipe.subset, classes=len(classes), seed=recipe.seed))
    mean, std = _scale(recipe.input, train.pictures)
    height, width = train.pictures.shape[2:]
    hashes = {name: found.sha256 for name, found in sets.items()}
    return Material(train, validation, ready["test"], classes, hashes, mean, std, train.pictures.shape[1], (height, width))


def part(data: Resident, indices: Tensor) -> Resident:
    """Some pictures of a set."""
    return Resident(*data.take(indices))


def make_network(recipe: Recipe, material: Material, device: str = "cpu") -> nn.Module:
    """The recipe's network with weights drawn from its seed; a first layer that is set from pictures is set from the first 5,000."""
    seed_all(recipe.seed)
    network = build(recipe.network, {**recipe.arguments, "classes": len(material.classes)})
    initialise = getattr(network, "initialise", None)
    if callable(initialise):
        pictures = material.train.pictures[:_FIRST].cpu()
        initialise(normalised(pictures, material.mean, material.std))
    network = network.to(device)
    return network.to(memory_format=torch.channels_last) if convolves(network) else network  # type: ignore[call-overload]


def make_card(recipe: Recipe, material: Material, weights_sha256: str, score: float | None, date: str) -> ModelCard:
    """What is known of a network; score: its accuracy on the test pictures, None while it is still being trained."""
    known = {"set": f"{recipe.data}:test", "measure": "accuracy", "value": score, "sha256": material.hashes["test"], "date": date}
    return ModelCard(
        name=recipe.name,
        network={"name": recipe.network, "arguments": {**recipe.arguments, "classes": len(material.classes)}},
        source=f"trained by hoodwink train {recipe.name}, seed {recipe.seed}",
        weights_sha256=weights_sha256,
        input=PictureInput(channels=material.channels, resize=material.size, size=material.size, mean=material.mean, std=material.std),
        classes=material.classes,
        scores=() if score is None else (known,),
    )


def _scale(kind: str, pictures: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation, for each channel of pictures in [0, 1], that the kind of input takes off and divides by."""
    channels = pictures.shape[1]
    if kind == "unit":
        return (0.0,) * channels, (1.0,) * channels
    if kind == "signed":
        return (0.5,) * channels, (0.5,) * channels
    levels = torch.arange(256, dtype=torch.float64)
    counts = torch.stack([torch.bincount(pictures[:, k].flatten().int(), minlength=256) for k in range(channels)]).double().cpu()
    counts /= counts.sum(1, keepdim=True)
    mean = counts @ levels
    std = (counts @ levels.square() - mean.square()).clamp(min=1e-12).sqrt()
    return tuple(round(float(m) / 255, 4) for m in mean), tuple(max(round(float(s) / 255, 4), 1e-4) for s in std)
