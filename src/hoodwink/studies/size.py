"""What more examples give, and what they cost: training time is a straight line, which foretells how long all of them take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, curve, name, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study, StudyError
from hoodwink.training.run import history

GUESS = 15 * 60.0  # seconds for 60,000 x 100 epochs, as the source guessed


def straight(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """The slope and start of the line y = slope x + start with the least squared error; StudyError unless there are two different x."""
    if len(set(xs)) < 2:
        raise StudyError(f"totals: two different numbers of examples or more were wanted for a line, not {list(xs)}")
    x, y = np.array(xs, dtype=float), np.array(ys, dtype=float)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    return float(slope), float(y.mean() - slope * x.mean())


def run(desk: Desk) -> Found:
    values, times, series = dict[str, float](), dict[str, float](), dict[str, list[float]]()
    everything = len(desk.pictures("train"))
    for total in desk["totals"]:
        # The same number of each digit, drawn anew by each seed; 0: all that there are, unbalanced as they are.
        recipe = desk.recipe("totals", "predicts").changed({"validation": 0, "keep": "last", "subset": total})
        trained = desk.train(recipe, f"network-{total}")
        what = f"{total or everything} examples"
        values[f"test accuracy, {what}"] = trained.record["result"]["last"]["test_accuracy"]
        times[f"seconds, {what}"] = trained.record["result"]["seconds"]
        series[f"loss, {what}"] = [epoch.loss for epoch in history(trained)]
    values["test accuracy, most examples"], times["seconds, most examples"] = list(values.values())[-1], list(times.values())[-1]
    if desk["predicts"]:
        slope, start = straight(desk["totals"], list(times.values())[: len(desk["totals"])])
        times["seconds for all, predicted"] = slope * everything + start
    return Found(values, times, series)


def counts(answer: Answer) -> list[int]:
    """The numbers of examples of a line."""
    return [int(key.split()[1]) for key in answer.founds[0].series]


def tell(answers: Mapping[str, Answer]) -> Story:
    source, everything = answers["source"], answers["all"]
    totals, (largest,) = counts(source), counts(everything)
    predicted = source.mean("seconds for all, predicted")
    measured = everything.mean(f"seconds, {largest} examples")
    seconds = [source.mean(f"seconds, {total} examples") for total in totals]
    accuracies = [source.mean(f"test accuracy, {total} examples") for total in totals]
    epochs = source.settings["epochs"]
    each = straight(totals, seconds)[0] / epochs
    return Story(
        findings=[
            (
                f"From {totals[0]:,} to {totals[-1]:,} examples the training time goes from {seconds[0]:.1f} s to {seconds[-1]:.1f} s, "
                f"{1e6 * each:.0f} microseconds an example and epoch, and the test accuracy from {100 * accuracies[0]:.1f} % to "
                f"{100 * accuracies[-1]:.1f} %."
            ),
            (
                f"The line through these times predicts {predicted / 60:.1f} minutes for {largest:,} examples x {epochs} epochs (the source "
                f"guessed {GUESS / 60:.0f} minutes for 60,000 x 100); measured, {everything.settings['epochs']} epochs took {measured / 60:.1f} minutes, "
                f"{measured / predicted:.2f} times the prediction."
            ),
            (
                f"{largest:,} examples give {100 * everything.mean(f'test accuracy, {largest} examples'):.2f} %: "
                f"{largest / totals[-1]:.1f} times the examples of the largest set leave "
                f"{_errors(everything, largest) / _errors(source, totals[-1]):.2f} times its errors."
            ),
        ],
        figures=[_curves(answers)],
        tables=[Table("By number of examples", ("examples", "seconds", "test accuracy in %", "loss in the end"), _rows(answers))],
    )


def _errors(answer: Answer, total: int) -> float:
    return 1 - answer.mean(f"test accuracy, {total} examples")


def _rows(answers: Mapping[str, Answer]) -> list[tuple[str, str, str, str]]:
    return [
        (
            f"{total:,}",
            f"{answer.mean(f'seconds, {total} examples'):.1f}",
            f"{100 * answer.mean(f'test accuracy, {total} examples'):.2f} +- {100 * answer.spread(f'test accuracy, {total} examples'):.2f}",
            f"{answer.mean_series(f'loss, {total} examples')[-1]:.2g}",
        )
        for answer in answers.values()
        for total in counts(answer)
    ]


def _curves(answers: Mapping[str, Answer]) -> Figure:
    found = [(total, answer) for answer in answers.values() for total in counts(answer)]
    source, totals = answers["source"], counts(answers["source"])
    with page(1, 3, width=13.5) as figure:
        loss, time, accuracy = figure.panels
        for colour, (total, answer) in enumerate(found):
            losses = answer.series(f"loss, {total} examples")
            curve(loss, range(1, len(losses[0]) + 1), losses, f"{total:,}", colour)
            for panel, what in ((time, "seconds"), (accuracy, "test accuracy")):
                several = answer.all(f"{what}, {total} examples")
                panel.plot([total] * len(several), several, "o", color=COLOURS[colour], markersize=5)
        seconds = [source.mean(f"seconds, {total} examples") for total in totals]
        slope, start = straight(totals, seconds)
        xs = np.geomspace(totals[0], found[-1][0], 100)
        time.plot(xs, slope * xs + start, "--", color="#777777", linewidth=1, label=f"line through the first {len(totals)}")
        accuracy.plot([total for total, _ in found], [1 - _errors(answer, total) for total, answer in found], color="#777777", linewidth=1)
        time.plot([], [], "o", color="#777777", label="measured")
        loss.set_yscale("log")
        time.set(xscale="log", yscale="log", ylim=(seconds[0] / 2, None))
        accuracy.set_xscale("log")
        name(loss, "epoch", "cross-entropy of the training pictures", "Loss, by number of examples")
        name(time, "examples", "seconds of training", f"Time of {source.settings['epochs']} epochs")
        name(accuracy, "examples", "accuracy", "Test accuracy")
    return Figure("size", "Loss by epoch, training time and test accuracy by number of examples; one point for each seed.", figure.png)


_SETTINGS = {
    "recipe": "mnist-mlp",
    "data": "mnist",
    "totals": (500, 1000, 1500, 2000),
    "predicts": True,
    "epochs": 100,
    "batch": 10,
    "rate": 0.01,
}
SIZE = Study(
    name="size",
    question="What do more examples give, and how long would all of them take?",
    help=(
        "A network 784-128-64-10 with ReLU learns MNIST by gradient descent (rate 0.01, batches of 10, cross-entropy) for 100 epochs, from "
        "500, 1,000, 1,500 and 2,000 training pictures, exactly as many of each digit. The last epoch is judged on the test pictures. Each "
        "epoch takes one step for each ten pictures, so the time of training should be a straight line: the line of least squares through "
        "the four times predicts that of 60,000 pictures x 100 epochs, which the source guessed to be 15 minutes.\n\n"
        "The second line then measures it in full. Times are those of the training steps alone, on the machine that the result names; they "
        "are another at each run, and longer where other programs share the machine."
    ),
    lines=(
        Line(
            name="source",
            help="Four balanced sets of 500 to 2,000 pictures.",
            settings=_SETTINGS,
            quick={"data": "digits-28", "totals": (100, 200, 300, 400), "epochs": 3},
            marks=(
                Mark(measure="test accuracy, most examples", floor=0.88),
                Mark(measure="seconds for all, predicted", reference=GUESS),
            ),
            minutes=0.8,
        ),
        Line(
            name="all",
            help="All 60,000 training pictures, to measure what was predicted; one seed, for it takes long and the time is the question.",
            settings={**_SETTINGS, "totals": (0,), "predicts": False},
            quick={"data": "digits-28", "epochs": 3},
            marks=(Mark(measure="test accuracy, most examples", floor=0.975), Mark(measure="seconds, most examples", reference=GUESS)),
            fixed=True,
            minutes=8.0,
        ),
    ),
    run=run,
    tell=tell,
)
