"""Figures, tables and sentences of the study of generators."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hoodwink.evidence.sampled import gathered
from hoodwink.studies.draw import curve, name, page, reference, show
from hoodwink.studies.found import Answer, Figure, Table
from hoodwink.studies.generated import entropy, modes, most_even

ENTROPY, MODES, SURE = "entropy of the digits", "digits found", "confidence of the classifier"
DISTANCE, PRECISION, RECALL = "Frechet distance", "precision", "recall"
_TEN = most_even(10)


def by_epoch(answers: Mapping[str, Answer]) -> Figure:
    """Both losses, and how varied the samples are, by epoch."""
    with page(2, 2, width=10.5, height=6.8) as figure:
        panels = figure.panels
        for colour, (line, answer) in enumerate(answers.items()):
            wgan = line == "wgan-gp"
            shares = answer.series("shares by epoch")
            epochs = range(1, min(map(len, shares)) + 1)
            left = panels[1] if wgan else panels[0]
            curve(left, epochs, answer.series("discriminator"), f"{line}: {'critic' if wgan else 'discriminator'}", colour)
            curve(left, epochs, answer.series("generator"), f"{line}: generator", colour, linestyle="--")
            curve(panels[2], epochs, [[entropy(one) for one in seed] for seed in shares], line, colour)
            curve(panels[3], epochs, [[modes(one) for one in seed] for seed in shares], line, colour)
        reference(panels[2], _TEN, "ten digits evenly")
        name(panels[0], "epoch", "loss", "cross-entropies")
        name(panels[1], "epoch", "loss", "Wasserstein's")
        name(panels[2], "epoch", "entropy of the digits (nats)")
        name(panels[3], "epoch", "digits found")
        panels[3].set_ylim(0, 10.5)
        for panel in panels:
            panel.locator_params(axis="x", integer=True)
    caption = (
        "Above, both losses by epoch: they say little of the pictures. Below, what a classifier sees in 1,000 samples of the same noise: "
        "the entropy of the digits' shares, and how many digits have at least one sample in a hundred. Bands cover the seeds."
    )
    return Figure("epochs", caption, figure.png)


def sample_sheet(answers: Mapping[str, Answer]) -> Figure:
    """The first samples of each line."""
    with page(1, len(answers), width=3.2 * len(answers), height=3.5) as figure:
        for panel, (line, answer) in zip(figure.panels, answers.items(), strict=True):
            made = answer.picture("made")
            show(panel, gathered(made), line)
    return Figure("samples", "The first samples of the first seed, not chosen, after the last epoch.", figure.png)


def shown_epochs(epochs: int) -> list[int]:
    """Which epochs' sheets are shown: none, the first, a quarter, half, all."""
    return sorted({0, 1, epochs // 4, epochs // 2, epochs})


def sheets_by_epoch(answer: Answer) -> Figure:
    """The sheet of 16 of the same noise as the training went on."""
    sheets = answer.picture("sheets")
    epochs = len(answer.series("discriminator")[0])
    with page(1, len(sheets), width=2.6 * len(sheets), height=2.9) as figure:
        for panel, sheet, epoch in zip(figure.panels, sheets, shown_epochs(epochs), strict=True):
            show(panel, sheet, f"epoch {epoch}")
    caption = "The source's generator on the same noise before the training and after some epochs; training.gif in its run folder has all."
    return Figure("sheets", caption, figure.png)


def quality_table(answers: Mapping[str, Answer]) -> Table:
    """Every line beside real pictures."""
    first = next(iter(answers.values()))
    measures = (ENTROPY, MODES, SURE, DISTANCE, PRECISION, RECALL)
    rows: list[list[str | float]] = [[line, *(_said(answer, one) for one in measures)] for line, answer in answers.items()]
    floor = {one: first.mean(f"{one} of real pictures") for one in (DISTANCE, PRECISION, RECALL)}
    rows.append(["training pictures", "", "", "", *(f"{floor[one]:.3g}" for one in (DISTANCE, PRECISION, RECALL))])
    return Table("Samples beside the test pictures, in the classifier's features", ["line", *measures], rows)


def share_table(answers: Mapping[str, Answer]) -> Table:
    """The share of each digit, mean over the seeds, in per cent."""
    rows = [[line, *(f"{100 * value:.1f}" for value in answer.mean_series("shares"))] for line, answer in answers.items()]
    return Table("Share of each digit among the samples, per cent", ["line", *map(str, range(10))], rows)


def finding(answers: Mapping[str, Answer]) -> list[str]:
    """What the numbers say."""
    source = answers["source"]
    shares = source.mean_series("shares")
    most, least = int(np.argmax(shares)), int(np.argmin(shares))
    lowest = min(entropy(one) for seed in source.series("shares by epoch") for one in seed)
    best = min(answers, key=lambda line: answers[line].mean(DISTANCE))
    return [
        (
            f"The source's generator makes {source.mean(MODES):.1f} of ten digits; their entropy is {_said(source, ENTROPY)} of "
            f"{_TEN:.3f}. It makes most {most}s ({100 * shares[most]:.1f} %) and fewest {least}s ({100 * shares[least]:.1f} %). After its "
            f"poorest epoch the entropy was {lowest:.2f}."
        ),
        (
            "All ten were there for the first time after epoch "
            + ", ".join(f"{_complete(answer):.1f} ({line})" for line, answer in answers.items())
            + " in the mean over the seeds; one that never had them counts as one epoch more than it had."
        ),
        ", ".join(
            f"{'With' if k == 0 else 'with'} {line} it finds {answers[line].mean(MODES):.1f} digits with an entropy of {_said(answers[line], ENTROPY)}"
            for k, line in enumerate(line for line in answers if line != "source")
        )
        + ".",
        (
            f"Nearest to real pictures is {best}: Frechet distance {_said(answers[best], DISTANCE)} in the classifier's features, the source "
            f"{_said(source, DISTANCE)}, training pictures {source.mean(f'{DISTANCE} of real pictures'):.3g}."
        ),
        (
            f"Precision and recall: the source {_said(source, PRECISION)} and {_said(source, RECALL)}, {best} "
            f"{_said(answers[best], PRECISION)} and {_said(answers[best], RECALL)}, training pictures "
            f"{source.mean(f'{PRECISION} of real pictures'):.3g} and {source.mean(f'{RECALL} of real pictures'):.3g}: what a sample looks "
            "like, and how much of what is real the samples reach, are two things."
        ),
    ]


def _complete(answer: Answer) -> float:
    """The first epoch after which all classes are found, mean over the seeds."""
    runs = answer.series("shares by epoch")
    return float(np.mean([next((k for k, one in enumerate(seed, 1) if modes(one) == len(one)), len(seed) + 1) for seed in runs]))


def _said(answer: Answer, measure: str) -> str:
    spread = f" +- {answer.spread(measure):.2g}" if len(answer.founds) > 1 else ""
    return f"{answer.mean(measure):.3g}{spread}"
