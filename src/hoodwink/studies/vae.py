"""A variational autoencoder of digits: its bound by epoch, samples, a walk through its code, and what lies between two digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from hoodwink.evidence.sampled import gathered
from hoodwink.models.load import load_model
from hoodwink.models.model import Model
from hoodwink.models.sample import levels_of, sample_pictures
from hoodwink.networks.autoencoders import VAE as Network
from hoodwink.networks.autoencoders import binary_nats, divergence, drawn
from hoodwink.pictures.draw import sheet
from hoodwink.studies.autoencoder import between, error
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import curve, name, page, show
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Study
from hoodwink.training.run import history

BOUND, CODE, USED, ERROR = "test bound (nats)", "divergence of the code (nats)", "numbers of the code in use", "test error"
AGREES, LAST = "difference from torch.distributions (nats)", "the source's loss of the last batch over the others' kind"
IN_USE = 0.01  # nats: what a number of the code must hold of a picture in the mean to count as used
REACH, STEPS = 2.5, 9  # a walk goes from -2.5 to 2.5 deviations in so many steps
WALKED = 6  # numbers of the code that a walk shows, those that hold most


def run(desk: Desk) -> Found:
    test = desk.pictures("test").pictures.float() / 255
    trained = desk.train(desk.recipe())
    epochs, model = history(trained), load_model(trained.directory)
    held = nats_by_number(model, test)
    values = {
        BOUND: float(trained.record["models"][0]["card"]["scores"][0]["value"]),
        CODE: float(held.sum()),
        USED: float((held > IN_USE).sum()),
        ERROR: error(model, test),
        AGREES: disagreement(model, test[:500]),
        LAST: last_batch(model, test, desk["batch"]),
    }
    series = {
        "bound": [epoch.more["reconstruction"] + epoch.more["divergence"] for epoch in epochs],
        "reconstruction": [epoch.more["reconstruction"] for epoch in epochs],
        "divergence": [epoch.more["divergence"] for epoch in epochs],
        "held": sorted(held.tolist(), reverse=True),
    }
    pictures = {
        "samples": sample_pictures(model, 64, seed=desk.seed),
        "walk": walk(model, test[:1], torch.argsort(held, descending=True)[:WALKED]),
        "between": between(model, test[:2]),
    }
    return Found(values, {"seconds of an epoch": trained.record["result"]["seconds"] / len(epochs)}, series, pictures)


@torch.no_grad()
def nats_by_number(model: Model, pictures: Tensor) -> Tensor:
    """How much each number of the code holds of a picture in the mean, in nats: its part of the divergence, D."""
    mean, log_variance = _network(model).posterior(pictures.to(model.device))
    return ((log_variance.exp() + mean.square() - 1 - log_variance) / 2).mean(0).cpu()


@torch.no_grad()
def disagreement(model: Model, pictures: Tensor) -> float:
    """The largest difference of the divergence in our formula from that of torch.distributions, over pictures."""
    mean, log_variance = _network(model).posterior(pictures.to(model.device))
    known = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(1)
    return float((divergence(mean, log_variance) - known).abs().max())


@torch.no_grad()
def last_batch(model: Model, pictures: Tensor, batch: int) -> float:
    """What the source's loss makes of a batch of half the size, over what it makes of the same pictures as a part of a whole one.

    The source adds the mean cross-entropy to the summed divergence / (batch x 784). With fewer pictures the sum is smaller and the divisor
    stays: the divergence of the last batch counts less.
    """
    half = pictures[: batch // 2].to(model.device)
    mean, log_variance = _network(model).posterior(half)
    made = _network(model).decode(drawn(mean, log_variance, torch.zeros_like(mean)))
    values = half[0].numel()
    source = F.binary_cross_entropy(made, half) + divergence(mean, log_variance).sum() / (batch * values)
    whole = (binary_nats(made, half) + divergence(mean, log_variance)).mean() / values
    return float(source / whole)


@torch.no_grad()
def walk(model: Model, picture: Tensor, numbers: Tensor) -> np.ndarray[Any, Any]:
    """Pictures made of one picture's code with one number of it moved from -2.5 to 2.5, a row for each number; uint8 R x S x H x W x C."""
    code = _network(model).codes(picture.to(model.device))[0]
    rows = []
    for number in numbers.tolist():
        codes = code.repeat(STEPS, 1)
        codes[:, number] = torch.linspace(-REACH, REACH, STEPS)
        rows.append(levels_of(_network(model).decode(codes)))
    return np.stack(rows)


def _network(model: Model) -> Network:
    return cast(Network, model.network)


