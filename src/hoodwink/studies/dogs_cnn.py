"""Breeds of dogs by a network of two convolutions, as the course has it, and by a small residual network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from hoodwink.data.augment import Augmentation
from hoodwink.models.build import build
from hoodwink.models.shapes import times
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, curve, name, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.training.recipe import Recipe
from hoodwink.training.recipes import find_recipe
from hoodwink.training.run import history

RECIPES = {
    "convnet": find_recipe("dogs-cnn"),
    "residual": Recipe(
        name="dogs-residual",
        help="A small residual network on dogs of ten breeds.",
        data="dogs",
        split="valid",
        network="residual",
        arguments={"classes": 10, "widths": (32, 64, 128, 256), "blocks": 1},
        momentum=0.9,
        nesterov=True,
        schedule="cosine",
        warmup=0.1,
        augmentation=Augmentation(flip=True, crop=8),
    ),
}


def connections(network: nn.Module) -> list[tuple[str, str, int]]:
    """The weights of each convolution and linear layer, biases left out: the layer, the product that counts them, and how many."""
    found = []
    for title, layer in network.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            # A convolution has outputs x inputs x K x K weights, wherever it looks; a linear layer outputs x inputs.
            found.append((f"{title} ({type(layer).__name__})", times(layer.weight.shape), layer.weight.numel()))
    return found


def learn(desk: Desk, recipe: Recipe) -> Found:
    """Train by the desk's settings until the validation loss has stopped falling, and judge the best and the last epoch once."""
    recipe = recipe.changed(desk.settings)
    trained = desk.train(recipe)
    epochs, result = history(trained), trained.record["result"]
    counted = connections(build(recipe.network, recipe.arguments))
    values = {
        "test accuracy": result["best"]["test_accuracy"],
        "test accuracy, last epoch": result["last"]["test_accuracy"],
        "epochs run": float(result["epochs"]),
        "best epoch": float(result["best_epoch"]),
        "connections": float(sum(count for _, _, count in counted)),
    }
    series = {
        "training loss": [epoch.loss for epoch in epochs],
        "validation loss": [epoch.validation_loss for epoch in epochs],
        "training accuracy": [epoch.accuracy for epoch in epochs],
        "validation accuracy": [epoch.validation_accuracy for epoch in epochs],
        "connections": counted,
    }
    return Found(values, {"seconds of training": result["seconds"]}, series)


def run(desk: Desk) -> Found:
    return learn(desk, RECIPES[desk["network"]])


def curves(answers: Mapping[str, Answer]) -> Figure:
    """Losses and accuracies by epoch; a point where the validation loss had stopped falling."""
    with page(1, 2) as figure:
        for panel, what in zip(figure.panels, ("loss", "accuracy"), strict=True):
            for colour, (line, answer) in enumerate(answers.items()):
                epochs = range(1, answer.settings["epochs"] + 1)
                curve(panel, epochs, answer.series(f"training {what}"), f"{line}: training", colour, linestyle=":")
                curve(panel, epochs, answer.series(f"validation {what}"), f"{line}: validation", colour)
                for last, stopped in zip(answer.series(f"validation {what}"), stops(answer), strict=True):
                    if stopped:
                        panel.plot(len(last), last[-1], "o", color=COLOURS[colour], markersize=7, markeredgecolor="black")
            if any(any(stops(answer)) for answer in answers.values()):
                panel.plot([], [], "o", color="white", markeredgecolor="black", label="learning stopped")
            panel.set_ylim(*((None, min(3.0, panel.get_ylim()[1])) if what == "loss" else (0, None)))
        name(figure.panels[0], "epoch", "cross-entropy")
        name(figure.panels[1], "epoch", "accuracy")
    return Figure("curves", "Loss and accuracy by epoch; a point marks where learning stopped, the band covers the seeds.", figure.png)


def stops(answer: Answer) -> list[bool]:
    """Whether each seed was stopped before its epochs were over."""
    return [epochs < answer.settings["epochs"] for epochs in answer.all("epochs run")]


