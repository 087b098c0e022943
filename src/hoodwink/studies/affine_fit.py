"""An affine map fitted to points by gradient descent: why the shift crawls, and what centring and scaling change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.data.fetch import data_folders
from hoodwink.scratch.layers import Array, fc_backward, fc_forward, l2_loss
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, curve, name, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study, StudyError

FILE = "points_case.npy"
MADE = "made"
MAP = np.array([[1.0, -0.000179], [0.0, 0.618152]]), np.array([0.0, -0.516747])  # what the made points are mapped by
SHOWN = 200  # steps of which the curves are made


def run(desk: Desk) -> Found:
    x, y = points(desk["data"], desk["count"])
    # The descent sees (x - m) / s and (y - n) / r; without scaling these are x and y themselves.
    (xs, m, s), (ys, n, r) = (scaled(values) if desk["scaled"] else (values, np.zeros(2), np.ones(2)) for values in (x, y))
    best = closed_form(x, y)
    curves: dict[str, list[float]] = {"step": [], "loss": [], "error of S": [], "error of t": []}
    S, t = np.ones((2, 2)), np.zeros(2)
    shown = {round(desk["steps"] ** (k / SHOWN)) for k in range(SHOWN + 1)}
    for step in range(1, desk["steps"] + 1):
        out, cache = fc_forward(xs, S, t)  # y = x S + t, a point is a row
        grad = l2_loss(out, ys)[1]  # L = 1/N sum |x S + t - y|^2
        _, dS, dt = fc_backward(grad, cache)
        S, t = S - desk["rate"] * dS, t - desk["rate"] * dt
        if step in shown:
            here = S / s[:, None] * r, n + t * r - m @ (S / s[:, None] * r)  # the same map, of the points as they are
            errors = [float(np.abs(one - other).max()) for one, other in zip(here, best, strict=True)]
            loss = l2_loss(fc_forward(x, *here)[0], y)[0]
            if not math.isfinite(loss):
                raise StudyError(f"the loss is no longer finite after {step} steps at a rate of {desk['rate']:g}; give a smaller rate")
            for key, value in zip(curves, (step, loss, *errors), strict=True):
                curves[key].append(value)
    S, t = here
    values = {
        **{f"S[{row}][{column}]": float(S[row, column]) for row in (0, 1) for column in (0, 1)},
        **{f"t[{row}]": float(t[row]) for row in (0, 1)},
        "loss": curves["loss"][-1],
        "largest difference from the closed form": max(curves["error of S"][-1], curves["error of t"][-1]),
        "steps that halve the slowest error": halving(xs, desk["rate"]),
    }
    pictures = {"before": x, "after": y, "fitted": fc_forward(x, S, t)[0]}
    return Found(values, series={**curves, "closed form": [best[0].tolist(), best[1].tolist()]}, pictures=pictures)


def points(where: str, count: int) -> tuple[Array, Array]:
    """Points before and after, N x 2 each, floats: from a file of N x 4 whole numbers, or so many that are made by the documented map."""
    if where == MADE:
        x = np.random.default_rng(0).integers((0, 0), (77, 102), (count, 2)).astype(float)
        return x, np.rint(x @ MAP[0] + MAP[1])
    wanted = [Path(where)] if where else [folder / FILE for folder in data_folders("points")]
    found = next((path for path in wanted if path.is_file()), None)
    if found is None:
        raise StudyError(
            f"{where or FILE} is not there: put it into a folder points of the one that HOODWINK_DATA names, type --set data=FILE, "
            f"or --set data={MADE} for points that are made"
        )
    table = read(found)
    return table[:, :2], table[:, 2:]


def read(path: Path) -> Array:
    """A file of points as floats: whole numbers would be rounded at each step."""
    try:
        table = np.load(path, allow_pickle=False)
        if table.ndim != 2 or table.shape[1] != 4 or len(table) < 3:
            raise ValueError(f"its shape is {table.shape}")
        return np.asarray(table, dtype=np.float64)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise StudyError(f"{path}: an array of N x 4 numbers, x y and x' y', was wanted ({reason})") from None


def scaled(values: Array) -> tuple[Array, Array, Array]:
    """Coordinates with mean 0 and deviation 1, and the mean and deviation that they had."""
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    return (values - mean) / deviation, mean, deviation


def closed_form(x: Array, y: Array) -> tuple[Array, Array]:
    """The S and t of the least loss: the normal equations' solution."""
    whole = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]
    return whole[:2], whole[2]


def halving(x: Array, rate: float) -> float:
    """How many steps halve the error that shrinks slowest.

    The loss is quadratic, so a step multiplies the error along each eigenvector of A'A / N, A = (x, 1), by 1 - 2 rate eigenvalue.
    """
    A = np.column_stack([x, np.ones(len(x))])
    shrinks = np.abs(1 - 2 * rate * np.linalg.eigvalsh(A.T @ A / len(x))).max()
    return math.log(0.5) / math.log(float(shrinks))


def tell(answers: Mapping[str, Answer]) -> Story:
    best = answers["source"].series("closed form")[0]
    rows = [(line, *(f"{answer.mean(key):.7f}" for key in KEYS)) for line, answer in answers.items()]
    flat = [*best[0][0], *best[0][1], *best[1]]
    return Story(
        findings=[*(_sentence(line, answer) for line, answer in answers.items()), _slow(answers)],
        figures=[
            # The points' licence is not stated.
            Figure(
                "points", "The points before, after, and what the source's fit makes of them.", _points(answers["source"]), private=True
            ),
            Figure("errors", "How far S and t are from the closed form, by step.", _errors(answers)),
        ],
        tables=[Table("The fitted map", ("line", *KEYS), [*rows, ("closed form", *(f"{value:.7f}" for value in flat))])],
    )


