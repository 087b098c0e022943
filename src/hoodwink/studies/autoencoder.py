"""Digits through a code of 32 numbers and back: what linear layers and what convolutions keep of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoodwink.models.load import load_model
from hoodwink.models.model import Model
from hoodwink.models.sample import levels_of
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, curve, name, page, reference, show
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Study
from hoodwink.training.run import history
from hoodwink.training.sheets import read_sheets

ERROR, MEAN_ERROR, COMPONENTS = "test error", "error of the mean picture", "error of as many principal components"
BETWEEN = 8  # pictures from one to the other


def run(desk: Desk) -> Found:
    train, test = (desk.pictures(split).pictures.float() / 255 for split in ("train", "test"))
    trained = desk.train(desk.recipe())
    epochs = history(trained)
    model = load_model(trained.directory)
    values = {
        ERROR: error(model, test),
        MEAN_ERROR: float((test - train.mean(0)).square().mean()),
        COMPONENTS: components_error(train, test, desk["code"]),
        "parameters": float(sum(value.numel() for value in model.network.parameters())),
    }
    pictures = {"between": between(model, test[:2]), "sheets": np.stack(read_sheets(trained.directory, sorted({0, 1, len(epochs)})))}
    return Found(
        values,
        {"seconds of an epoch": trained.record["result"]["seconds"] / len(epochs)},
        {"loss": [epoch.loss for epoch in epochs]},
        pictures,
    )


@torch.no_grad()
def error(model: Model, pictures: Tensor) -> float:
    """The mean squared difference of pictures in [0, 1], N x C x H x W, from what the network makes of them."""
    found = [(model.outputs(some.to(model.device)).cpu() - some).square().flatten(1).mean(1) for some in torch.split(pictures, 1000)]
    return float(torch.cat(found).mean())


def components_error(train: Tensor, test: Tensor, count: int) -> float:
    """The same for the best linear code: the projection on so many principal components of the training pictures.

    No linear encoder and decoder has a lower error on the training pictures (Eckart and Young 1936).
    """
    flat, mean = train.flatten(1), train.flatten(1).mean(0)
    covariance = (flat - mean).T @ (flat - mean) / len(flat)
    basis = torch.linalg.eigh(covariance).eigenvectors[:, -count:]  # inputs x count, orthonormal
    away = test.flatten(1) - mean
    return float((away - away @ basis @ basis.T).square().mean())


@torch.no_grad()
def between(model: Model, ends: Tensor, steps: int = BETWEEN) -> np.ndarray[Any, Any]:
    """What lies between two pictures, 2 x C x H x W in [0, 1]: above as they fade into each other, below as their codes do, uint8.

    2 x steps x H x W x C.
    """
    shares = torch.linspace(0, 1, steps).view(-1, 1, 1, 1)
    faded = (1 - shares) * ends[0] + shares * ends[1]
    first, second = model.network.codes(ends.to(model.device)).cpu()  # type: ignore[operator]
    codes = (1 - shares.view(-1, 1)) * first + shares.view(-1, 1) * second
    made = model.network.decode(codes.to(model.device)).cpu()  # type: ignore[operator]
    return np.stack([levels_of(faded), levels_of(made)])


def tell(answers: Mapping[str, Answer]) -> Story:
    dense, conv, both = answers["source"], answers["source-conv"], answers["conv-32"]
    return Story(
        findings=[
            (
                f"Linear layers with a code of {dense.settings['code']} have a mean squared error of {dense.mean(ERROR):.4f} on the test "
                f"pictures; as many principal components, the best that a linear code can do, have {dense.mean(COMPONENTS):.4f}, and the "
                f"mean picture for every one {dense.mean(MEAN_ERROR):.4f}."
            ),
            (
                f"The convolutions with a code of {conv.settings['code']} have {conv.mean(ERROR):.4f}. That is twice the code: with "
                f"{both.settings['code']} numbers, too, they have {both.mean(ERROR):.4f}, and linear layers with {conv.settings['code']} "
                f"have {answers['dense-64'].mean(ERROR):.4f}."
            ),
            (
                f"Better: convolutions with {answers['better'].settings['code']} numbers, trained {answers['better'].settings['epochs']} "
                f"epochs at a rate that falls to nothing, have {answers['better'].mean(ERROR):.4f}."
            ),
            "Half way between two codes lies one of which a single figure is made, not always a digit; half way between two pictures lie both at once.",
        ],
        figures=[_curves(answers), _reconstructions(answers), _interpolations(answers)],
        tables=[_table(answers)],
    )


def _curves(answers: Mapping[str, Answer]) -> Figure:
    with page(1, 2, width=10.0) as figure:
        left, right = figure.panels
        for colour, (line, answer) in enumerate(answers.items()):
            curve(left, range(1, len(answer.series("loss")[0]) + 1), answer.series("loss"), line, colour)
            right.bar(line, answer.mean(ERROR), color=COLOURS[colour], yerr=answer.spread(ERROR))
        for line in ("source", "dense-64"):
            error, said = answers[line].mean(COMPONENTS), f"{answers[line].settings['code']} principal components"
            reference(right, error, said)
            right.text(len(answers) - 0.5, error, said, ha="right", va="bottom", fontsize=8)
        right.margins(y=0.1)
        left.set_yscale("log")
        left.yaxis.set_minor_formatter("{x:g}")
        left.yaxis.set_major_formatter("{x:g}")
        name(left, "epoch", "mean squared error, training")
        name(right, "", "mean squared error, test", legend=False)
        right.tick_params(axis="x", labelrotation=20)
    return Figure("errors", "Error by epoch on the training pictures, and on the test pictures at the end.", figure.png)


def _reconstructions(answers: Mapping[str, Answer]) -> Figure:
    sheets = answers["source"].picture("sheets")
    last = [("before", sheets[0]), ("linear, epoch 1", sheets[1]), ("linear, last epoch", sheets[-1])]
    last.append(("convolutions, last epoch", answers["source-conv"].picture("sheets")[-1]))
    with page(2, 2, width=10.0, height=5.4) as figure:
        for panel, (title, sheet) in zip(figure.panels, last, strict=True):
            show(panel, sheet, title)
    return Figure("reconstructions", "Test pictures, and below each what the network makes of it.", figure.png)


def _interpolations(answers: Mapping[str, Answer]) -> Figure:
    rows = [("pictures", answers["source"].picture("between")[0])]
    rows += [(line, answer.picture("between")[1]) for line, answer in answers.items()]
    with page(len(rows), 1, width=8.0, height=1.05 * len(rows)) as figure:
        for panel, (title, pictures) in zip(figure.panels, rows, strict=True):
            show(panel, np.concatenate(list(pictures), axis=1), title)
    return Figure(
        "between", "From one test picture to another: the pictures themselves faded, then codes faded and made pictures.", figure.png
    )


def _table(answers: Mapping[str, Answer]) -> Table:
    rows = [
        [line, answer.settings["code"], f"{answer.mean('parameters'):,.0f}", f"{answer.mean(ERROR):.5f}", f"{answer.spread(ERROR):.5f}"]
        for line, answer in answers.items()
    ]
    return Table("Error at each code size", ["line", "code", "parameters", "test error", "+-"], rows)


_SETTINGS = {"recipe": "mnist-autoencoder", "data": "mnist", "code": 32, "epochs": 5, "batch": 64, "rate": 0.001, "schedule": "constant"}
_CONV = _SETTINGS | {"recipe": "mnist-conv-autoencoder", "code": 64}
_QUICK = {"data": "digits-28", "epochs": 2}
AUTOENCODER = Study(
    name="autoencoder",
    question="What does a network keep of a digit that must go through a few numbers?",
    help=(
        "An autoencoder makes a short code of a picture and the picture of the code; it learns from the mean squared difference. The "
        "source: 784-32-784, ReLU on the code, a sigmoid at the end, Adam 0.001, weight decay 0.00001, batches of 64, 5 epochs; and "
        "convolutions 1-16 and 16-32 (3 x 3, stride 2, padding 1) and 32-64 (7 x 7), and back by transposed ones.\n\n"
        "The source compares a code of 32 with one of 64; here both networks have both. Principal components are what the best linear code "
        "of the same length would keep. The weight decay is in the loss, as Adam's weight_decay has it, and is of weights alone. The "
        "source's seed is 42; here there are three."
    ),
    lines=(
        Line(name="source", help="The source: 784-32-784.", settings=_SETTINGS, quick=_QUICK, minutes=0.3),
        Line(name="source-conv", help="The source: convolutions to a code of 64.", settings=_CONV, quick=_QUICK, minutes=1.5),
        Line(name="dense-64", help="784-64-784.", settings=_SETTINGS | {"code": 64}, quick=_QUICK, minutes=0.3),
        Line(name="conv-32", help="Convolutions to a code of 32.", settings=_CONV | {"code": 32}, quick=_QUICK, minutes=1.5),
        Line(
            name="better",
            help="Convolutions to a code of 32, 6 epochs, rate 0.002 falling to nothing.",
            settings=_CONV | {"code": 32, "epochs": 6, "rate": 0.002, "schedule": "cosine"},
            quick=_QUICK,
            minutes=4.0,
        ),
    ),
    run=run,
    tell=tell,
)
