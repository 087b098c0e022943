"""Surnames learned one at a time, ten at a time and thirty at a time: what a larger batch costs and what it saves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

from hoodwink.runs import Run
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import curve, name, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.training.run import history

RIGHT, LOSS, RATE, BEHIND, EPOCH = "test accuracy", "test loss", "rate chosen", "points behind batch 1", "seconds an epoch"
HELD, WITHIN = "loss on held-out names", 2.0
_OWN = ("rates", "tried", "beside", "beside_rates", "beside_tried")


def network(desk: Desk, **changes: Any) -> Run:
    """A training by the desk's settings and these; lines that train by the very same share it."""
    recipe = desk.recipe(*_OWN).changed({**changes, "keep": "last"})
    key = crc32(json.dumps(recipe.to_json()).encode())
    return desk.train(recipe, f"batch-{recipe.batch}-{key:08x}", shared=True)


def choose(desk: Desk, batch: int, rates: Sequence[float], epochs: int) -> tuple[float, list[float]]:
    """The rate whose network, after so many epochs, has the lowest loss on names held out of the training split, and the loss of each."""
    lasts = [history(network(desk, batch=batch, rate=rate, epochs=epochs))[-1] for rate in rates]
    losses = [float(last.validation_loss or 0.0) for last in lasts]
    return rates[losses.index(min(losses))], losses


def learn(desk: Desk, batch: int, rate: float) -> Run:
    """All training names learned with a rate. The test names stand where held-out ones usually do: they give a curve, nothing is chosen by it."""
    return network(desk, batch=batch, rate=rate, validation=0, split="test")


def run(desk: Desk) -> Found:
    # A step follows the mean gradient of a batch of B names: an epoch of N names has N / B steps, each less noisy and, for larger B, too few
    # of them unless the rate grows with B. So every size has a rate of its own.
    rate, losses = choose(desk, desk["batch"], desk["rates"], desk["tried"])
    trained = learn(desk, desk["batch"], rate)
    epochs, result = history(trained), trained.record["result"]
    values = {RIGHT: result["last"]["test_accuracy"], LOSS: result["last"]["test_loss"], RATE: float(rate)}
    if desk["beside"]:
        other, _ = choose(desk, desk["beside"], desk["beside_rates"], desk["beside_tried"])  # the very networks of that line
        values[BEHIND] = 100 * (learn(desk, desk["beside"], other).record["result"]["last"]["test_accuracy"] - values[RIGHT])
    series = {
        "training loss": [epoch.loss for epoch in epochs],
        "test loss": [epoch.validation_loss for epoch in epochs],
        "training error": [1 - float(epoch.accuracy or 0.0) for epoch in epochs],
        "test error": [1 - float(epoch.validation_accuracy or 0.0) for epoch in epochs],
        "test accuracy": [epoch.validation_accuracy for epoch in epochs],
        HELD: losses,
    }
    return Found(values, {EPOCH: result["seconds"] / result["epochs"]}, series)


def tell(answers: Mapping[str, Answer]) -> Story:
    return Story(
        findings=[_behind(answers), _rates(answers), _seconds(answers), *(_learned(line, answer) for line, answer in answers.items())],
        figures=[_curves(answers)],
        tables=[_table(answers)],
    )


def _behind(answers: Mapping[str, Answer]) -> str:
    shares = ", ".join(f"{line} {answer.mean(RIGHT):.1%}" for line, answer in answers.items())
    behind = {line: answer.mean(BEHIND) for line, answer in answers.items() if answer.settings["beside"]}
    told = " and ".join(
        f"{line} {abs(points):.1f} points {'behind' if points > 0 else 'ahead of'} batch-1" for line, points in behind.items()
    )
    return f"Each with its own rate, the last epoch has of the test names right: {shares}. So {told}; at most {WITHIN:g} behind were asked for."


def _rates(answers: Mapping[str, Answer]) -> str:
    told = []
    for line, answer in answers.items():
        chosen, tried = answer.all(RATE), answer.settings["rates"]
        at_edge = sum(rate in (min(tried), max(tried)) for rate in chosen)
        edge = f" (the smallest or largest with {at_edge} of {len(chosen)} seeds)" if at_edge else ""
        told.append(f"{line} {_list(sorted(set(chosen)))} of {_list(tried)}{edge}")
    return f"The rates that do best on held-out names, of those that were tried: {'; '.join(told)}."


def _list(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:g}" for rate in rates)


def _seconds(answers: Mapping[str, Answer]) -> str:
    times = {line: max(answer.mean(EPOCH), 1e-3) for line, answer in answers.items()}
    first = next(iter(times))
    told = ", ".join(f"{line} {seconds:.1f} s" for line, seconds in times.items())
    rest = " and ".join(f"{times[first] / seconds:.1f} times as fast with {line}" for line, seconds in times.items() if line != first)
    return f"An epoch takes {told}: {rest}."