def _sentence(line: str, answer: Answer) -> str:
    errors = [answer.mean_series(key)[-1] for key in ("error of S", "error of t")]
    return (
        f"{line}: after {answer.settings['steps']:,} steps S is within {errors[0]:.2g} and t within {errors[1]:.2g} of the closed form; "
        f"the loss is {answer.mean('loss'):.6f}."
    )


def _slow(answers: Mapping[str, Answer]) -> str:
    source, better = (answers[line].mean("steps that halve the slowest error") for line in ("source", "better"))
    return (
        f"At the source's rate the error that shrinks slowest halves every {source:,.0f} steps; centred and scaled, at a rate "
        f"of {answers['better'].settings['rate']:g}, every {better:.2g}."
    )


def _points(answer: Answer) -> bytes:
    with page(1, 2, width=9.0, height=4.4) as figure:
        before, after, fitted = (answer.picture(key) for key in ("before", "after", "fitted"))
        figure.panels[0].scatter(before[:, 0], before[:, 1], s=5, color=COLOURS[5], label="before")
        figure.panels[1].scatter(after[:, 0], after[:, 1], s=14, color=COLOURS[0], label="after")
        figure.panels[1].scatter(fitted[:, 0], fitted[:, 1], s=3, color=COLOURS[1], label="fitted")
        for panel in figure.panels:
            panel.set_aspect("equal")
            panel.set_xlim(*_range(before, after, 0))
            panel.set_ylim(*_range(before, after, 1))
            name(panel, "x", "y")
            panel.legend(fontsize=8, loc="upper right")
    return figure.png


def _range(before: Array, after: Array, axis: int) -> tuple[float, float]:
    both = np.concatenate([before, after])[:, axis]
    return float(both.min()) - 4, float(both.max()) + 16 * axis + 4


def _errors(answers: Mapping[str, Answer]) -> bytes:
    with page(1, 2) as figure:
        for panel, key in zip(figure.panels, ("error of S", "error of t"), strict=True):
            for colour, (line, answer) in enumerate(answers.items()):
                curve(panel, answer.series("step")[0], answer.series(key), line, colour, **DASHED if line == "source" else {})
            panel.set_xscale("log")
            panel.set_yscale("log")
            name(panel, "step", f"largest {key}")
    return figure.png


DASHED: dict[str, Any] = {"linestyle": "--", "zorder": 3}  # the source's line lies on the long one
KEYS = ("S[0][0]", "S[0][1]", "S[1][0]", "S[1][1]", "t[0]", "t[1]")
SOURCE = (1.0000829, -0.0052, 0.0000641, 0.6142530, -0.0078, -0.0454)
CLOSED = (1.0, -0.000179, 0.0, 0.618152, 0.0, -0.516747)
SETTINGS = {"data": "", "count": 1205, "scaled": False, "rate": 2e-5, "steps": 10_000}

AFFINE_FIT = Study(
    name="affine-fit",
    question="Why does gradient descent find the matrix of a map soon and its shift hardly ever?",
    help=(
        "1,205 points of whole coordinates and where they went, rounded: y = S x + t is fitted by gradient descent on the mean squared "
        "distance, with fc_forward, fc_backward and l2_loss. A point is a row, so in code it is x S + t, which is how S is printed here, "
        "too. The whole numbers are converted first.\n\n"
        "The source takes the rate 2e-5; of its steps and its start nothing is known. Started with S all ones and t = 0, 10,000 "
        "steps give its numbers to every digit that it prints: S = [[1.0000829, -0.0052], [0.0000641, 0.6142530]], t = (-0.0078, "
        "-0.0454). t is far from its place then, for coordinates of some tens make the loss steep along S and flat along t, and the rate "
        "must suit the steep directions.\n\n"
        "Centred and scaled coordinates make it about equally steep everywhere. The map is turned back to the points as they are."
    ),
    lines=(
        Line(
            name="source",
            help="Coordinates as they are, rate 2e-5, 10,000 steps from S all ones and t = 0.",
            settings=SETTINGS,
            quick={"data": MADE, "steps": 1_000},
            marks=tuple(Mark(measure=key, reference=value) for key, value in zip(KEYS, SOURCE, strict=True)),
            fixed=True,
            minutes=0.02,
        ),
        Line(
            name="long",
            help="The same for a million steps: what t needs.",
            settings=SETTINGS | {"steps": 1_000_000},
            quick={"data": MADE, "steps": 4_000},
            marks=tuple(Mark(measure=key, reference=value) for key, value in zip(KEYS, CLOSED, strict=True)),
            fixed=True,
            minutes=1.0,
        ),
        Line(
            name="better",
            help="Centred and scaled coordinates, rate 0.25, 200 steps.",
            settings=SETTINGS | {"scaled": True, "rate": 0.25, "steps": 200},
            quick={"data": MADE},
            marks=(
                *(Mark(measure=key, reference=value) for key, value in zip(KEYS, CLOSED, strict=True)),
                Mark(measure="largest difference from the closed form", floor=1e-6, lower=True),
            ),
            fixed=True,
            minutes=0.01,
        ),
    ),
    run=run,
    tell=tell,
)
