"""The data of a training on pictures."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hoodwink.data.cards import DataError
from hoodwink.data.download import Progress
from hoodwink.data.fetch import Tell
from hoodwink.data.load import load
from hoodwink.data.resident import Resident, normalised, resident
from hoodwink.data.sets import DataSet
from hoodwink.models.card import NoiseInput, PictureInput
from hoodwink.training.feeds import PictureFeed
from hoodwink.training.material import Material, parted
from hoodwink.training.recipe import Recipe, RecipeError

_FIRST = 5000  # training pictures that set a first layer


def labelled_sets(
    recipe: Recipe, tell: Tell | None, progress: Progress | None, channels: int = 3
) -> tuple[dict[str, str], dict[str, DataSet]]:
    """The names and pictures of a recipe's splits; DataError where labels lack or files cannot be read, RecipeError for its own split."""
    names = {name: f"{recipe.data}:{name}" for name in filter(None, ("train", recipe.split, "test"))}
    sets = {}
    for name, spec in names.items():
        try:
            sets[name] = load(spec, channels=channels, tell=tell, progress=progress)
        except DataError as error:
            if name == recipe.split:
                raise RecipeError(f"{error}; to hold out training pictures instead, type --set split= --set validation=N") from error
            if not os.path.exists(recipe.data):
                raise
            raise DataError(f"{error}; a training wants DIR/train/CLASS and DIR/test/CLASS, or a csv that says which are which") from error
    for name, found in sets.items():
        if found.labels is None:
            raise DataError(f"{recipe.data}:{name}: pictures with labels were wanted, these have none")
        if found.broken:
            raise DataError(
                f"{recipe.data}:{name}: {len(found.broken)} pictures cannot be read, the first is {found.broken[0][0]}: {found.broken[0][1]}"
            )
        if found.classes != sets["train"].classes:
            others = sorted(set(found.classes) ^ set(sets["train"].classes))
            raise DataError(
                f"{recipe.data}:{name}: the classes of {recipe.data}:train were wanted; {', '.join(map(str, others[:5]))} is not in both"
            )
    if recipe.task == "classify" and len(sets["train"].classes) < 2:
        raise DataError(f"{recipe.data}: pictures of two classes or more were wanted, all are of {sets['train'].classes[0]!r}")
    return names, sets


def gather_pictures(
    recipe: Recipe, device: str, say: Callable[[str], None] | None, tell: Tell | None, progress: Progress | None
) -> Material:
    """Load a recipe's pictures and part them; DataError, RecipeError."""
    names, sets = labelled_sets(recipe, tell, progress)
    ready = {name: resident(found, device, say=say) for name, found in sets.items()}
    height, width = ready["train"].pictures.shape[2:]
    for name, found in ready.items():
        if found.pictures.shape[2:] != (height, width):
            came = " x ".join(map(str, found.pictures.shape[2:]))
            raise DataError(f"{names[name]}: pictures {height} x {width}, as in {names['train']}, were wanted, these are {came}")
    classes = sets["train"].classes
    learned, held = parted(recipe, ready["train"].labels, len(classes))
    whole = ready["train"]
    part = whole if len(learned) == len(whole) else Resident(*whole.take(learned))
    mean, std = _scale(recipe.input, part.pictures)
    itself = recipe.task != "classify"
    train = PictureFeed(part, mean, std, recipe.augmentation, itself=itself)
    others = {name: PictureFeed(found, mean, std, itself=itself) for name, found in ready.items()}
    validation = others["train"].part(held) if held is not None else others.get(recipe.split)

    def start(network: nn.Module) -> None:
        """A first layer that is set from pictures is set from the first 5,000."""
        initialise = getattr(network, "initialise", None)
        if callable(initialise):
            initialise(normalised(part.pictures[:_FIRST].cpu(), mean, std))

    seen = PictureInput(channels=len(mean), resize=(height, width), size=(height, width), mean=mean, std=std)
    return Material(
        train,
        validation,
        others["test"],
        () if itself else classes,
        hashes={name: found.sha256 for name, found in sets.items()},
        sets=names,
        input=NoiseInput(size=recipe.arguments["noise"], draw="uniform") if recipe.task == "generate" else seen,
        start=start,
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