def tell(answers: Mapping[str, Answer]) -> Story:
    source, better = answers["source"], answers["better"]
    return Story(
        findings=[
            (
                f"After one epoch the bound is {source.mean(BOUND):.1f} nats a test picture; after {better.settings['epochs']} it is "
                f"{better.mean(BOUND):.1f}. Of the {better.settings['code']} numbers of the code {source.mean(USED):.1f} hold something in "
                f"the first, {better.mean(USED):.1f} in the second: {better.mean(CODE):.1f} nats in all."
            ),
            (
                f"The divergence in closed form is that of torch.distributions, to {better.mean(AGREES):.1e} nats. The source divides its "
                f"sum by 64 x 784 in every batch; the last of an epoch has 32 pictures, and the source's loss of it is "
                f"{source.mean(LAST):.3f} of what it is for the same pictures elsewhere. Here every batch has its own size."
            ),
            (
                f"As an autoencoder the better one has a mean squared error of {better.mean(ERROR):.4f} from the mean of the code. It "
                "learned to make pictures of codes with noise in them; so codes that are noise alone make digits, too."
            ),
        ],
        figures=[_curves(answers), _samples(answers), _walks(better)],
        tables=[_table(answers)],
    )


def _curves(answers: Mapping[str, Answer]) -> Figure:
    better = answers["better"]
    with page(1, 2, width=10.0) as figure:
        left, right = figure.panels
        epochs = range(1, len(better.series("bound")[0]) + 1)
        for colour, part in enumerate(("bound", "reconstruction", "divergence")):
            curve(left, epochs, better.series(part), part, colour)
        for colour, (line, answer) in enumerate(answers.items()):
            held = answer.series("held")
            curve(right, range(1, len(held[0]) + 1), held, line, colour)
        name(left, "epoch", "nats a training picture", "better")
        name(right, "numbers of the code, in order", "nats that each holds")
        left.locator_params(axis="x", integer=True)
    caption = "The bound and its two parts by epoch, and how much each number of the code holds of a test picture."
    return Figure("bound", caption, figure.png)


def _samples(answers: Mapping[str, Answer]) -> Figure:
    with page(1, len(answers), width=3.6 * len(answers), height=3.8) as figure:
        for panel, (line, answer) in zip(figure.panels, answers.items(), strict=True):
            made = answer.picture("samples")
            show(panel, gathered(made), line)
    return Figure("samples", "Pictures made of codes drawn from N(0, 1), the first 64 of the first seed.", figure.png)


def _walks(answer: Answer) -> Figure:
    with page(2, 1, width=6.4, height=6.6) as figure:
        show(
            figure.panels[0],
            sheet([list(row) for row in answer.picture("walk")], gap=0),
            "one number of the code moved from -2.5 to 2.5, a row for each",
        )
        show(
            figure.panels[1],
            sheet([list(row) for row in answer.picture("between")], gap=0),
            "from one test picture to another: pictures faded, codes faded",
        )
    return Figure("walk", "A walk through the code, the numbers that hold most, and what lies between two test pictures.", figure.png)


def _table(answers: Mapping[str, Answer]) -> Table:
    measures = (BOUND, CODE, USED, ERROR)
    rows = [[line, answer.settings["epochs"], *(f"{answer.mean(one):.4g}" for one in measures)] for line, answer in answers.items()]
    return Table("On the test pictures", ["line", "epochs", *measures], rows)


_SETTINGS = {"recipe": "mnist-vae", "data": "mnist", "epochs": 1, "batch": 64, "rate": 0.001, "code": 25, "hidden": 350}
VAE = Study(
    name="vae",
    question="What does a code of random numbers make digits of?",
    help=(
        "A variational autoencoder draws the code of a picture from a normal distribution, whose mean and deviation it says, and pays for "
        "each nat that the distribution is away from N(0, 1). So codes fill the space around zero, and what is drawn from N(0, 1) makes "
        "pictures like those learned. The source: 784-350-(25, 25)-350-784, Adam 0.001, batches of 64, one epoch; mean binary "
        "cross-entropy plus divergence / (batch x 784), which is the negative evidence lower bound of each picture, / 784.\n\n"
        "Better: 20 epochs. The bound is given in nats a picture: no less than -log p(x) of the picture, its values taken as shares of white."
    ),
    lines=(
        Line(name="source", help="The source: one epoch.", settings=_SETTINGS, quick={"data": "digits-28"}, minutes=0.3),
        Line(
            name="better",
            help="20 epochs.",
            settings=_SETTINGS | {"epochs": 20},
            quick={"data": "digits-28", "epochs": 4},
            minutes=3.0,
        ),
    ),
    run=run,
    tell=tell,
)
