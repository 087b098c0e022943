"""Our training loop beside the canonical one and beside bare passes, in one run: training examples a second.

    python benchmarks/training.py --case mnist-mlp [--examples 20000] [--repeats 3] [--threads 2] [--out docs/results/training]

Cases are recipes: `mnist-mlp` (batch 10), `cifar-cnn` (batch 32); `scratch` is the NumPy classifier with a hidden layer on CIFAR-10 (batch 128).
Canonical: a torch Dataset that turns each picture into an Image, a tensor, floats, and normalises it, a DataLoader in this process, the
loss read every step, torch's optimiser as it comes. Bare: forward, backward and step on batches that lie ready as floats, shuffled
beforehand. For `scratch` the bare passes are its matrix products alone. Everybody trains the same network on as many examples, turn by turn; seconds are medians.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from audit import keep, machine
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from hoodwink.data.load import load
from hoodwink.data.resident import normalised, permutation
from hoodwink.scratch.classifier import make_classifier
from hoodwink.scratch.fit import Settings
from hoodwink.scratch.fit import fit as numpy_fit
from hoodwink.training.feeds import PictureFeed
from hoodwink.training.inputs import gather, make_network
from hoodwink.training.loop import Parts, Training, fit
from hoodwink.training.precision import keep_memory
from hoodwink.training.recipe import Recipe
from hoodwink.training.recipes import RECIPES
from hoodwink.training.updates import classify

_EPOCHS = 20  # of scratch, as the course has it
CASES = ("mnist-mlp", "cifar-cnn", "scratch")


def main() -> None:
    """Run the cases, print a line for each, and add them to results.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", action="append", choices=CASES, required=True)
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    keep_memory()
    for case in asked.case:
        ways = numpy_ways(asked.examples) if case == "scratch" else torch_ways(RECIPES[case], asked.examples)
        row = {
            "case": case,
            "examples": asked.examples,
            "threads": asked.threads,
            **timed(ways, asked.repeats, asked.examples * (_EPOCHS if case == "scratch" else 1)),
            **machine(),
        }
        print(json.dumps(row), flush=True)
        if asked.out is not None:
            keep(asked.out / "results.json", row, same=("case", "threads"))


def timed(ways: dict[str, Callable[[], None]], repeats: int, examples: int) -> dict[str, Any]:
    """Median seconds of each way, turn by turn, as examples a second, and ours against the others."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begun)
    row: dict[str, Any] = {f"{name}_per_second": round(examples / float(np.median(values)), 1) for name, values in seconds.items()}
    for name, values in seconds.items():
        if name != "ours":
            row[f"ours_over_{name}"] = round(float(np.median(np.array(values) / np.array(seconds["ours"]))), 2)
    return row


def torch_ways(recipe: Recipe, examples: int) -> dict[str, Callable[[], None]]:
    """The three loops over the first examples of the recipe's data."""
    material = gather(replace(recipe, validation=0))
    recipe = replace(recipe, epochs=1, validation=0, keep="last")
    network = make_network(recipe, material)
    train = material.suited(network).train.part(torch.arange(examples))
    assert isinstance(train, PictureFeed)
    parts = Parts(recipe, network, classify(), train, None)
    floats = normalised(train.data.pictures[permutation(examples, 0, 0)], train.mean, train.std)
    labels = train.data.labels[permutation(examples, 0, 0)]

    kind, transform = transforms(train.mean, train.std)
    print(f"the canonical loop's transforms: {kind}")
    data = Pictures(train.data.pictures, train.data.labels, transform)

    def own() -> nn.Module:
        return copy.deepcopy(network).train()

    return {
        "ours": lambda: fit(Training.start(replace(parts, network=own())), watch=lambda epoch: None, tick=lambda training: None),
        "canonical": lambda: canonical(own(), recipe, data),
        "bare": lambda: bare(own(), recipe, floats, labels),
    }


