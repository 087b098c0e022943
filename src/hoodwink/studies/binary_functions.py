"""Which functions of bits a linear network, one threshold unit and two layers of them compute, counted one by one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from itertools import pairwise

import numpy as np

from hoodwink.scratch.layers import Array
from hoodwink.scratch.thresholds import TwoLayers, Unit, affine_map, all_inputs, all_tables, collapse, threshold_unit, two_layers
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import name, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study

NAMES = {
    (0, 0, 0, 0): "0",
    (0, 0, 0, 1): "a and b",
    (0, 0, 1, 0): "a, not b",
    (0, 0, 1, 1): "a",
    (0, 1, 0, 0): "b, not a",
    (0, 1, 0, 1): "b",
    (0, 1, 1, 0): "a xor b",
    (0, 1, 1, 1): "a or b",
    (1, 0, 0, 0): "neither",
    (1, 0, 0, 1): "a equals b",
    (1, 0, 1, 0): "not b",
    (1, 0, 1, 1): "a or not b",
    (1, 1, 0, 0): "not a",
    (1, 1, 0, 1): "b or not a",
    (1, 1, 1, 0): "not both",
    (1, 1, 1, 1): "1",
}
KINDS = ("linear network", "one threshold unit", "two layers of threshold units")
TINTS = ("#2e8b57", "#1b6ca8", "#d1495b")


def every(desk: Desk) -> Found:
    """All tables of so many inputs: who computes each, and every answer is asked again at every input."""
    n, tables = desk["inputs"], all_tables(desk["inputs"])
    layers = [two_layers(table) for table in tables]
    told = [
        [exactly(affine_map(table), table) for table in tables],
        [right(threshold_unit(table), table) for table in tables],
        [right(network, table) for network, table in zip(layers, tables, strict=True)],
    ]
    whole = np.column_stack([np.ones(2**n), all_inputs(n)])
    parity = np.array([sum(bits) % 2 for bits in all_inputs(n)])  # xor, of two inputs
    fitted = whole @ np.linalg.lstsq(whole, parity, rcond=None)[0]
    values = {
        "functions": float(len(tables)),
        **{kind: float(sum(one)) for kind, one in zip(KINDS, told, strict=True)},
        "most hidden units": float(max(len(one.hidden) for one in layers)),
        "best linear fit to parity, least": float(fitted.min()),
        "best linear fit to parity, most": float(fitted.max()),
    }
    return Found(values, series={"tables": list(map(list, tables)), "kind": [one.index(True) for one in zip(*told, strict=True)]})


def drawn(desk: Desk) -> Found:
    """Tables drawn at random, of more inputs than all could be listed for."""
    generator = np.random.default_rng(desk.seed)
    tables = [tuple(map(int, generator.integers(0, 2, 2 ** int(n)))) for n in desk["inputs"] for _ in range(desk["tables"])]
    networks = [two_layers(table) for table in tables]
    wrong = sum(not right(network, table) for network, table in zip(networks, tables, strict=True))
    most = max(len(network.hidden) / (len(table) / 2) for network, table in zip(networks, tables, strict=True))
    return Found({"functions": float(len(tables)), "computed wrongly": float(wrong), "hidden units, share of 2^(n - 1), most": most})


def depth(desk: Desk) -> Found:
    """A deep linear network of whole numbers, and the one layer that it is: x W1 W2 W3 = x (W1 W2 W3), to the last digit."""
    generator = np.random.default_rng(desk.seed)
    weights = [generator.integers(-3, 4, pair) for pair in pairwise(desk["sizes"])]
    x = generator.integers(-9, 10, (desk["examples"], desk["sizes"][0]))
    one, _ = collapse(weights)
    deep = reduce(np.matmul, weights, x)
    bent = reduce(lambda value, w: np.maximum(value @ w, 0), weights[:-1], x) @ weights[-1]  # the same with ReLU between
    left = bent - x @ np.linalg.lstsq(x.astype(float), bent, rcond=None)[0]  # what the nearest linear layer leaves
    values = {
        "weights": float(sum(w.size for w in weights)),
        "weights of the one layer": float(one.size),
        "difference of deep and one layer": float(np.abs(deep - x @ one).max()),
        "share of the squares left with ReLU between": float((left**2).sum() / (bent**2).sum()),
    }
    return Found(values, pictures={f"W{k}": w for k, w in enumerate([*weights, one], start=1)})


def exactly(unit: Unit | None, table: tuple[int, ...]) -> bool:
    """Whether w x + b is what the table says, at every input."""
    return unit is not None and all(unit.value(bits) == bit for bits, bit in _entries(table))


def right(network: Unit | TwoLayers | None, table: tuple[int, ...]) -> bool:
    """Whether a unit or a network fires as the table says, at every input."""
    return network is not None and all(network.fires(bits) == bit for bits, bit in _entries(table))


def _entries(table: tuple[int, ...]) -> list[tuple[tuple[int, ...], int]]:
    return list(zip(all_inputs(len(table).bit_length() - 1), table, strict=True))


def run(desk: Desk) -> Found:
    return {"every table": every, "tables drawn": drawn, "matrices": depth}[desk["what"]](desk)


def tell(answers: Mapping[str, Answer]) -> Story:
    many, deep = answers["more-inputs"], answers["depth"]
    return Story(
        findings=[
            *(_counts(line, answers[line]) for line in ("two-inputs", "three-inputs")),
            *(_parity(line, answers[line]) for line in ("two-inputs", "three-inputs")),
            (
                f"Of {many.mean('functions'):,.0f} tables drawn of {min(many.settings['inputs'])} to {max(many.settings['inputs'])} inputs "
                f"two layers compute {many.mean('computed wrongly'):.0f} wrongly."
            ),
            (
                f"The {len(deep.settings['sizes']) - 1} layers without non-linearity differ from the one layer of their product by "
                f"{deep.mean('difference of deep and one layer'):.3g}: {deep.mean('weights'):.0f} weights do what "
                f"{deep.mean('weights of the one layer'):.0f} do. With ReLU between, the nearest linear layer leaves "
                f"{100 * deep.mean('share of the squares left with ReLU between'):.0f} % of the squares unexplained."
            ),
        ],
        figures=[
            Figure("functions", "The 16 functions of two bits (dark: 1), and the least that computes each.", _grids(answers["two-inputs"])),
            Figure("matrices", "A deep linear network's matrices, and their product: the one layer that it is.", _product(deep)),
        ],
        tables=[
            Table("The 16 functions", ("function", "at 00 01 10 11", "linear", "threshold unit", "hidden units of two layers"), _rows())
        ],
    )


def _counts(line: str, answer: Answer) -> str:
    linear, unit, layers = (answer.mean(kind) for kind in KINDS)
    return (
        f"Of the {answer.mean('functions'):.0f} functions of {line.replace('-', ' ')} a linear network computes {linear:.0f} exactly, one threshold unit "
        f"{unit:.0f}, and two layers of threshold units {layers:.0f}, with at most {answer.mean('most hidden units'):.0f} hidden units."
    )


def _parity(line: str, answer: Answer) -> str:
    least, most = (answer.mean(f"best linear fit to parity, {end}") for end in ("least", "most"))
    return f"The best linear fit to the parity of {line.replace('-', ' ')} says {least:.3g} to {most:.3g} where 0 and 1 are wanted."


def _rows() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for table, called in NAMES.items():
        linear, unit = affine_map(table), threshold_unit(table)
        shown = (_formula(linear) if linear else "-", f"{_formula(unit)} > 0" if unit else "-")
        found.append((called, " ".join(map(str, table)), *shown, str(len(two_layers(table).hidden))))
    return found


def _formula(unit: Unit) -> str:
    parts = [f"{w:+d}{letter}" for w, letter in zip(unit.weights, "ab", strict=True) if w]
    return " ".join([*parts, *([f"{unit.bias:+d}"] if unit.bias or not parts else [])])


def _grids(answer: Answer) -> bytes:
    kinds = answer.series("kind")[0]
    with page(2, 8, width=11.0, height=4.2) as figure:
        for panel, table, kind in zip(figure.panels, answer.series("tables")[0], kinds, strict=False):
            grid = np.array(table).reshape(2, -1)
            panel.imshow(grid, cmap="Greys", vmin=-0.25, vmax=1.4)
            for (row, column), bit in np.ndenumerate(grid):
                panel.text(column, row, str(bit), ha="center", va="center", color="white" if bit else "black")
            panel.set_title(f"{NAMES.get(tuple(table), '')}\n{KINDS[kind].partition(' of ')[0]}", fontsize=8, color=TINTS[kind])
            panel.set_xticks([0, 1], ["0", "1"], fontsize=7)
            panel.set_yticks([0, 1], ["0", "1"], fontsize=7)
            name(panel, "b", "a", legend=False)
            panel.grid(False)
    return figure.png


def _product(answer: Answer) -> bytes:
    matrices: list[Array] = [answer.picture(f"W{k}") for k in range(1, len(answer.settings["sizes"]) + 1)]
    with page(1, len(matrices), width=9.0, height=2.6) as figure:
        for k, (panel, matrix) in enumerate(zip(figure.panels, matrices, strict=True), start=1):
            panel.imshow(matrix, cmap="RdBu", vmin=-np.abs(matrix).max(), vmax=np.abs(matrix).max(), alpha=0.6)
            for (row, column), weight in np.ndenumerate(matrix):
                panel.text(column, row, str(weight), ha="center", va="center", fontsize=8)
            last = k == len(matrices)
            product = " ".join(f"W{j}" for j in range(1, k))
            panel.set_title(f"= {product}" if last else f"W{k}", fontsize=10)
            panel.set_axis_off()
    return figure.png


BINARY_FUNCTIONS = Study(
    name="binary-functions",
    question="Which functions of two bits can a linear network, a threshold unit and two layers of them compute?",
    help=(
        "Every truth table of two inputs, and of three, is tried. A linear network w x + b is found from the inputs with at most one 1, "
        "which leave no choice, and then fits the others or does not. A threshold unit says 1 where w x + b > 0: the perceptron's rule in "
        "whole numbers ends if there is one, and comes back to where it was if there is none. Two layers compute any table: a hidden unit "
        "for each input at which the rarer answer is wanted, and one that asks whether any of them fires.\n\n"
        "Depth alone adds nothing to a linear network: (x W1) W2 is x (W1 W2), and the product is one matrix. The study multiplies whole "
        "numbers, so that equal means equal, and then puts a ReLU between."
    ),
    lines=(
        Line(
            name="two-inputs",
            help="All 16 functions.",
            settings={"what": "every table", "inputs": 2},
            marks=(
                Mark(measure=KINDS[0], reference=6, floor=6),
                Mark(measure=KINDS[1], reference=14, floor=14),
                Mark(measure=KINDS[2], reference=16, floor=16),
            ),
            fixed=True,
        ),
        Line(
            name="three-inputs",
            help="All 256 functions.",
            settings={"what": "every table", "inputs": 3},
            marks=(Mark(measure=KINDS[0], floor=8), Mark(measure=KINDS[1], floor=104), Mark(measure=KINDS[2], floor=256)),
            fixed=True,
        ),
        Line(
            name="more-inputs",
            help="Tables drawn at random, by two layers.",
            settings={"what": "tables drawn", "inputs": (4, 5, 6, 7, 8), "tables": 40},
            quick={"tables": 10},
            marks=(Mark(measure="computed wrongly", floor=0, lower=True),),
        ),
        Line(
            name="depth",
            help="Three matrices of whole numbers, and their product.",
            settings={"what": "matrices", "sizes": (3, 5, 4, 2), "examples": 100},
            marks=(Mark(measure="difference of deep and one layer", floor=0, lower=True),),
        ),
    ),
    run=run,
    tell=tell,
)
