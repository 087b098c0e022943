from __future__ import annotations

import json

import pytest
from torch import Tensor

from hoodwink.attacks.table import ATTACKS, Row

from .conftest import Run


def made(queries: object, pictures: Tensor, labels: Tensor, *, norm: str = "l2", eps: float, steps: int = 7, rate: float = 0.5) -> Tensor:
    """Nothing at all (Nobody 2000). A second sentence.

    And more.
    """
    return pictures


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ATTACKS, "made", Row(made, "budget", ("linf", "l2"), "gradient", "Nobody 2000"))


def test_every_row_is_listed(run: Run) -> None:
    result = run("attacks")
    assert result.exit_code == 0
    names = [line.split()[0] for line in result.stdout.splitlines()[2:]]
    assert names == [row.name for row in ATTACKS.values()]
    assert "made" in names
    assert [line.split() for line in result.stdout.splitlines() if line.startswith("made")] == [
        ["made", "budget", "linf", "l2", "gradient", "Nobody", "2000"]
    ]


def test_the_table_as_a_document(run: Run) -> None:
    found = json.loads(run("attacks", "--json").stdout)["attacks"]
    assert [one["name"] for one in found] == [row.name for row in ATTACKS.values()]
    assert found[-1] == {"name": "made", "goal": "budget", "norms": ["linf", "l2"], "knowledge": "gradient", "source": "Nobody 2000"}


def test_one_attack_with_its_options(run: Run) -> None:
    result = run("attacks", "made")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "made  Nothing at all (Nobody 2000)."
    rows = [line.split(maxsplit=1) for line in result.stdout.split("Options")[1].splitlines() if line]
    assert rows == [["norm", "default l2"], ["eps", "needed"], ["steps", "default 7"], ["rate", "default 0.5"]]
    found = json.loads(run("attacks", "made", "--json").stdout)
    assert found["options"] == {"norm": "l2", "eps": None, "steps": 7, "rate": 0.5}
    assert found["says"] == "Nothing at all (Nobody 2000)."


@pytest.mark.parametrize("name", list(ATTACKS))
def test_every_row_can_be_shown(run: Run, name: str) -> None:
    result = run("attacks", name)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].endswith(".")


def test_a_slip_is_answered_with_the_nearest(run: Run) -> None:
    result = run("attacks", "mad")
    assert result.exit_code == 2
    assert "the nearest is 'made'" in result.stderr
