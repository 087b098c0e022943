"""Noise optimised until a digit is read as another, as the course does it, and the same digits by an ascent on whole levels."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hoodwink.attacks.fmn import fmn
from hoodwink.attacks.noise import noise
from hoodwink.data.keys import keyed
from hoodwink.data.resident import Resident
from hoodwink.models.build import build
from hoodwink.pictures.draw import difference, sheet
from hoodwink.pictures.levels import Levels
from hoodwink.studies.descent import accuracy, descend, logits
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, name, page, show
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "FCNet": ("mlp", {"inputs": 784, "hidden": [50, 20], "classes": 10}),  # 784-50-20-10
    # conv 5x5 (1 to 5, padding 2), pool, conv 5x5 (5 to 10, padding 2), pool, 10 x 7 x 7 = 490-32-10
    "ConvNet": ("convnet", {"channels": 1, "side": 28, "layers": [[5, 5, 1, 2, 2], [10, 5, 1, 2, 2]], "hidden": [32], "classes": 10}),
}
MEAN, STD = (0.0,), (1.0,)  # the networks see pictures in [0, 1], not normalised
FROM, TO = 5, 3  # the pair that is looked at closely


def trained(desk: Desk, title: str, data: Resident) -> nn.Module:
    """One of the networks after so many steps of Adam."""
    network = build(*NETWORKS[title]).to(desk.device)
    adam = torch.optim.Adam(network.parameters(), lr=desk["rate"])
    steps = descend(network, adam, data, batch=desk["batch"], seed=desk.seed, mean=MEAN, std=STD)
    for _ in islice(steps, desk["iterations"]):
        pass
    return network.eval().requires_grad_(False)


def first_known(networks: list[nn.Module], data: Resident) -> Tensor:
    """The index of the first picture of each digit that all networks read rightly; of a digit that they never do, its first."""
    known = torch.stack([logits(network, data.pictures, mean=MEAN, std=STD).argmax(1) == data.labels for network in networks]).all(0)
    worth = (data.labels[:, None] == torch.arange(10, device=data.labels.device)).int() * (1 + known.int())[:, None]  # N x 10
    return torch.from_numpy(worth.cpu().numpy().argmax(0)).to(data.labels.device)


def made(desk: Desk, network: nn.Module, pictures: Tensor, labels: Tensor, target: Tensor) -> Tensor:
    """The pictures of one line, in [0, 1]."""
    if desk["attack"] == "fmn":
        return fmn(network, pictures, labels, target=target, steps=desk["steps"], generator=keyed("ascent", desk.seed))
    return noise(  # noise = randn * scale; 1000 steps of Adam(noise, lr=0.01, weight_decay=1) on
        network,  # cross_entropy(network(clamp(picture + noise, 0, 1)), target)
        pictures,
        labels,
        target=target,
        scale=desk["scale"],
        steps=desk["steps"],
        step_size=desk["step_size"],
        weight_decay=desk["weight_decay"],
        last=True,  # whatever the noise is in the end, not the nearest on the way
        free=True,  # floats
        generator=keyed("noise", desk.seed),
    )


def run(desk: Desk) -> Found:
    train, test = desk.pictures("train"), desk.pictures("test")
    networks = {title: trained(desk, title, train) for title in NETWORKS}
    levels, labels = test.take(first_known(list(networks.values()), test))
    true, target = torch.tensor(_pairs(), device=labels.device).T  # 90: all in one batch
    pictures = levels[true].float() / 255
    values, times, series, sheets = dict[str, float](), dict[str, float](), dict[str, Any](), {"digits": _drawn(levels)}
    for title, network in networks.items():
        values[f"{title}: test accuracy"] = accuracy(network, test, mean=MEAN, std=STD)
        begun = time.perf_counter()
        fooling = made(desk, network, pictures, labels[true], target)
        times[f"{title}: seconds for 90 pictures"] = time.perf_counter() - begun
        file = (fooling * 255).round()
        scores = network(file / 255).softmax(1)
        fooled, far = scores.argmax(1) == target, torch.linalg.vector_norm((file / 255 - pictures).flatten(1), dim=1)
        pair = _pairs().index((FROM, TO))
        values |= {
            f"{title}: fooled, share": float((network(fooling).argmax(1) == target).float().mean()),
            f"{title}: fooled in the file, share": float(fooled.float().mean()),
            f"{title}: L2 of the fooled, mean": float(far[fooled].mean()) if bool(fooled.any()) else 0.0,
            f"{title}: L2 from {FROM} to {TO}": float(far[pair]),
            f"{title}: p({TO}) for the {FROM}": float(scores[pair, TO]),
        }
        series |= {f"{title}: L2": far.tolist(), f"{title}: fooled": fooled.tolist()}
        sheets[title] = _drawn(file)
    return Found(values, times, series, sheets)


def _drawn(levels: Tensor) -> Levels:
    """N x C x H x W to uint8 N x H x W x C."""
    return np.asarray(levels.permute(0, 2, 3, 1).to("cpu", torch.uint8).numpy())


def tell(answers: Mapping[str, Answer]) -> Story:
    with page(len(NETWORKS), 1 + 2 * len(answers), width=11, height=3.9) as pair:
        for row, title in enumerate(NETWORKS):
            _pair(pair.panels[row * (1 + 2 * len(answers)) :], answers, title)
    with page(len(NETWORKS), len(answers), width=11, height=8) as sheets:
        for panel, (title, line) in zip(sheets.panels, ((title, line) for title in NETWORKS for line in answers), strict=True):
            show(panel, _sheet(answers[line], title), f"{title}, {line}: {_fooled(answers[line], title).sum()} of 90")
    with page(1, len(NETWORKS)) as distances:
        for panel, title in zip(distances.panels, NETWORKS, strict=True):
            for colour, (line, answer) in enumerate(answers.items()):
                far = np.sort(_far(answer, title)[_fooled(answer, title)])
                panel.step(far, np.arange(1, len(far) + 1), where="post", color=COLOURS[colour], label=line)
            name(panel, "L2 distance, pictures in [0, 1]", "pairs fooled so near, of 90", title)
    return Story(
        findings=[sentence for title in NETWORKS for sentence in _sentences(answers, title)],
        figures=[
            Figure("five-to-three", f"A {FROM} that is to be a {TO}: the pictures as files, and the change of each, enlarged.", pair.png),
            Figure(
                "sheets",
                "Rows: the digit; columns: what it is to be. The diagonal shows the digits as they are; red frames: the file does not fool.",
                sheets.png,
            ),
            Figure("distances", "How many of the 90 pairs are fooled, as files, by a change so small (first seed).", distances.png),
        ],
        tables=[_table(answers)],
    )


def _pair(panels: list[Any], answers: Mapping[str, Answer], title: str) -> None:
    """A row of the figure of one pair: the original, and each line's picture and change."""
    at = _pairs().index((FROM, TO))
    before = next(iter(answers.values())).picture("digits")[FROM]
    show(panels[0], before, f"{title}: a {FROM}")
    for column, (line, answer) in enumerate(answers.items()):
        after = answer.picture(title)[at]
        what = f"p({TO}) = {answer.founds[0].values[f'{title}: p({TO}) for the {FROM}']:.2f}"
        show(panels[1 + 2 * column], after, f"{line}\n{what}")
        show(panels[2 + 2 * column], difference(before, after), f"change, L2 {_far(answer, title)[at]:.2f}")


