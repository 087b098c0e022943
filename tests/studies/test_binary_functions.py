from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hoodwink.scratch.thresholds import Unit, all_tables, threshold_unit, two_layers
from hoodwink.studies.binary_functions import BINARY_FUNCTIONS, KINDS, NAMES, depth, drawn, exactly, right, run
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Found

XOR, XNOR = (0, 1, 1, 0), (1, 0, 0, 1)


def asked(line: str, seed: int = 0) -> Found:
    return run(Desk(line, dict(next(one for one in BINARY_FUNCTIONS.lines if one.name == line).settings), seed, Path()))


@pytest.mark.parametrize(("line", "counts"), [("two-inputs", (16, 6, 14, 16)), ("three-inputs", (256, 8, 104, 256))])
def test_the_counts(line: str, counts: tuple[int, ...]) -> None:
    found = asked(line)
    assert tuple(found.values[name] for name in ("functions", *KINDS)) == counts
    assert found.values["best linear fit to parity, least"] == pytest.approx(0.5)
    assert found.values["best linear fit to parity, most"] == pytest.approx(0.5)


def test_the_names_say_what_python_says() -> None:
    meant = {"a and b": lambda a, b: a and b, "a, not b": lambda a, b: a and not b, "b, not a": lambda a, b: b and not a}
    meant |= {"a xor b": lambda a, b: a != b, "a or b": lambda a, b: a or b, "neither": lambda a, b: not (a or b)}
    meant |= {"a equals b": lambda a, b: a == b, "a or not b": lambda a, b: a or not b, "b or not a": lambda a, b: b or not a}
    meant |= {"not both": lambda a, b: not (a and b), "a": lambda a, b: a, "b": lambda a, b: b, "0": lambda a, b: 0, "1": lambda a, b: 1}
    meant |= {"not a": lambda a, b: not a, "not b": lambda a, b: not b}
    assert set(NAMES) == set(all_tables(2)) and set(NAMES.values()) == set(meant)
    for table, called in NAMES.items():
        assert table == tuple(int(bool(meant[called](a, b))) for a in (0, 1) for b in (0, 1)), called


def test_an_answer_that_is_wrong_is_not_counted() -> None:
    assert right(two_layers(XOR), XOR) and not right(two_layers(XOR), XNOR)
    assert threshold_unit(XOR) is None and not right(None, XOR) and not exactly(None, XOR)
    assert exactly(Unit((1, 0), 0), (0, 0, 1, 1)) and not exactly(Unit((2, 0), 0), (0, 0, 1, 1)) and right(Unit((2, 0), 0), (0, 0, 1, 1))


def test_tables_of_more_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk("more-inputs", {"inputs": (4, 5), "tables": 3}, 1, Path())
    found = drawn(desk).values
    assert found["functions"] == 6 and found["computed wrongly"] == 0 and found["hidden units, share of 2^(n - 1), most"] <= 1
    monkeypatch.setattr("hoodwink.studies.binary_functions.two_layers", lambda table: two_layers(tuple(1 - bit for bit in table)))
    assert drawn(desk).values["computed wrongly"] == 6


def test_depth_without_a_bend_is_one_matrix() -> None:
    found = depth(Desk("depth", {"sizes": (3, 5, 4, 2), "examples": 50}, 7, Path()))
    w1, w2, w3, one = (found.pictures[f"W{k}"] for k in range(1, 5))
    np.testing.assert_array_equal(one, w1 @ (w2 @ w3))
    assert found.values["difference of deep and one layer"] == 0
    assert (found.values["weights"], found.values["weights of the one layer"]) == (15 + 20 + 8, 6)
    assert found.values["share of the squares left with ReLU between"] > 0.01