class Pictures(Dataset[tuple[Tensor, int]]):
    """Pictures one by one, each through an Image and a chain of transforms, as data sets of the field have it."""

    def __init__(self, pictures: Tensor, labels: Tensor, transform: Callable[[Image.Image], Tensor]) -> None:
        self.levels, self.labels, self.transform = pictures.permute(0, 2, 3, 1).contiguous().numpy(), labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        levels, label = self.levels[index], int(self.labels[index])
        return self.transform(Image.fromarray(levels if levels.shape[2] == 3 else levels[:, :, 0])), label


def transforms(means: tuple[float, ...], stds: tuple[float, ...]) -> tuple[str, Callable[[Image.Image], Tensor]]:
    """ToTensor and Normalize of torchvision where it can be imported, else the same done by hand, which is faster than those."""
    try:
        operators = torch.library.Library("torchvision", "FRAGMENT")  # what a build for another torch lacks
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        module = import_module("torchvision.transforms")
        return "torchvision", module.Compose([module.ToTensor(), module.Normalize(means, stds)])
    except (ImportError, RuntimeError):
        mean, std = (torch.tensor(value)[:, None, None] for value in (means, stds))

        def by_hand(image: Image.Image) -> Tensor:
            found = torch.from_numpy(np.array(image, copy=True)).view(image.height, image.width, -1)
            return found.permute(2, 0, 1).contiguous().to(torch.float32).div(255).sub_(mean).div_(std)

        return "by hand", by_hand


def canonical(network: nn.Module, recipe: Recipe, data: Pictures) -> None:
    """The loop of the tutorials."""
    optimiser, total = plain(network, recipe), 0.0
    for inputs, labels in DataLoader(data, batch_size=recipe.batch, shuffle=True):
        optimiser.zero_grad()
        loss = F.cross_entropy(network(inputs), labels)
        loss.backward()
        optimiser.step()
        total += loss.item()


def bare(network: nn.Module, recipe: Recipe, inputs: Tensor, labels: Tensor) -> None:
    """Forward, backward and step, and nothing else; the optimiser is the fused one, as ours."""
    optimiser = plain(network, recipe, fused=True)
    for x, y in zip(inputs.split(recipe.batch), labels.split(recipe.batch), strict=True):
        F.cross_entropy(network(x), y).backward()
        optimiser.step()
        optimiser.zero_grad()


def numpy_ways(examples: int) -> dict[str, Callable[[], None]]:
    """The scratch classifier's epochs, and their matrix products alone: two forward, three backward (none by the pictures).

    The pictures are normalised once for all epochs.
    """
    data = load("cifar10:train", limit=examples)
    assert isinstance(data.pictures, np.ndarray) and data.labels is not None
    labels, batch, hidden = data.labels, 128, 1000
    classifier = make_classifier(data.pictures.shape[1:], data.classes, hidden=(hidden,))
    settings = Settings(epochs=_EPOCHS, batch=batch, rate=0.1)
    x = classifier.normalise(data.pictures)
    first, second = classifier.weights
    wide, narrow = np.ones((batch, hidden), np.float32), np.ones((batch, 10), np.float32)

    def products() -> None:
        for start in [*range(0, examples, batch)] * _EPOCHS:
            rows = x[start : start + batch]
            count = len(rows)
            rows @ first
            wide[:count] @ second
            wide[:count].T @ narrow[:count]
            narrow[:count] @ second.T
            rows.T @ wide[:count]

    return {"ours": lambda: discard(numpy_fit(classifier, data.pictures, labels, settings)), "bare": products}


def discard(value: object) -> None:
    """A way returns nothing."""


def plain(network: nn.Module, recipe: Recipe, fused: bool | None = None) -> torch.optim.Optimizer:
    """The recipe's optimiser as torch makes it."""
    if recipe.optimiser == "adam":
        return torch.optim.Adam(network.parameters(), lr=recipe.rate, fused=fused)
    return torch.optim.SGD(network.parameters(), lr=recipe.rate, momentum=recipe.momentum, fused=fused)


if __name__ == "__main__":
    main()