def _learned(line: str, answer: Answer) -> str:
    losses, errors = answer.mean_series("test loss"), answer.mean_series("test error")
    low, least = (min(range(len(ys)), key=ys.__getitem__) for ys in (losses, errors))
    return (
        f"{line}: the test loss is lowest after epoch {low + 1} of {len(losses)}, {losses[low]:.3f}, and ends at {losses[-1]:.3f}; the test error "
        f"is lowest after epoch {least + 1}, {errors[least]:.1%}, and ends at {errors[-1]:.1%}, the training error at "
        f"{answer.mean_series('training error')[-1]:.1%}."
    )


def _curves(answers: Mapping[str, Answer]) -> Figure:
    with page(1, 3, width=13.5, height=4.0) as figure:
        for panel, what in zip(figure.panels, ("loss", "error", "accuracy"), strict=True):
            for colour, (line, answer) in enumerate(answers.items()):
                xs = range(1, answer.settings["epochs"] + 1)
                if what != "accuracy":
                    curve(panel, xs, answer.series(f"training {what}"), f"{line}: training", colour, linestyle=":", marker=".")
                curve(panel, xs, answer.series(f"test {what}"), line if what == "accuracy" else f"{line}: test", colour, marker=".")
            panel.set_xticks(xs)
        name(figure.panels[0], "epoch", "cross-entropy", "Loss")
        name(figure.panels[1], "epoch", "share of names that are wrong", "Error")
        name(figure.panels[2], "epoch", "share of test names that are right", "Test accuracy")
    caption = (
        "Training and test loss, training and test error, and test accuracy by epoch; bands cover the seeds. Training ones are means over the "
        "epoch, while the network still learns; test ones are taken at its end."
    )
    return Figure("batches", caption, figure.png)


def _table(answers: Mapping[str, Answer]) -> Table:
    rows = [
        (
            line,
            ", ".join(f"{rate:g}: {loss:.3f}" for rate, loss in zip(answer.settings["rates"], answer.mean_series(HELD), strict=True)),
            _list(sorted(set(answer.all(RATE)))),
            f"{100 * answer.mean(RIGHT):.1f} +- {100 * answer.spread(RIGHT):.1f}",
            f"{answer.mean(LOSS):.3f}",
            f"{answer.mean(EPOCH):.1f}",
        )
        for line, answer in answers.items()
    ]
    head = ("line", "loss on held-out names by rate", "rate chosen", "test accuracy in %", "test loss", "seconds an epoch")
    return Table("By size of the batch", head, rows)


RATES = {1: (0.001, 0.003, 0.01), 10: (0.005, 0.015, 0.05), 30: (0.01, 0.03, 0.1)}
_SETTINGS = {
    "recipe": "names-lstm",
    "data": "names",
    "once": False,
    "hidden": 200,
    "layers": 1,
    "width": 0,
    "fixed": True,
    "dropout": 0.0,
    "schedule": "constant",
    "optimiser": "adam",
    "validation": 2_000,
    "epochs": 5,
    "beside": 0,
    "beside_rates": RATES[1],
    "beside_tried": 1,
}
_QUICK = {"data": "made-names", "once": True, "validation": 200, "hidden": 8, "epochs": 2}


def _line(batch: int, help: str, minutes: float, tried: int, marks: tuple[Mark, ...] = ()) -> Line:
    return Line(
        name=f"batch-{batch}",
        help=help,
        settings={**_SETTINGS, "batch": batch, "rates": RATES[batch], "tried": tried, "beside": int(batch > 1)},
        quick=_QUICK,
        marks=marks,
        minutes=minutes,
    )


NAMES_BATCHES = Study(
    name="names-batches",
    question="What do batches cost and save where names of unequal length are learned?",
    help=(
        "An LSTM of one layer with 200 hidden numbers learns 14,035 surnames of 18 languages one at a time, ten at a time and thirty at a time, "
        "with Adam. Names of unequal length are put side by side and packed: the LSTM is told where each ends, so it makes no step behind the "
        "end and its last state is that of the last letter.\n\n"
        "A larger batch means fewer steps an epoch. With one rate for all sizes one would compare rates, not sizes: each size tries three, "
        "learning all training names but 2,000 for a few epochs, and takes the one with the lowest loss on these 2,000. Then it learns all "
        "14,035 from the beginning. The test names are asked after each epoch for the curves; nothing is chosen by them, and the last epoch counts."
    ),
    lines=(
        _line(1, "One name at a time, 14,035 steps an epoch; its rate chosen after one epoch.", 5.0, 1),
        _line(10, "Ten at a time, 1,404 steps an epoch; its rate chosen after two epochs.", 1.5, 2),
        _line(
            30,
            "Thirty at a time, 468 steps an epoch; its rate chosen after three epochs.",
            1.0,
            3,
            (Mark(measure=BEHIND, floor=WITHIN, lower=True),),
        ),
    ),
    run=run,
    tell=tell,
)
