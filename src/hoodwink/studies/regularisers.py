"""What keeps a network from learning its pictures by heart: dropout, penalties, inputs, augmentation, an average; one by one and together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hoodwink.data.augment import Augmentation, augment, key
from hoodwink.data.keys import keyed
from hoodwink.data.resident import Resident
from hoodwink.data.subset import balanced
from hoodwink.networks.mlp import mlp
from hoodwink.studies.descent import accuracy, descend, logits
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, curve, name, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Study

SMALL = 1e-3  # weights below it are counted
NONE = Augmentation()
CHECKED = 5000  # training pictures whose mean, deviation and accuracy are measured, at most


@dataclass(frozen=True)
class Way:
    """One way to train. l1, l2: l1 |w| + l2 / 2 w^2 in the loss; decay: in the optimiser; input: [0, 1], [-1, 1] or standardised."""

    dropout: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    decay: float = 0.0
    input: str = "standardised"
    augmentation: Augmentation = NONE
    networks: int = 1


def ways(flips: bool) -> dict[str, Way]:
    """All of them by name; flips: whether a mirrored picture is still what it was (a dog is, a 3 is not)."""
    moved = Augmentation(shift=2, flip=flips, rotation=0.0 if flips else 10.0)
    return {
        "nothing": Way(),
        "dropout 0.4": Way(dropout=0.4),
        "L2 in the loss": Way(l2=1e-3),
        "weight decay": Way(decay=0.1),
        "L1": Way(l1=1e-4),
        "L1 + L2": Way(l1=1e-4, l2=1e-3),
        "input in [0, 1]": Way(input="[0, 1]"),
        "input in [-1, 1]": Way(input="[-1, 1]"),
        "shift, flip" if flips else "shift, turn": Way(augmentation=moved),
        "noise": Way(augmentation=Augmentation(noise=0.1)),
        "all together": Way(dropout=0.1, decay=0.1, augmentation=moved),
        "average of 5": Way(networks=5),
    }


def scale(kind: str, pictures: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation for each channel that bring pictures in [0, 1] to a kind of input: x <- (x - mean) / std."""
    channels = pictures.shape[1]
    if kind == "standardised":
        found = pictures[:CHECKED].float() / 255
        return tuple(found.mean((0, 2, 3)).tolist()), tuple(found.std((0, 2, 3)).tolist())
    middle, width = {"[0, 1]": (0.0, 1.0), "[-1, 1]": (0.5, 0.5)}[kind]
    return (middle,) * channels, (width,) * channels


