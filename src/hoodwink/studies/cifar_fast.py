"""How fast, and with how many operations, a network learns to name CIFAR-10's pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hoodwink.models.build import build
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import curve, name, page, reference
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.studies.result import number
from hoodwink.training.run import history

AIM = 0.94
LEAST = 0.93  # in fifteen minutes on two cores


def operations(network: nn.Module, shape: Sequence[int]) -> int:
    """The multiplications and additions of one picture's step: forward, and backward for weights and inputs."""
    network.train()
    picture = torch.zeros(2, *shape)  # batch norm wants two
    with FlopCounterMode(display=False) as counter:
        network(picture).sum().backward()
    return int(counter.get_total_flops()) // 2


def run(desk: Desk) -> Found:
    recipe = desk.recipe()
    trained = desk.train(recipe)
    epochs, result = history(trained), trained.record["result"]
    accuracies = [epoch.validation_accuracy or 0.0 for epoch in epochs]  # of the test pictures: nothing is chosen by them
    seconds = [epoch.seconds for epoch in epochs]
    pictures = desk.pictures("train").pictures
    each = operations(build(recipe.network, recipe.arguments), pictures.shape[1:])
    values = {"test accuracy": result["last"]["test_accuracy"]}
    if "flips" in result:
        values["test accuracy with flips"] = result["flips"]["test_accuracy"]
    steps = [each * len(pictures) * epoch.epoch for epoch in epochs]
    return Found(
        values | {"operations": float(steps[-1]), "epochs": float(len(epochs))},
        times={"seconds of training": result["seconds"], "seconds to 93 %": _first(accuracies, seconds, LEAST)},
        series={"accuracy": accuracies, "seconds": seconds, "operations": steps},
    )


def _first(accuracies: list[float], seconds: list[float], wanted: float) -> float:
    """When the accuracy was reached; -1 if never."""
    return next((when for accuracy, when in zip(accuracies, seconds, strict=True) if accuracy >= wanted), -1.0)


def tell(answers: Mapping[str, Answer]) -> Story:
    fast, source = answers["better"], answers["source"]
    with page(1, 2) as figure:
        for colour, (line, answer) in enumerate(answers.items()):
            for panel, axis in zip(figure.panels, ("seconds", "operations"), strict=True):
                curve(panel, answer.mean_series(axis), answer.series("accuracy"), line, colour, marker="o", markersize=3)
        for panel, words in zip(figure.panels, ("seconds of training", "operations"), strict=True):
            reference(panel, AIM, "94 %")
            name(panel, words, "test accuracy")
        figure.panels[1].set_xscale("log")
    rows = [
        (line, number(a.mean("test accuracy")), number(a.mean("seconds of training")), f"{a.mean('operations'):.2e}")
        for line, a in answers.items()
    ]
    sides = fast.mean("test accuracy with flips")
    return Story(
        findings=[
            (
                f"The fast network reaches {100 * fast.mean('test accuracy'):.2f} % in {fast.mean('seconds of training') / 60:.1f} minutes "
                f"of training, {100 * sides:.2f} % when each picture is asked from both sides; "
                f"the aim of 94 % is {'reached with' if sides >= AIM else 'missed even with'} both sides."
            ),
            (
                f"The course's network ends at {100 * source.mean('test accuracy'):.2f} % "
                f"after {source.mean('seconds of training'):.0f} seconds, with {_times(fast, source):.0f} times fewer operations."
            ),
        ],
        figures=[Figure("accuracy", "Test accuracy after each epoch, by time and by operations; the band covers the seeds.", figure.png)],
        tables=[Table("What it takes", ("line", "test accuracy", "seconds", "operations"), rows)],
    )


def _times(fast: Answer, source: Answer) -> float:
    return fast.mean("operations") / source.mean("operations")


_SHARED = {"data": "cifar10", "split": "test", "validation": 0, "keep": "last"}
CIFAR_FAST = Study(
    name="cifar-fast",
    question="How fast can 94 % of CIFAR-10 be had, honestly?",
    help=(
        "A network that is made for speed: a first layer that is computed instead of learned (it whitens patches of 2 x 2 pixels), few "
        "wide stages, numbers of 16 bits (bfloat16) with channels last in memory, a rate that rises and falls once, weights that are pulled "
        "to their slow average. It stands beside the course's own convolutional network. All 50,000 training pictures are used; the test "
        "pictures are looked at after each epoch for the curve, and nothing is chosen by them: the last weights count.\n\n"
        "Operations are multiplications and additions of all steps, forward and backward, as PyTorch's counter counts them."
    ),
    lines=(
        Line(
            name="source",
            help="The course's CNN with three convolutions, Adam; one seed, for the study of cifar-cnn has three.",
            settings={**_SHARED, "recipe": "cifar-cnn", "epochs": 10, "batch": 32},
            quick={"data": "digits-32", "epochs": 1},
            fixed=True,
            minutes=2.5,
        ),
        Line(
            name="better",
            help="Whitening, wide stages, bfloat16, one rise and fall of the rate, Nesterov momentum, label smoothing, a slow average.",
            settings={**_SHARED, "recipe": "cifar-fast", "epochs": 10, "batch": 1024, "widths": (64, 256, 256)},
            quick={"data": "digits-32", "epochs": 2, "batch": 128, "widths": (8, 16, 16)},
            marks=(
                Mark(
                    measure="test accuracy",
                    floor=LEAST,
                    goal=AIM,
                    reason="the last tenth of a point wants more epochs than two cores do in ten minutes",
                ),
                Mark(measure="test accuracy with flips", floor=LEAST, goal=AIM),
                Mark(measure="seconds of training", floor=900, lower=True, reason="the machine did other work beside it"),
            ),
            minutes=10.0,
        ),
    ),
    run=run,
    tell=tell,
)
