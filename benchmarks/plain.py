"""A plainly trained CIFAR-10 network, undefended, for audits to be measured on; it is written as a model folder.

    python benchmarks/plain.py --out DIR [--epochs 10] [--seed 0]

Batches of 256, shifts of up to 2 pixels and flips, SGD with Nesterov momentum, one cycle of the learning rate, one thread, bfloat16
where autocast says so. The test pictures are seen once, by the network at the end, in float32. Same seed, machine and versions: same
weights.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hoodwink.data.load import load
from hoodwink.data.sets import DataSet
from hoodwink.models.build import build
from hoodwink.models.card import ModelCard, PictureInput
from hoodwink.models.model import Model
from hoodwink.models.weights import hash_weights

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of the training pictures
NETWORK: dict[str, Any] = {"name": "cnn", "arguments": {"classes": 10, "widths": [32, 64, 128, 256]}}
BATCH, SHIFT = 256, 2
LEARNING_RATE, MOMENTUM, DECAY = 0.2, 0.9, 5e-4


def main() -> None:
    """Train, measure and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)  # another number of threads adds up in another order, and gives other weights
    torch.manual_seed(asked.seed)
    network = build(NETWORK["name"], NETWORK["arguments"]).to(memory_format=torch.channels_last)
    start = time.perf_counter()
    train(network, load("cifar10:train"), asked.epochs, torch.Generator().manual_seed(asked.seed))
    seconds = time.perf_counter() - start
    test = load("cifar10:test")
    model = Model(network, card(test.classes, hash_weights(network), f"epochs {asked.epochs}, seed {asked.seed}"))
    score = {"set": "cifar10:test", "measure": "accuracy", "value": accuracy(model, test), "pictures": len(test), "sha256": test.sha256}
    model.card = replace(model.card, scores=(score | {"date": date.today().isoformat()},))
    model.save(asked.out)
    size = sum(p.numel() for p in network.parameters())
    print(f"{asked.out}: accuracy {score['value']:.4f} on {len(test)} test pictures, {size} parameters, trained in {seconds:.0f} s")


def train(network: torch.nn.Module, data: DataSet, epochs: int, generator: torch.Generator) -> None:
    """Train in place; prints a line for each epoch."""
    pictures, labels = torch.from_numpy(data.pictures), torch.from_numpy(data.labels)
    optimiser = torch.optim.SGD(network.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=DECAY, nesterov=True)
    steps = epochs * (len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, steps, pct_start=0.25, cycle_momentum=False)
    start = time.perf_counter()
    network.train()
    for epoch in range(epochs):
        losses, right = [], []
        for chosen in batches(len(labels), generator):
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(varied(pictures, chosen, generator))
            loss = F.cross_entropy(logits.float(), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.detach())
            right.append((logits.argmax(1) == labels[chosen]).float().mean())
        means = [float(torch.stack(values).mean()) for values in (losses, right)]
        print(f"epoch {epoch + 1}: loss {means[0]:.3f}, accuracy {means[1]:.3f}, {time.perf_counter() - start:.0f} s", flush=True)


def batches(count: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Indices in a random order, in whole batches: what is left over goes unseen in this epoch."""
    order = torch.randperm(count, generator=generator)
    yield from order[: count - count % BATCH].split(BATCH)


def varied(pictures: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """The chosen of uint8 pictures N x H x W x 3, each shifted (its edges repeated) and perhaps flipped: normalised, n x 3 x H x W."""
    height, width = pictures.shape[1:3]
    count = len(chosen)
    down, across = torch.randint(-SHIFT, SHIFT + 1, (2, count, 1), generator=generator)
    flip = torch.rand(count, 1, generator=generator) < 0.5
    rows = (torch.arange(height) + down).clamp(0, height - 1)
    columns = (torch.arange(width) + across).clamp(0, width - 1)
    columns = torch.where(flip, columns.flip(1), columns)
    levels = pictures[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]  # n x H x W x 3
    normalised = (levels.float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    return normalised.permute(0, 3, 1, 2)  # channels-last in memory


@torch.no_grad()
def accuracy(model: Model, data: DataSet) -> float:
    """The share of pictures whose largest logit is their label's, in float32."""
    preprocess = model.preprocess(*data.pictures.shape[1:3])
    pictures = torch.from_numpy(data.pictures).permute(0, 3, 1, 2)
    right = sum(
        int((model.outputs(preprocess(part.float() / 255)).argmax(1) == labels).sum())
        for part, labels in zip(pictures.split(500), torch.from_numpy(data.labels).split(500), strict=True)
    )
    return right / len(data)


def card(classes: tuple[str, ...], weights_sha256: str, how: str) -> ModelCard:
    return ModelCard(
        name="cifar10-plain",
        network=NETWORK,
        source=f"trained without a defence by benchmarks/plain.py, {how}",
        licence="MIT",
        weights_sha256=weights_sha256,
        input=PictureInput(resize=32, size=(32, 32), mean=MEAN, std=STD),
        classes=classes,
    )


if __name__ == "__main__":
    main()