def taught(way: Way, desk: Desk, train: Resident, test: Resident, seed: int) -> tuple[nn.Module, list[float], list[Tensor]]:
    """A network trained one way, and every so many steps its accuracy on training pictures and its probabilities on the test's."""
    generator = keyed("regularisers", seed)
    torch.manual_seed(generator.initial_seed())  # of weights and dropout
    network = mlp(inputs=train.pictures[0].numel(), hidden=desk["hidden"], dropout=way.dropout)
    weights = [value for value in network.parameters() if value.dim() > 1]
    mean, std = scale(way.input, train.pictures)

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        value = F.cross_entropy(outputs, labels)
        for w in weights if way.l1 or way.l2 else ():
            value = value + way.l1 * w.abs().sum() + way.l2 / 2 * w.square().sum()  # L1 pulls all weights alike, L2 the large ones more
        return value

    def vary(pictures: Tensor, step: int) -> Tensor:
        return augment(pictures, way.augmentation, key(seed, 0, step))

    # AdamW's decay, w <- w - rate decay w, leaves Adam's own step alone; L2 in the loss is divided by Adam's scale like any gradient.
    optimiser = torch.optim.AdamW(network.parameters(), lr=desk["rate"], weight_decay=way.decay)
    steps = descend(network, optimiser, train, batch=desk["batch"], seed=seed, mean=mean, std=std, loss=loss, vary=vary)
    seen = Resident(train.pictures[:CHECKED], train.labels[:CHECKED])
    curve_of_training, answers = list[float](), list[Tensor]()
    for _ in range(desk["looks"]):
        for _ in islice(steps, desk["iterations"] // desk["looks"]):
            pass
        curve_of_training.append(accuracy(network, seen, mean=mean, std=std))
        answers.append(logits(network, test.pictures, mean=mean, std=std).softmax(1))
    return network, curve_of_training, answers


def run(desk: Desk) -> Found:
    train, test = desk.pictures("train"), desk.pictures("test")
    if desk["subset"]:
        train = Resident(*train.take(balanced(train.labels, desk["subset"], classes=10, seed=desk.seed)))
    values, series = dict[str, float](), dict[str, list[float]]()
    for title, way in ways(desk["flips"]).items():
        if desk["only"] not in ("", title):
            continue
        trained = [taught(way, desk, train, test, 100 * desk.seed + k) for k in range(way.networks)]
        # An average of networks: the mean of their probabilities, which errs less than they do where they err apart.
        answers = [torch.stack(several).mean(0) for several in zip(*(found[2] for found in trained), strict=True)]
        series[f"{title}: training"] = [sum(shares) / len(shares) for shares in zip(*(found[1] for found in trained), strict=True)]
        series[f"{title}: test"] = [float((answer.argmax(1) == test.labels).float().mean()) for answer in answers]
        weights = torch.cat([value.detach().flatten() for found in trained for value in found[0].parameters() if value.dim() > 1])
        values[f"{title}: training"], values[f"{title}: test"] = series[f"{title}: training"][-1], series[f"{title}: test"][-1]
        values[f"{title}: small weights"] = float((weights.abs() < SMALL).float().mean())
    return Found(values, series=series)


def tell(answers: Mapping[str, Answer]) -> Story:
    compared = {line: answer for line, answer in answers.items() if not answer.settings["only"]}
    figures = [_curves(line, answer) for line, answer in compared.items()]
    tables = [_table(line, answer) for line, answer in compared.items()]
    source = answers["source"]
    findings = [
        (
            f"The source's dropout of 0.4 ends after {source.settings['iterations']} iterations at "
            f"{100 * source.mean('dropout 0.4: test'):.1f} % of the test pictures ({100 * source.mean('dropout 0.4: training'):.1f} % of its "
            "training pictures)."
        )
    ]
    for line, answer in compared.items():
        ranked = sorted(_names(answer), key=lambda way: -answer.mean(f"{way}: test"))
        base = answer.mean("nothing: test")
        findings.append(
            f"{line}: of {len(ranked)} ways, {ranked[0]} is best ({100 * answer.mean(f'{ranked[0]}: test'):.1f} % of the test pictures), then "
            f"{ranked[1]} ({100 * answer.mean(f'{ranked[1]}: test'):.1f} %); nothing at all gives {100 * base:.1f} %, and "
            f"{sum(answer.mean(f'{way}: test') < base for way in ranked)} of the ways are worse than that."
        )
        sparse = max(ranked, key=lambda way: answer.mean(f"{way}: small weights"))
        findings.append(
            f"{line}: most weights are small with {sparse}: {100 * answer.mean(f'{sparse}: small weights'):.0f} % of them are under {SMALL:g} "
            f"(nothing: {100 * answer.mean('nothing: small weights'):.1f} %)."
        )
    return Story(findings, figures, tables)


def _names(answer: Answer) -> list[str]:
    return [title for title in ways(answer.settings["flips"]) if f"{title}: test" in answer.founds[0].values]


def _curves(line: str, answer: Answer) -> Figure:
    titles = _names(answer)
    settings = answer.settings
    every = settings["iterations"] // settings["looks"]
    xs = [every * (k + 1) for k in range(settings["looks"])]
    lowest = min(answer.mean(f"{title}: test") for title in titles)
    with page(3, 4, width=12, height=7.5) as figure:
        for panel, title in zip(figure.panels, titles, strict=True):
            curve(panel, xs, answer.series(f"{title}: training"), "training", 0)
            curve(panel, xs, answer.series(f"{title}: test"), "test", 1)
            panel.axhline(answer.mean("nothing: test"), color=COLOURS[5], linestyle="--", linewidth=0.8, label="test with nothing")
            panel.set_ylim(max(0.0, lowest - 0.12), 1.01 if answer.mean("nothing: training") > 0.9 else None)
            name(panel, "iteration", "accuracy", title, legend=title == titles[0])
    return Figure(f"curves-{line}", f"{line}: accuracy on training and test pictures, one panel for each way.", figure.png)


def _table(line: str, answer: Answer) -> Table:
    def cell(title: str, what: str) -> str:
        return f"{100 * answer.mean(f'{title}: {what}'):.1f} +- {100 * answer.spread(f'{title}: {what}'):.1f}"

    rows = [(title, cell(title, "training"), cell(title, "test"), cell(title, "small weights")) for title in _names(answer)]
    return Table(f"{line}: what each way gives, in per cent", ("way", "training", "test", f"weights under {SMALL:g}"), rows)


_QUICK = {"data": "digits-28", "subset": 100, "iterations": 20, "looks": 2}
_MNIST = Line(
    name="mnist",
    help="All ways on 1,000 pictures of MNIST, 2,000 iterations: few enough to be learned by heart.",
    settings={
        "data": "mnist",
        "subset": 1000,
        "hidden": (50, 50),
        "iterations": 2000,
        "looks": 20,
        "batch": 64,
        "rate": 0.001,
        "flips": False,
        "only": "",
    },
    quick=_QUICK,
    minutes=1.0,
)
REGULARISERS = Study(
    name="regularisers",
    question="What keeps a network from learning its pictures by heart?",
    help=(
        "A network with two hidden layers of 50 learns 1,000 pictures of MNIST (exactly 100 of each digit), and all of CIFAR-10, in many "
        "ways that differ in one thing each: dropout before each layer, the input included; penalties on large weights, in the loss or in "
        "the optimiser; how the input is scaled; pictures that are moved, turned, mirrored or made noisy; the mean of five networks' "
        "probabilities; and several of these together.\n\n"
        "The course does not say how its network was trained beside its dropout and 500 iterations: here it is Adam with a rate of 0.001 and "
        "batches of 64. Weights counted as small are those of the matrices whose size is under 0.001."
    ),
    lines=(
        replace(
            _MNIST,
            name="source",
            help="Dropout 0.4 before each of the three layers of 784-50-50-10, the input included, 500 iterations.",
            settings={**_MNIST.settings, "iterations": 500, "only": "dropout 0.4"},
            minutes=0.1,
        ),
        _MNIST,
        Line(
            name="cifar10",
            help="All ways on all 50,000 training pictures of CIFAR-10, the same network with 3072 inputs, 3,000 iterations.",
            settings={**_MNIST.settings, "data": "cifar10", "subset": 0, "iterations": 3000, "looks": 10, "flips": True},
            quick={**_QUICK, "data": "digits-32"},
            minutes=2.0,
        ),
    ),
    run=run,
    tell=tell,
)
