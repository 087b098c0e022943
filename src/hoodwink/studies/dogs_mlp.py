"""Breeds of dogs by linear layers alone, and when to stop teaching them."""

from __future__ import annotations

from collections.abc import Mapping

from hoodwink.data.augment import Augmentation
from hoodwink.studies.desk import Desk
from hoodwink.studies.dogs_cnn import counted, curves, ended, learn
from hoodwink.studies.found import Answer, Found, Story
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.training.recipe import Recipe

MLP = Recipe(
    name="dogs-mlp",
    help="Linear layers 12288-128-64-10 on dogs of ten breeds.",
    data="dogs",
    split="valid",
    network="mlp",
    arguments={"classes": 10, "inputs": 64 * 64 * 3, "hidden": (128, 64), "dropout": 0.0},
    augmentation=Augmentation(),
)


def run(desk: Desk) -> Found:
    return learn(desk, MLP)


def tell(answers: Mapping[str, Answer]) -> Story:
    source, better = answers["source"], answers["better"]
    training, validation = source.mean_series("training loss"), source.mean_series("validation loss")
    lowest = min(range(len(validation)), key=validation.__getitem__)
    ahead = 100 * (better.mean("test accuracy") - source.mean("test accuracy"))
    return Story(
        findings=[
            ended("source", source),
            (
                f"source: the validation loss is lowest, {validation[lowest]:.3f}, after epoch {lowest + 1} of the {len(validation)} that all "
                f"seeds ran, and ends at {validation[-1]:.3f}; the training loss ends at {training[-1]:.3f}."
            ),
            ended("better", better),
            f"The better line's best epoch is {abs(ahead):.1f} points {'above' if ahead > 0 else 'below'} the source's.",
            "The source's numbers are those on its own pictures, which are not public: they are to compare with, not to reach.",
        ],
        figures=[curves(answers)],
        tables=[counted("source", source.series("connections")[0])],
    )


_SETTINGS = {"data": "dogs", "hidden": (128, 64), "epochs": 100, "batch": 32, "rate": 0.001, "patience": 3, "least": 1e-4}
DOGS_MLP = Study(
    name="dogs-mlp",
    question="How many dogs do linear layers tell apart, and when have they stopped learning?",
    help=(
        "4,930 pictures of dogs of ten breeds, 64 x 64 pixels in colour: their 12,288 numbers go through layers of 128 and 64 with ReLU and "
        "a last one of 10. Gradient descent (rate 0.001, batches of 32) ends after at most 100 epochs, or when the validation loss has not "
        "fallen by more than 0.0001, against the epoch before, for three epochs in a row. The best epoch by validation accuracy and the last "
        "one are judged on the test pictures.\n\n"
        "The better line has the same layers: momentum, a rate that falls to nothing, dropout, and pictures mirrored and shifted at random."
    ),
    lines=(
        Line(
            name="source",
            help="Plain gradient descent, stopped by the validation loss.",
            settings=_SETTINGS,
            quick={"data": "digits-64", "epochs": 3},
            marks=(
                Mark(measure="connections", reference=1_581_696),
                Mark(measure="epochs run", reference=100),
                Mark(measure="test accuracy, last epoch", reference=0.2198),
            ),
            minutes=0.5,
        ),
        Line(
            name="better",
            help="Momentum, a falling rate, dropout, pictures mirrored and shifted; no early end.",
            settings={
                **_SETTINGS,
                "patience": 0,
                "rate": 0.005,
                "momentum": 0.9,
                "schedule": "cosine",
                "dropout": 0.2,
                "flip": True,
                "crop": 6,
                "weight_decay": 0.001,
            },
            quick={"data": "digits-64", "epochs": 3},
            marks=(Mark(measure="test accuracy", floor=0.25),),
            minutes=0.8,
        ),
    ),
    run=run,
    tell=tell,
)
