"""A hidden ReLU layer before the linear classifier, by hand in NumPy: what it brings, and how far NumPy goes."""

from __future__ import annotations

from collections.abc import Mapping

from hoodwink.studies.found import Answer, Story
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.studies.scratch_linear import CHANNELS, QUICK, SAVED, SETTINGS, curves, filters, run, sentence


def tell(answers: Mapping[str, Answer]) -> Story:
    source, better = answers["source"], answers["better"]
    gap = 100 * (better.mean("test accuracy") - source.mean("test accuracy"))
    ahead = {line: 100 * (training(answer) - answer.mean_series("validation accuracy")[-1]) for line, answer in answers.items()}
    return Story(
        findings=[
            *(sentence(line, answer) for line, answer in answers.items()),
            f"The better line is {abs(gap):.2f} points {'above' if gap > 0 else 'below'} the source's on the test pictures.",
            (
                f"Training accuracy minus validation accuracy in the last epoch: {ahead['source']:+.1f} points in the source's line, "
                f"{ahead['better']:+.1f} in the better one, which mirrors and shifts the pictures that it trains on."
            ),
        ],
        figures=[
            curves(answers, {"source's 0.5454": 0.5454, "floor of the better line": 0.58}),
            filters(answers, [f"unit {k}" for k in range(1, 11)], "What ten hidden units look for: their weights as pictures (grey: 0)."),
        ],
    )


def training(answer: Answer) -> float:
    """The training accuracy of the last epoch."""
    return answer.mean_series("training accuracy")[-1]


SCRATCH_HIDDEN = Study(
    name="scratch-hidden",
    question="What does a hidden layer bring on CIFAR-10, in NumPy alone?",
    help=(
        "The same pictures, parts and training loop as in scratch-linear, with 1,000 ReLU units between the pictures and the scores: "
        "max(0, x W1 + b1) W2 + b2. The source takes the rate 0.1 and got 0.5454 in one run.\n\n"
        "The better line stays in NumPy: He's start, momentum, a rate that falls to 0 as a cosine, pictures mirrored and shifted, a small "
        "penalty. In both, the classifier of the epoch with the best validation accuracy is saved, loaded again, and judged on the test "
        "pictures."
    ),
    lines=(
        Line(
            name="source",
            help="The source's settings: 1,000 hidden units, weights from N(0, 0.001), rate 0.1 times 0.9 after each epoch.",
            settings=SETTINGS | {"hidden": (1000,), "rate": 0.1},
            quick=QUICK | {"hidden": (100,)},
            marks=(
                Mark(
                    measure="test accuracy",
                    reference=0.5454,
                    floor=0.50,
                    goal=0.545,
                    reason="the source had one run, and how it normalised its pictures is not known",
                ),
                SAVED,
            ),
            minutes=1.5,
        ),
        Line(
            name="better",
            help="He's start, momentum, a cosine schedule, mirrored and shifted pictures, a penalty.",
            settings=SETTINGS
            | CHANNELS
            | {"hidden": (1000, 500), "scale": "he", "epochs": 30, "rate": 0.01, "decay": 1.0, "schedule": "cosine"}
            | {"momentum": 0.9, "reg": 5e-4, "flip": True, "shift": 2},
            quick=QUICK | {"hidden": (100, 50)},
            marks=(Mark(measure="test accuracy", reference=0.5454, floor=0.58), SAVED),
            minutes=4.0,
        ),
    ),
    run=run,
    tell=tell,
)
