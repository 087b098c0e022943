"""A linear classifier of CIFAR-10 trained by hand in NumPy; `run` trains one with hidden layers just as well."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hoodwink.data.load import load
from hoodwink.scratch.classifier import Classifier, load_classifier, make_classifier
from hoodwink.scratch.fit import Fitted, Settings, fit
from hoodwink.scratch.layers import Array
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import curve, name, page, reference, show
from hoodwink.studies.found import Answer, Figure, Found, Story
from hoodwink.studies.record import Line, Mark, Study, StudyError

FILE = "classifier.npz"


@dataclass(frozen=True, eq=False)
class Beginning:
    """What a training begins with: the pictures and labels of each part, N x H x W x C and N, and the classifier with random weights."""

    train: tuple[Array, Array]
    validation: tuple[Array, Array]
    test: tuple[Array, Array]
    classifier: Classifier


def begin(desk: Desk, least: int = 1) -> Beginning:
    """Load the desk's data and make its classifier; least: training pictures that there must be, else StudyError."""
    data, test = load(f"{desk['data']}:train"), load(f"{desk['data']}:test")
    pictures, labels, cut = np.asarray(data.pictures), data.labels, len(data) - desk["validation"]
    if labels is None or test.labels is None or cut < least:
        raise StudyError(f"{desk['data']}: more than {desk['validation']} pictures with labels were wanted, give a smaller validation")
    # scores = max(0, x W1 + b1) W2 + b2 with a hidden layer, x W + b without; the loss is the mean of -log softmax(scores)[label],
    # and on top of it comes 1/2 reg |W|^2.
    shape = (pictures.shape[1], pictures.shape[2], pictures.shape[3])
    start = make_classifier(
        shape, data.classes, hidden=desk["hidden"], scale=desk["scale"], mean=desk["mean"], std=desk["std"], seed=desk.seed
    )
    return Beginning((pictures[:cut], labels[:cut]), (pictures[cut:], labels[cut:]), (np.asarray(test.pictures), test.labels), start)


def run(desk: Desk) -> Found:
    start = begin(desk)
    begun = time.perf_counter()
    fitted = fit(start.classifier, *start.train, settings(desk), validation=start.validation)
    return judged(desk, fitted, *start.test, time.perf_counter() - begun)


def settings(desk: Desk) -> Settings:
    """How the classifier is trained: the desk's settings."""
    names = ("epochs", "batch", "rate", "decay", "schedule", "momentum", "reg", "flip", "shift")
    return Settings(seed=desk.seed, **{key: desk[key] for key in names})


def judged(desk: Desk, fitted: Fitted, pictures: Array, labels: Array, seconds: float) -> Found:
    """The numbers of a training: the classifier that was best on the validation pictures is saved, loaded and asked about the test's."""
    kept = load_classifier(fitted.best.save(desk.folder / FILE))
    x = kept.normalise(pictures)
    validation = [one.validation or 0.0 for one in fitted.epochs]
    values = {
        "test accuracy": kept.accuracy(x, labels),
        "test accuracy, last epoch": fitted.last.accuracy(x, labels),
        "validation accuracy": max(validation),
        "best epoch": 1.0 + int(np.argmax(validation)),
        "answers changed by saving": float((kept.predict(x) != fitted.best.predict(x)).sum()),
    }
    series = {
        "loss": [one.loss for one in fitted.epochs],
        "training accuracy": [one.accuracy for one in fitted.epochs],
        "validation accuracy": validation,
        "classes": list(kept.classes),
    }
    first = kept.weights[0][:, :10].T.reshape(-1, *kept.shape)  # what the first ten units look for, as pictures
    return Found(values, {"seconds of training": seconds}, series, {"weights": first})


def curves(answers: Mapping[str, Answer], marks: Mapping[str, float]) -> Figure:
    """Loss and both accuracies by epoch of all lines; marks: dashed lines among the accuracies."""
    with page(1, 2, width=10.5, height=3.8) as figure:
        loss, accuracy = figure.panels
        for colour, (line, answer) in enumerate(answers.items()):
            epochs = range(1, 1 + max(map(len, answer.series("loss"))))
            curve(loss, epochs, answer.series("loss"), line, colour)
            curve(accuracy, epochs, answer.series("training accuracy"), f"{line}: training", colour, linestyle=":")
            curve(accuracy, epochs, answer.series("validation accuracy"), f"{line}: validation", colour)
        for label, value in marks.items():
            reference(accuracy, value, label)
        name(loss, "epoch", "loss (mean of the batches)")
        name(accuracy, "epoch", "accuracy")
    caption = (
        "Loss and accuracies by epoch. Training: as the pictures came, flipped and shifted where the line does so, before each update."
    )
    return Figure("curves", caption, figure.png)