def _sheet(answer: Answer, title: str) -> Levels:
    """True x target."""
    digits, files, fooled = answer.picture("digits"), answer.picture(title), _fooled(answer, title)
    cells = [[_framed(digits[row], True) for _ in range(10)] for row in range(10)]
    for k, (row, column) in enumerate(_pairs()):
        cells[row][column] = _framed(files[k], bool(fooled[k]))
    return sheet(cells, gap=1)


def _framed(levels: Levels, fine: bool) -> Levels:
    """A grey picture in a frame: white, or red where it is not fine."""
    frame = np.full((levels.shape[0] + 4, levels.shape[1] + 4, 3), 255 if fine else (209, 73, 91), np.uint8)
    frame[2:-2, 2:-2] = levels
    return frame


def _pairs() -> list[tuple[int, int]]:
    return [(row, column) for row in range(10) for column in range(10) if row != column]


def _far(answer: Answer, title: str) -> np.ndarray[Any, Any]:
    """The distances of the pairs, of the first seed."""
    return np.array(answer.series(f"{title}: L2")[0])


def _fooled(answer: Answer, title: str) -> np.ndarray[Any, Any]:
    return np.array(answer.series(f"{title}: fooled")[0], dtype=bool)


def _sentences(answers: Mapping[str, Answer], title: str) -> list[str]:
    shares = "; ".join(
        f"{line}: {100 * answer.mean(f'{title}: fooled in the file, share'):.0f} % of the files"
        f" (of the floats {100 * answer.mean(f'{title}: fooled, share'):.0f} %),"
        f" mean L2 {answer.mean(f'{title}: L2 of the fooled, mean'):.2f}"
        for line, answer in answers.items()
    )
    source, better = answers["source"], answers["better"]
    both = _fooled(source, title) & _fooled(better, title)
    missed = ~_fooled(source, title) & _fooled(better, title)
    told = [f"{title} ({100 * source.mean(f'{title}: test accuracy'):.1f} % of the test pictures right). {shares}."]
    if both.any():
        ratio = float(np.median(_far(source, title)[both] / _far(better, title)[both]))
        told.append(f"{title}, pairs that source and better both fool: the source's change is {ratio:.2f} times as long in the median.")
    if missed.any():
        told.append(
            f"{title}, the {missed.sum()} pairs that better fools and source does not: the source's noise ends at a mean L2 of "
            f"{_far(source, title)[missed].mean():.2f}, better needs {_far(better, title)[missed].mean():.2f}."
        )
    return told


