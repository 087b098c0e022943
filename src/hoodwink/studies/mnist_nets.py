"""Handwritten digits by linear layers and by convolutions: the loss of each iteration, and what each layer makes of a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice

import torch
from torch import Tensor, nn

from hoodwink.data.augment import Augmentation, augment, key
from hoodwink.data.keys import keyed
from hoodwink.data.resident import Resident
from hoodwink.data.subset import split
from hoodwink.models.shapes import layers, times
from hoodwink.networks.convnet import convnet
from hoodwink.networks.mlp import mlp
from hoodwink.studies.descent import accuracy, descend
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import curve, name, page, reference
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study

MEAN, STD = (0.1307,), (0.3081,)  # of MNIST's training pictures in [0, 1]
POINTS = 500  # of a curve that is kept
FLOOR = 0.985


def network(desk: Desk) -> nn.Module:
    """The line's network; both have ReLU behind each layer but the last, and give logits."""
    torch.manual_seed(keyed("mnist-nets", desk.seed).initial_seed())
    if desk["network"] == "mlp":
        return mlp(hidden=desk["hidden"])  # 784-50-20-10
    first, second = desk["channels"]
    padding = desk["padding"]
    # conv 5x5 (1 to 5 channels), pool 2, conv 5x5 (5 to 10), pool 2, then 10 x 4 x 4 = 160 numbers go through 160-32-10.
    return convnet(layers=((first, 5, 1, padding, 2), (second, 5, 1, padding, 2)), hidden=desk["hidden"])


def rate(desk: Desk, progress: float) -> float:
    """The rate when a part of the run, 0 to 1, is done: the same all the time, or down to nothing along a cosine."""
    return float(desk["rate"]) * ((1 + math.cos(math.pi * progress)) / 2 if desk["schedule"] == "cosine" else 1.0)


