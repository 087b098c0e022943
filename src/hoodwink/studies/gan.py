"""A generator of digits against its discriminator: which digits it makes, how that changes by epoch, and what makes it more varied."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hoodwink.data.resident import Resident
from hoodwink.models.load import load_model
from hoodwink.models.sample import draw_noise, levels_of, sample_pictures
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found, Story
from hoodwink.studies.gan_figures import (
    DISTANCE,
    ENTROPY,
    MODES,
    PRECISION,
    RECALL,
    SURE,
    by_epoch,
    finding,
    quality_table,
    sample_sheet,
    share_table,
    sheets_by_epoch,
    shown_epochs,
)
from hoodwink.studies.generated import Judge, class_shares, entropy, frechet, modes, precision_recall, trained_judge
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.training.run import history
from hoodwink.training.sheets import read_sheets

WATCHED = "watched.jsonl"
_OWN = ("judge", "judge_epochs", "judge_validation", "watched", "samples", "shown")


def run(desk: Desk) -> Found:
    judge = trained_judge(desk)
    log = desk.folder / WATCHED

    def watch(epoch: int, network: nn.Module) -> None:
        """Which digits the network makes now, of noise that is the same after each epoch."""
        with torch.no_grad():
            noise = draw_noise(desk["watched"], int(network.noise), "uniform", desk.seed)  # type: ignore[arg-type]
            shares = class_shares(judge.look(levels_of(network(noise)))[0])
        with open(log, "a", encoding="utf-8") as file:
            file.write(json.dumps({"epoch": epoch, "shares": shares.tolist()}) + "\n")

    desk.folder.mkdir(parents=True, exist_ok=True)
    trained = desk.train(desk.recipe(*_OWN), network=watch)
    every = _read(log)  # of an epoch that was done again after a kill, the last
    model, epochs = load_model(trained.directory), history(trained)
    made = sample_pictures(model, desk["samples"], seed=desk.seed)
    values, shares = measured(judge, made, desk)
    series = {
        "shares": shares,
        "shares by epoch": [every[epoch.epoch] for epoch in epochs],
        "discriminator": [epoch.loss for epoch in epochs],
        "generator": [epoch.more["generator"] for epoch in epochs],
    }
    pictures = {"made": made[: desk["shown"]], "sheets": np.stack(read_sheets(trained.directory, shown_epochs(len(epochs))))}
    return Found(values, {"seconds of an epoch": trained.record["result"]["seconds"] / len(epochs)}, series, pictures)


def measured(judge: Judge, made: np.ndarray[Any, Any], desk: Desk) -> tuple[dict[str, float], list[float]]:
    """The numbers of generated pictures beside the test pictures, with what as many training pictures get; and the share of each digit."""
    seen, features = judge.look(made)
    real = judge.look(_levels(desk.pictures("test"), len(made)))[1]
    other = judge.look(_levels(desk.pictures("train"), len(made)))[1]
    shares = class_shares(seen)
    precision, recall = precision_recall(real, features)
    best_precision, best_recall = precision_recall(real, other)
    values = {
        ENTROPY: entropy(shares),
        MODES: float(modes(shares)),
        SURE: float(seen.amax(1).mean()),
        DISTANCE: frechet(real, features),
        PRECISION: precision,
        RECALL: recall,
        f"{DISTANCE} of real pictures": frechet(real, other),
        f"{PRECISION} of real pictures": best_precision,
        f"{RECALL} of real pictures": best_recall,
    }
    return values, shares.tolist()


def tell(answers: Mapping[str, Answer]) -> Story:
    figures = [by_epoch(answers), sample_sheet(answers), sheets_by_epoch(answers["source"])]
    return Story(finding(answers), figures, [quality_table(answers), share_table(answers)])


def _levels(data: Resident, count: int) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = data.pictures[:count].permute(0, 2, 3, 1).cpu().numpy()
    return found


def _read(path: Path) -> dict[int, list[float]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {line["epoch"]: line["shares"] for line in lines}


_SETTINGS = {
    "recipe": "mnist-gan",
    "data": "mnist",
    "epochs": 20,
    "batch": 64,
    "rate": 0.002,
    "kernels": 0,
    "judge": "mnist-cnn",
    "judge_epochs": 10,
    "judge_validation": 10_000,
    "watched": 1000,
    "samples": 10_000,
    "shown": 64,
}
_QUICK = {"data": "digits-28", "epochs": 2, "judge_epochs": 2, "judge_validation": 200, "watched": 50, "samples": 100, "shown": 16}
_CONV = {"recipe": "mnist-dcgan", "rate": 0.0002, "batch": 128, "epochs": 25}
GAN = Study(
    name="gan",
    question="Does a generator of digits make all ten of them?",
    help=(
        "A generator makes pictures of 100 numbers drawn evenly from [-1, 1]; a discriminator learns to tell them from MNIST's; the "
        "generator learns that its pictures are called real. The source: linear layers 100-32-64-128-784 and 784-128-64-32-1 with leaky "
        "ReLU (0.2) and dropout 0.3, tanh at the end, Adam 0.002, batches of 64, 20 epochs; the generator's labels are flipped, that is, "
        "it lowers -log D(G(z)) instead of log(1 - D(G(z))), whose slope vanishes while the discriminator is sure.\n\n"
        "Nothing in that game asks for variety: a generator that makes one good digit fools as well as one that makes ten. So what is made "
        "is counted: after each epoch a classifier trained on the same data (mnist-cnn) says which digit each of 1,000 samples of the same "
        "noise is; the entropy of the shares is log 10 = 2.303 where all are even, and a digit counts as found from one sample in a "
        "hundred on. At the end 10,000 samples are compared with the 10,000 test pictures in the 32 numbers that the classifier has "
        "before its last layer: Frechet's distance (of our own classifier, so it is no FID), precision (samples that lie among real "
        "pictures) and recall (real pictures that lie among samples); 10,000 training pictures in the place of samples give the floor of "
        "each.\n\n"
        "The better lines: minibatch discrimination, which lets the discriminator see how like each other the pictures of a batch are; "
        "convolutions (DCGAN); and Wasserstein's critic with a penalty on its slope (WGAN-GP). These two take "
        "long and have one seed."
    ),
    lines=(
        Line(
            name="source",
            help="The source: linear layers, Adam 0.002, 20 epochs.",
            settings=_SETTINGS,
            quick=_QUICK,
            minutes=4.0,
        ),
        Line(
            name="minibatch",
            help="The same with minibatch discrimination.",
            settings=_SETTINGS | {"kernels": 16},
            quick=_QUICK,
            minutes=5.0,
        ),
        Line(
            name="dcgan",
            help="Convolutions and batch norms (DCGAN), Adam 0.0002; one seed, for it takes long.",
            settings=_SETTINGS | _CONV,
            quick=_QUICK | {"epochs": 1},
            marks=(Mark(measure=MODES, floor=10.0),),
            fixed=True,
            minutes=22.0,
        ),
        Line(
            name="wgan-gp",
            help="Convolutions against Wasserstein's critic, its slope held near 1; one seed, for it takes long.",
            settings=_SETTINGS | _CONV | {"recipe": "mnist-wgan", "batch": 320},
            quick=_QUICK | {"epochs": 1},
            marks=(Mark(measure=MODES, floor=10.0),),
            fixed=True,
            minutes=25.0,
        ),
    ),
    run=run,
    tell=tell,
)