def _table(answers: Mapping[str, Answer]) -> Table:
    measures = ("fooled, share", "fooled in the file, share", "L2 of the fooled, mean", f"L2 from {FROM} to {TO}")
    rows = [
        (title, line, *(f"{answer.mean(f'{title}: {one}'):.3g}" for one in measures))
        for title in NETWORKS
        for line, answer in answers.items()
    ]
    return Table("The 90 pairs", ("network", "line", *measures), rows)


_SETTINGS = {"data": "mnist", "iterations": 1000, "batch": 64, "rate": 0.001}
_NOISE = {**_SETTINGS, "attack": "noise", "steps": 1000, "step_size": 0.01, "weight_decay": 1.0}
_QUICK = {"data": "digits-28", "iterations": 30, "rate": 0.005, "steps": 10}
NOISE_ATTACK = Study(
    name="noise-attack",
    question="Can optimised noise make a 5 a 3, and any digit any other?",
    help=(
        "A fully connected network, 784-50-20-10, and a convolutional one learn MNIST for 1000 steps of Adam in batches of 64, from "
        "pictures in [0, 1] that are not normalised. Then the networks stand still and noise is the parameter: it is added to a digit, the "
        "sum is clamped to [0, 1], and Adam goes down the cross-entropy of the digit that it is to become. Weight decay keeps the noise "
        "small: its pull, 1 x noise, stands against the gradient's, and where the two meet the noise stays, fooling or not.\n\n"
        "A 5 is made a 3, then each of the ten digits each of the nine others: the first test picture of each that both networks read "
        "rightly. All are judged as the whole levels of a file. The better line climbs from no change at all, to the other side "
        "of the boundary between two digits and along it, and keeps the smallest change seen that fools."
    ),
    lines=(
        Line(
            name="source",
            help=(
                "The noise begins with a standard deviation of 0.01. The last noise counts, not the nearest that fooled on the way; and how "
                "large it is follows from the weight decay, not from what fooling takes."
            ),
            settings={**_NOISE, "scale": 0.01},
            quick=_QUICK,
            minutes=0.6,
        ),
        Line(
            name="source-loud",
            help="The same from noise with a standard deviation of 1.",
            settings={**_NOISE, "scale": 1.0},
            quick=_QUICK,
            minutes=0.6,
        ),
        Line(
            name="better",
            help="The ascent: the lead of the wanted digit is climbed on whole levels, in a ball that closes in on the boundary (fmn).",
            settings={**_SETTINGS, "attack": "fmn", "steps": 100},
            quick=_QUICK,
            marks=tuple(Mark(measure=f"{title}: fooled in the file, share", floor=1.0) for title in NETWORKS),
            minutes=0.6,
        ),
    ),
    run=run,
    tell=tell,
)
