from __future__ import annotations

import json

import pytest

from hoodwink.cli.model import WAYS
from hoodwink.models.load import PACKAGED, PREFIXES
from hoodwink.networks.table import NETWORKS

from .conftest import COLOURS, Run


def test_list_names_every_network_and_every_way(run: Run) -> None:
    result = run("model", "list")
    assert result.exit_code == 0
    for name in (*PACKAGED, *NETWORKS, *(f"{prefix}:" for prefix in PREFIXES)):
        assert name in result.stdout
    document = json.loads(run("model", "list", "--json").stdout)
    assert document == {"packaged": list(PACKAGED), "networks": list(NETWORKS), "ways": WAYS}


def test_show_the_card(run: Run) -> None:
    result = run("model", "show", COLOURS)
    assert result.exit_code == 0
    for part in (
        "colours",
        "3 classes",
        "579 parameters",
        "shorter side to 8 (bicubic), cropped to 8 x 8 pixels",
        "red, green, blue",
        "passed",
    ):
        assert part in result.stdout
    record = json.loads(run("model", "show", COLOURS, "--json").stdout)["models"][0]
    assert record["card"]["name"] == "colours"
    assert record["self_check"] == {"passed": True, "warnings": []}


def test_show_the_packaged_network(run: Run) -> None:
    result = run("model", "show")
    for part in ("efficientnet-lite0", "1000 classes", "Apache-2.0", "tench", "toilet tissue", "SHA-256 5793"):
        assert part in result.stdout


def test_card_fields_on_the_command_line(run: Run) -> None:
    card = (
        "--mean",
        "0.5",
        "--std",
        "0.25,0.25,0.3",
        "--classes",
        "cat,dog,bird",
        "--size",
        "8",
        "--resize",
        "9x10",
        "--filter",
        "lanczos",
    )
    result = run("model", "show", "python:tiny_nets:bare", *card)
    assert result.exit_code == 0
    for part in ("resized to 9 x 10 pixels (lanczos), cropped to 8 x 8", "0.5 and 0.25, 0.25, 0.3", "cat, dog, bird"):
        assert part in result.stdout


def test_a_warning_is_part_of_the_answer(run: Run) -> None:
    result = run("model", "show", "python:tiny_nets:probabilities", "--json")
    assert "look like probabilities" in json.loads(result.stdout)["models"][0]["self_check"]["warnings"][0]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("show", "efficientnet"), "model 'efficientnet' is neither a name nor a path"),
        (("show", "python:tiny_nets:bare"), "give --mean, --std, --classes"),
        (("show", "python:tiny_nets:absent"), "cannot be imported"),
        (("show", COLOURS, "--mean", "1"), "does not take mean"),
        (("lst",), "the nearest is 'list'; type hoodwink model --help"),
    ],
)
def test_errors_are_one_line(run: Run, words: tuple[str, ...], part: str) -> None:
    result = run("model", *words)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert part in result.stderr