def ended(line: str, answer: Answer) -> str:
    """A sentence that says when a line's trainings ended and how well they do."""
    settings, seeds = answer.settings, answer.all("epochs run")
    counts = ", ".join(f"{epochs:.0f}" for epochs in seeds)
    rule = f"the validation loss fell by no more than {settings['least']:g} for {settings['patience']} epochs in a row"
    how = f"it ran {counts} of {settings['epochs']} epochs"
    if settings["patience"]:
        stopped = sum(stops(answer))
        how += f" ({stopped} of {len(seeds)} stopped because {rule})" if stopped else f" (it never happened that {rule})"
    best, last = (100 * answer.mean(f"test accuracy{which}") for which in ("", ", last epoch"))
    return f"{line}: {how}; the best epoch by validation has {best:.1f} % of the test pictures right, the last {last:.1f} %."


def counted(line: str, rows: Sequence[Sequence[str | int]]) -> Table:
    """The table of connections."""
    return Table(f"{line}: connections, biases left out", ("layer", "outputs x inputs (x K x K)", "connections"), rows)


def tell(answers: Mapping[str, Answer]) -> Story:
    source, better = answers["source"], answers["better"]
    ahead = 100 * (better.mean("test accuracy") - source.mean("test accuracy"))
    return Story(
        findings=[
            ended("source", source),
            ended("better", better),
            (
                f"The residual network is {abs(ahead):.1f} points {'ahead' if ahead > 0 else 'behind'}, with "
                f"{better.mean('connections'):,.0f} connections against {source.mean('connections'):,.0f}, and takes "
                f"{better.mean('seconds of training') / max(source.mean('seconds of training'), 0.01):.1f} times as long."
            ),
            "The source's accuracy is that on its own pictures, which are not public: it is a number to compare with, not one to reach.",
        ],
        figures=[curves(answers)],
        tables=[counted("source", source.series("connections")[0])],
    )


DOGS_CNN = Study(
    name="dogs-cnn",
    question="How many dogs does a small convolutional network tell apart?",
    help=(
        "4,930 pictures of dogs of ten breeds, 64 x 64 pixels in colour, go through two convolutions of 5 x 5 pixels and stride 2, with 6 "
        "and 10 channels, ReLU behind each, and one linear layer of 1690 inputs. Gradient descent (rate 0.001, batches of 32) ends after at "
        "most 100 epochs, or when the validation loss has failed to fall by more than 0.0001, against the epoch before, for three epochs in "
        "a row. The best epoch by validation accuracy and the last one are judged on the test pictures.\n\n"
        "The better line is a small residual network with batch norm: momentum, a rate that rises and falls, and pictures that are mirrored, "
        "shifted and partly covered at random, so that no epoch shows the same ones again."
    ),
    lines=(
        Line(
            name="source",
            help="Two convolutions, no padding, the rate constant; stopped by the validation loss.",
            settings={"network": "convnet", "data": "dogs", "epochs": 100, "batch": 32, "rate": 0.001, "patience": 3, "least": 1e-4},
            quick={"data": "digits-64", "epochs": 3},
            marks=(
                Mark(measure="connections", reference=18_850),
                Mark(measure="epochs run", reference=65),
                Mark(measure="test accuracy, last epoch", reference=0.2613),
            ),
            minutes=0.3,
        ),
        Line(
            name="better",
            help="A residual network of four blocks with batch norm, its pictures mirrored, shifted and partly covered; no early end.",
            settings={
                "network": "residual",
                "data": "dogs",
                "widths": (32, 64, 128, 256),
                "epochs": 45,
                "batch": 64,
                "rate": 0.05,
                "weight_decay": 0.002,
                "smoothing": 0.1,
                "crop": 8,
                "cutout": 20,
                "precision": "bfloat16",
                "patience": 0,
                "least": 1e-4,
            },
            quick={"data": "digits-64", "widths": (8, 16), "epochs": 2},
            marks=(Mark(measure="test accuracy", floor=0.5),),
            minutes=4.0,
        ),
    ),
    run=run,
    tell=tell,
)
