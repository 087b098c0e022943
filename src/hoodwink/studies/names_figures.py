"""What the study of names shows: confusions, accuracies by size, by language, and by whether a name was learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hoodwink.studies.draw import COLOURS, name, page, reference
from hoodwink.studies.found import Answer, Figure, Table

Counts = np.ndarray[Any, np.dtype[np.int64]]

LAYERS, HIDDEN = (1, 2), (64, 128, 256)
LSTMS = {(layers, hidden): f"lstm-{layers}-{hidden}" for layers in LAYERS for hidden in HIDDEN}
SHOWN = LSTMS[1, 128]  # the line that others are set beside
FLOOR = 0.83
RIGHT, EACH, REPEATED, NEW = "test accuracy", "mean over languages", "accuracy on repeated names", "accuracy on new names"
SHARE, MEMORY = "share of repeated names", "repeated names that memory alone gets right"
_MET = {REPEATED: "repeated names", NEW: "new names", RIGHT: "all names"}


def confusion(labels: Counts, answers: Counts, classes: int) -> Counts:
    """How many names of each class (rows) were taken for each (columns)."""
    found = np.zeros((classes, classes), np.int64)
    np.add.at(found, (labels, answers), 1)
    return found


def by_class(counts: Counts) -> list[float]:
    """The share of each class that is right, 0 for one that there is none of."""
    return [float(row[k] / max(row.sum(), 1)) for k, row in enumerate(counts)]


def total(answer: Answer) -> Counts:
    """The confusions of all seeds."""
    found: Counts = np.sum([found.pictures["confusion"] for found in answer.founds], axis=0)
    return found


def per_cent(answer: Answer, measure: str) -> str:
    """The mean of an accuracy, and its spread over the seeds, in per cent."""
    if measure not in answer.founds[0].values:
        return ""
    return f"{100 * answer.mean(measure):.1f}" + (f" +- {100 * answer.spread(measure):.1f}" if len(answer.founds) > 1 else "")


def accuracies(answers: Mapping[str, Answer]) -> Figure:
    """The LSTMs by size, and all lines by whether a name was met before."""
    with page(1, 2, width=11.0, height=4.0) as figure:
        sizes, twice = figure.panels
        for colour, layers in enumerate(LAYERS):
            lines = [answers[LSTMS[layers, hidden]] for hidden in HIDDEN]
            xs = [answer.settings["hidden"] for answer in lines]
            for measure, style in ((RIGHT, "-"), (EACH, "--")):
                means, errors = ([100 * one for one in (f(answer, measure) for answer in lines)] for f in (Answer.mean, Answer.spread))
                label = f"{layers} layer{'s' * (layers > 1)}: {'all names' if measure == RIGHT else measure}"
                sizes.errorbar(xs, means, errors, fmt=f"o{style}", color=COLOURS[colour], capsize=3, markersize=4, label=label)
        reference(sizes, 100 * FLOOR, "floor for all names")
        sizes.set_xscale("log", base=2)
        sizes.set_xticks(xs, [str(hidden) for hidden in xs])
        name(sizes, "hidden numbers", "test names right in %", "LSTMs by size")
        rows = range(len(answers))
        for (measure, label), mark, tint in zip(_MET.items(), "os|", COLOURS, strict=False):
            there = {row: a for row, a in zip(rows, answers.values(), strict=True) if measure in a.founds[0].values}
            shares = [100 * answer.mean(measure) for answer in there.values()]
            twice.plot(shares, list(there), mark, color=tint, markersize=14 if mark == "|" else 6, label=label)
        twice.set_yticks(rows, list(answers))
        twice.invert_yaxis()
        name(twice, "test names right in %", "", "By whether they are among the training names")
    caption = "Test names right, by size (bars: spread of the seeds), and by whether they are among the training names."
    return Figure("accuracy", caption, figure.png)


def matrix_of(line: str, answers: Mapping[str, Answer]) -> Figure:
    """The confusions of a line, and beside them what it and the better line recognise of each language."""
    counts, languages = total(answers[line]), answers[line].series("languages")[0]
    order = np.argsort(-counts.sum(1), kind="stable")
    names, seeds = [languages[k] for k in order], len(answers[line].founds)
    shares = 100 * (counts / np.maximum(counts.sum(1, keepdims=True), 1))[np.ix_(order, order)]
    with page(1, 2, width=12.5, height=6.6) as figure:
        matrix, bars = figure.panels
        matrix.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        for (row, column), share in np.ndenumerate(shares):
            if share < 1:
                continue
            matrix.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=7, color="white" if share > 55 else "black")
        matrix.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        matrix.set_yticks(range(len(names)), names, fontsize=8)
        matrix.set(xlabel="taken for", ylabel="language")
        matrix.set_title(f"{line}: names of each language in %", fontsize=10)
        for k, which in enumerate((line, "better")):
            found = answers[which].mean_series("accuracy by language")
            rows = [row + 0.4 * k - 0.2 for row in range(len(names))]
            bars.barh(rows, [100 * found[j] for j in order], 0.38, color=COLOURS[k], label=which)
            bars.axvline(100 * answers[which].mean(EACH), color=COLOURS[k], linestyle="--", linewidth=1)
        bars.plot([], [], "--", color="#777777", linewidth=1, label="mean over languages")
        bars.set_yticks(range(len(names)), [f"{names[row]} ({counts[k].sum() // seeds:,})" for row, k in enumerate(order)], fontsize=8)
        bars.set_ylim(len(names) - 0.5, -0.5)
        bars.set_xlim(0, 100)
        name(bars, "right in % (in brackets: test names)", "", legend=False)
        bars.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8, frameon=False)
    return Figure(
        "confusion",
        "What the names of each language are taken for, and how many of each are right; shares of 1 % or more have a number.",
        figure.png,
    )


def table(answers: Mapping[str, Answer]) -> Table:
    """All lines."""
    rows = [
        (
            line,
            f"{answer.mean('parameters'):,.0f}",
            *(per_cent(answer, measure) for measure in (RIGHT, EACH, REPEATED, NEW)),
            f"{answer.mean('seconds of training'):.0f}",
        )
        for line, answer in answers.items()
    ]
    head = ("line", "parameters", "all names", "mean over languages", "repeated names", "new names", "seconds of training")
    return Table("Test names right, in per cent", head, rows)


def by_language(answers: Mapping[str, Answer]) -> Table:
    """Some lines, language by language."""
    shown = (SHOWN, "better", "once", "letter-rnn")
    found = {line: (total(answers[line]), len(answers[line].founds)) for line in shown}
    rows = [
        (
            language,
            *(f"{100 * counts[k, k] / max(counts[k].sum(), 1):.0f} of {counts[k].sum() // seeds:,}" for counts, seeds in found.values()),
        )
        for k, language in enumerate(answers[SHOWN].series("languages")[0])
    ]
    return Table("Right in per cent, of how many test names", ("language", *shown), rows)