def thinned(losses: list[float], points: int = POINTS) -> list[float]:
    """The means of equally many iterations each, at most so many of them: the loss of one batch jumps about."""
    each = -(-len(losses) // points)
    return [sum(losses[k : k + each]) / len(losses[k : k + each]) for k in range(0, len(losses), each)]


def run(desk: Desk) -> Found:
    whole, test = desk.pictures("train"), desk.pictures("test")
    # The last pictures in file order are held out: what is looked at on the way was never learned.
    learned, held = split(len(whole), len(whole) - desk["looked"], desk["looked"])
    train, validation = Resident(*whole.take(learned)), Resident(*whole.take(held))
    seen = Resident(train.pictures[: desk["looked"]], train.labels[: desk["looked"]])
    net = network(desk)
    optimiser = torch.optim.SGD(net.parameters(), lr=desk["rate"], momentum=desk["momentum"])
    how = Augmentation(shift=desk["shift"], rotation=desk["rotation"])

    def vary(pictures: Tensor, step: int) -> Tensor:
        return augment(pictures, how, key(desk.seed, 0, step))

    def judged(data: Resident) -> float:
        return accuracy(net, data, mean=MEAN, std=STD)

    steps = descend(net, optimiser, train, batch=desk["batch"], seed=desk.seed, mean=MEAN, std=STD, vary=vary)
    an_epoch = -(-len(train) // desk["batch"])  # the last batch is smaller
    losses, looks, tested = list[float](), {"training": [judged(seen)], "validation": [judged(validation)]}, list[float]()
    for epoch in range(desk["epochs"]):
        for loss in islice(steps, an_epoch):
            losses.append(loss)
            if len(losses) % desk["every"] == 0:
                looks["training"].append(judged(seen))
                looks["validation"].append(judged(validation))
            for group in optimiser.param_groups:
                group["lr"] = rate(desk, len(losses) / (an_epoch * desk["epochs"]))
        tested.append(judged(test))
        desk.say(f"{desk.line}, seed {desk.seed}: epoch {epoch + 1} of {desk['epochs']}")
    table = [(one.kind, times(one.inputs), times(one.output), one.formula) for one in layers(net, whole.pictures.shape[1:])]
    values = {
        "test accuracy": tested[-1],
        "validation accuracy": judged(validation),
        "training accuracy": judged(seen),
        "parameters": float(sum(value.numel() for value in net.parameters())),
    }
    series = {
        "iterations": len(losses),
        "loss": thinned(losses),
        "training accuracy": looks["training"],
        "validation accuracy": looks["validation"],
        "test accuracy": tested,
        "layers": table,
    }
    return Found(values, series=series)


def tell(answers: Mapping[str, Answer]) -> Story:
    with page(1, 3, width=13.5) as figure:
        for colour, (line, answer) in enumerate(answers.items()):
            iterations, losses = answer.series("iterations")[0], answer.mean_series("loss")
            each = -(-iterations // POINTS)
            every = answer.settings["every"]
            curve(figure.panels[0], [each * (k + 1) for k in range(len(losses))], answer.series("loss"), line, colour, linewidth=0.8)
            for style, what in ((":", "training"), ("-", "validation")):
                looks = answer.series(f"{what} accuracy")
                xs = [every * k for k in range(len(looks[0]))]
                curve(figure.panels[1], xs, looks, f"{line}: {what}", colour, linestyle=style, linewidth=1.0)
            epochs = range(1, answer.settings["epochs"] + 1)
            curve(figure.panels[2], epochs, answer.series("test accuracy"), line, colour, marker="o", markersize=3)
        reference(figure.panels[2], FLOOR, "floor of the CNN")
        figure.panels[0].set_yscale("log")
        figure.panels[1].set_ylim(0.85 if all(a.mean("test accuracy") > 0.9 for a in answers.values()) else 0, 1.003)
        looked = max(answer.settings["looked"] for answer in answers.values())
        name(figure.panels[0], "iteration", "cross-entropy", f"Loss of the batches (means of {each})")
        name(figure.panels[1], "iteration", "accuracy", f"{looked} training, {looked} validation pictures")
        name(figure.panels[2], "epoch", "accuracy", "The whole test set")
    ann, cnn = answers["ann"], answers["cnn"]
    first = ann.mean_series("test accuracy")[0], cnn.mean_series("test accuracy")[0]
    findings = [
        f"{line}: {100 * answer.mean('test accuracy'):.2f} % of the test pictures after {answer.settings['epochs']} epochs "
        f"({answer.series('iterations')[0]:,} iterations), with {answer.mean('parameters'):,.0f} parameters."
        for line, answer in answers.items()
    ]
    errors = [1 - answer.mean("test accuracy") for answer in (ann, cnn)]
    findings.append(
        f"The convolutions make {errors[1] / errors[0]:.2f} times the errors of the linear layers, with "
        f"{cnn.mean('parameters') / ann.mean('parameters'):.2f} times the parameters; after the first epoch they have "
        f"{100 * first[1]:.1f} % right, the linear layers {100 * first[0]:.1f} %."
    )
    gaps = {line: 100 * (answer.mean("training accuracy") - answer.mean("validation accuracy")) for line, answer in answers.items()}
    findings.append(
        "In the end the accuracy on learned pictures is that on held-out ones plus "
        + ", ".join(f"{gap:.1f} points ({line})" for line, gap in gaps.items())
        + "."
    )
    head = ("layer", "takes", "gives", "how: width W, kernel K, padding P, stride S")
    tables = [Table(f"{line}: shapes and parameters", head, answer.series("layers")[0]) for line, answer in answers.items()]
    caption = "Left the loss, in the middle the accuracy on fixed pictures as it is measured on the way, right that on the whole test set."
    return Story(findings, [Figure("curves", caption, figure.png)], tables)


_SETTINGS = {
    "data": "mnist",
    "epochs": 10,
    "batch": 64,
    "rate": 0.01,
    "momentum": 0.9,
    "schedule": "constant",
    "shift": 0,
    "rotation": 0.0,
    "every": 50,
    "looked": 1000,
}
_ANN = {"network": "mlp", "hidden": (50, 20)}
_CNN = {"network": "convnet", "channels": (5, 10), "padding": 0, "hidden": (32,)}
_QUICK = {"data": "digits-28", "epochs": 3, "every": 5, "looked": 100}
MNIST_NETS = Study(
    name="mnist-nets",
    question="What do convolutions gain over linear layers on handwritten digits?",
    help=(
        "Two networks learn MNIST by gradient descent (rate 0.01, momentum 0.9, batches of 64) for ten epochs: linear layers 784-50-20-10, "
        "and two convolutions of 5 x 5 pixels with 5 and 10 channels, each followed by max pooling of 2, before linear layers 160-32-10. The "
        "loss is noted at each iteration; every 50 iterations the accuracy is measured on the first 1,000 training pictures and on 1,000 "
        "validation pictures, and after each epoch on the whole test set.\n\n"
        "The validation pictures are the last 1,000 of the training file; they are not learned, so 59,000 are. Pictures are standardised "
        "(mean 0.1307, deviation 0.3081). The size of what a layer gives follows from the width W of what it takes, its kernel K, padding P "
        "and stride S: (W - K + 2P) / S + 1; the tables show it for each layer."
    ),
    lines=(
        Line(name="ann", help="The source: linear layers 784-50-20-10.", settings={**_SETTINGS, **_ANN}, quick=_QUICK, minutes=0.5),
        Line(
            name="cnn",
            help="The source: conv5(1-5), pool, conv5(5-10), pool, 160-32-10.",
            settings={**_SETTINGS, **_CNN},
            quick=_QUICK,
            marks=(Mark(measure="test accuracy", floor=FLOOR),),
            minutes=1.0,
        ),
        Line(
            name="better",
            help="Three times the channels, padding, a rate that falls to nothing, and pictures that are moved and turned a little.",
            settings={
                **_SETTINGS,
                **_CNN,
                "channels": (16, 32),
                "padding": 2,
                "hidden": (64,),
                "rate": 0.02,
                "schedule": "cosine",
                "shift": 2,
                "rotation": 10.0,
            },
            quick={**_QUICK, "channels": (5, 10)},
            marks=(Mark(measure="test accuracy", floor=FLOOR, goal=0.993),),
            minutes=3.0,
        ),
    ),
    run=run,
    tell=tell,
)
