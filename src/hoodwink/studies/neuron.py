"""One neuron taught AND by hand: first in plain Python, number by number, then in NumPy, which must say the same."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, curve, name, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study

X = ((1.0, 0.1, -0.2), (1.0, -0.1, 0.9), (1.0, 1.2, 0.1), (1.0, 1.1, 1.5))  # the bias's 1 first
T = (0.0, 0.0, 0.0, 1.0)
START = (1.0, -1.0, 1.0)
TINY = 1e-6  # log(0) is none


def sigmoid(a: float) -> float:
    """1 / (1 + e^-a)."""
    return 1 / (1 + math.exp(-a))


def plain(loss: str, rate: float, passes: int) -> tuple[list[float], list[float]]:
    """The weights after so many passes, and the error of each pass: of each example as it is met, just before its update."""
    w = list(START)
    errors = []
    for _ in range(passes):
        total = 0.0
        for x, t in zip(X, T, strict=True):
            y = sigmoid(sum(wi * xi for wi, xi in zip(w, x, strict=True)))  # y = sigmoid(w . x)
            total += error(loss, y, t)
            delta = y - t  # dE/da of the cross-entropy, E = -(t log y + (1 - t) log(1 - y))
            if loss == "squared":
                delta *= y * (1 - y)  # dE/da of E = (y - t)^2, without the factor 2; y' = y (1 - y)
            w = [wi - rate * delta * xi for wi, xi in zip(w, x, strict=True)]  # w <- w - rate dE/dw, dE/dw = delta x
        errors.append(total / len(T) if loss == "squared" else total)
    return w, errors


def error(loss: str, y: float, t: float) -> float:
    """The error of one output y where t is wanted."""
    if loss == "squared":
        return (y - t) ** 2
    return -t * math.log(y + TINY) - (1 - t) * math.log(1 - y + TINY)


def vectors(loss: str, rate: float, passes: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The same weights in NumPy: one product for each sum."""
    w, xs = np.array(START), np.array(X)
    for _ in range(passes):
        for x, t in zip(xs, T, strict=True):
            y = 1 / (1 + np.exp(-w @ x))
            w = w - rate * (y - t) * (y * (1 - y) if loss == "squared" else 1) * x
    return w


def run(desk: Desk) -> Found:
    w, errors = plain(desk["loss"], desk["rate"], desk["passes"])
    again = vectors(desk["loss"], desk["rate"], desk["passes"])
    outputs = [sigmoid(sum(wi * xi for wi, xi in zip(w, x, strict=True))) for x in X]
    values = {"w0 (bias)": w[0], "w1": w[1], "w2": w[2], "error": errors[-1]}
    far = max(abs(a - b) for a, b in zip(w, again, strict=True))
    return Found(values | {"NumPy against plain Python": float(far)}, series={"error": errors, "outputs": outputs})


def tell(answers: Mapping[str, Answer]) -> Story:
    with page(1, 2) as figure:
        for colour, (line, answer) in enumerate(answers.items()):
            errors = answer.series("error")
            curve(figure.panels[0], range(len(errors[0])), errors, line, colour)
            figure.panels[1].bar(np.arange(4) + 0.4 * colour - 0.2, answer.series("outputs")[0], 0.38, label=line, color=COLOURS[colour])
        figure.panels[0].set_yscale("log")
        name(figure.panels[0], "passes", "error (each loss its own)", "The error by pass")
        figure.panels[1].set_xticks(range(4), [f"{x[1]:g}, {x[2]:g}\nwanted {t:g}" for x, t in zip(X, T, strict=True)], fontsize=8)
        name(figure.panels[1], "example", "output", "What the neuron says in the end")
    rows = [(line, *(f"{value:.3f}" for value in answer.series("outputs")[0])) for line, answer in answers.items()]
    squared, entropy = answers["squared"], answers["cross-entropy"]
    return Story(
        findings=[
            (
                f"After {squared.settings['passes']} passes the squared error ends at w = ({_w(squared)}), "
                f"the cross-entropy at w = ({_w(entropy)})."
            ),
            "The cross-entropy's step has no factor y (1 - y), which is nearly 0 where the neuron is sure and wrong: it goes further.",
            f"NumPy and plain Python differ by at most {max(a.mean('NumPy against plain Python') for a in answers.values()):.1e}.",
        ],
        figures=[Figure("curves", "Left the error by pass, right the four outputs in the end.", figure.png)],
        tables=[Table("Outputs in the end", ("loss", *(f"example {k + 1}, wanted {t:g}" for k, t in enumerate(T))), rows)],
    )


def _w(answer: Answer) -> str:
    return ", ".join(f"{answer.mean(key):.3f}" for key in ("w0 (bias)", "w1", "w2"))


NEURON = Study(
    name="neuron",
    question="What does one neuron learn, step by step?",
    help=(
        "A neuron y = sigmoid(w . x) is shown four points of the plane, of which the last alone is to give 1. Its three weights move after "
        "each example against the gradient of the error. The study does it in plain Python first, where every sum can be followed with a "
        "pencil, then in NumPy, and for two errors: the squared one, averaged, and the cross-entropy, summed."
    ),
    lines=(
        Line(
            name="squared",
            help="The source: squared error, its factor 2 left out of the step.",
            settings={"loss": "squared", "rate": 10.0, "passes": 50},
            marks=(
                Mark(measure="w0 (bias)", reference=-6.714),
                Mark(measure="w1", reference=2.682),
                Mark(measure="w2", reference=4.525),
                Mark(measure="error", reference=0.001848),
                Mark(measure="NumPy against plain Python", floor=1e-9, lower=True),
            ),
            fixed=True,
        ),
        Line(
            name="cross-entropy",
            help="The source: cross-entropy with log(y + 1e-6).",
            settings={"loss": "cross-entropy", "rate": 10.0, "passes": 50},
            marks=(
                Mark(measure="w0 (bias)", reference=-16.198),
                Mark(measure="w1", reference=7.204),
                Mark(measure="w2", reference=10.059),
                Mark(measure="error", reference=0.002975),
                Mark(measure="NumPy against plain Python", floor=1e-9, lower=True),
            ),
            fixed=True,
        ),
    ),
    run=run,
    tell=tell,
)