def sentence(line: str, answer: Answer) -> str:
    """What a line reached, and when."""
    return (
        f"{line}: {100 * answer.mean('test accuracy'):.2f} % of the test pictures are right with the classifier of the epoch that was best "
        f"on the validation pictures (epoch {answer.mean('best epoch'):.3g} of {answer.settings['epochs']}), "
        f"{100 * answer.mean('test accuracy, last epoch'):.2f} % with the last; training accuracy in the last epoch "
        f"{100 * answer.mean_series('training accuracy')[-1]:.1f} %."
    )


def filters(answers: Mapping[str, Answer], titles: Sequence[str], caption: str) -> Figure:
    """The weights of the first layer's first ten units as pictures, a row for each line."""
    with page(len(answers), width=10.5, height=0.4 + 1.25 * len(answers)) as figure:
        for panel, (line, answer) in zip(figure.panels, answers.items(), strict=True):
            show(panel, np.concatenate([framed(weights) for weights in answer.picture("weights")], axis=1), line)
            for column, title in enumerate(titles):
                panel.text((column + 0.5) / len(titles), -0.04, title, transform=panel.transAxes, ha="center", va="top", fontsize=7)
    return Figure("weights", caption, figure.png)


def framed(weights: Array) -> Array:
    """Weights as a picture in [0, 1], white around it: 0 becomes grey, the 99th percentile of their sizes 0 or 1."""
    picture = np.clip(0.5 + weights / (2 * np.percentile(np.abs(weights), 99)), 0, 1)
    return np.pad(picture, ((0, 0), (1, 1), (0, 0)), constant_values=1.0)


def tell(answers: Mapping[str, Answer]) -> Story:
    gap = answers["channels"].mean("test accuracy") - answers["source"].mean("test accuracy")
    classes = answers["source"].series("classes")[0]
    return Story(
        findings=[
            *(sentence(line, answer) for line, answer in answers.items()),
            f"Normalising with each channel's own mean and deviation instead of 0.5 and 0.25 makes {100 * gap:+.2f} points on the test.",
        ],
        figures=[
            curves(answers, {"source's 0.411": 0.411}),
            filters(answers, classes, "The weights of each class as a picture: what the class's score looks for (grey: 0)."),
        ],
    )


SETTINGS = {
    "data": "cifar10",
    "validation": 10_000,
    "hidden": (),
    "scale": 1e-3,
    "mean": (0.5, 0.5, 0.5),
    "std": (0.25, 0.25, 0.25),
    "epochs": 20,
    "batch": 128,
    "rate": 5e-3,
    "decay": 0.9,
    "schedule": "constant",
    "momentum": 0.0,
    "reg": 0.0,
    "flip": False,
    "shift": 0,
}
CHANNELS = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)}
QUICK = {"data": "digits-32", "validation": 137, "epochs": 4}
SAVED = Mark(measure="answers changed by saving", floor=0, lower=True)

SCRATCH_LINEAR = Study(
    name="scratch-linear",
    question="How many CIFAR-10 pictures does a linear classifier get right?",
    help=(
        "A softmax classifier, ten weighted sums of a picture's 3,072 numbers, is trained by mini-batch gradient descent in NumPy alone. In "
        "the order of the files the first 40,000 training pictures are trained on, the last 10,000 are for validation, and all 10,000 test "
        "pictures are asked once.\n\n"
        "The source gives batch 128, rate 0.005 times 0.9 after each epoch, 20 epochs, weights from N(0, 0.001) and the penalty 1/2 reg "
        "|W|^2 with reg 0. It does not say how its pictures are normalised: the line takes (x - 0.5) / 0.25 of pictures in [0, 1], and a "
        "second line takes each channel's own mean and deviation to show how much hangs on it. The classifier of the epoch with the best "
        "validation accuracy is saved, loaded again and judged."
    ),
    lines=(
        Line(
            name="source",
            help="The source's settings, pictures normalised with 0.5 and 0.25.",
            settings=SETTINGS,
            quick=QUICK,
            marks=(Mark(measure="test accuracy", reference=0.411, floor=0.40), SAVED),
            minutes=0.2,
        ),
        Line(
            name="channels",
            help="The same, normalised with each channel's mean and standard deviation.",
            settings=SETTINGS | CHANNELS,
            quick=QUICK,
            marks=(Mark(measure="test accuracy", reference=0.411, floor=0.40), SAVED),
            minutes=0.2,
        ),
        Line(
            name="better",
            help="Half of the pictures mirrored, momentum, and a rate that goes to 0 as a cosine.",
            settings=SETTINGS | {"rate": 1e-3, "decay": 1.0, "schedule": "cosine", "momentum": 0.9, "flip": True},
            quick=QUICK,
            marks=(Mark(measure="test accuracy", reference=0.411, floor=0.40), SAVED),
            minutes=0.3,
        ),
    ),
    run=run,
    tell=tell,
)
