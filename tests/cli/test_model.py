from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hoodwink.cli.model import WAYS
from hoodwink.models.load import PACKAGED, PREFIXES
from hoodwink.networks.table import NETWORKS
from rows import output_of, shape_of

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


def test_show_the_layers(run: Run) -> None:
    result = run("model", "show", COLOURS)
    for part in ("Flatten", "3 x 8 x 8 = 192", "out x (in + 1) = 3 x (192 + 1) = 579", "2 layers", "579 parameters, all of them trained"):
        assert part in result.stdout
    record = json.loads(run("model", "show", COLOURS, "--json").stdout)["models"][0]
    assert record["input"] == [3, 8, 8]
    assert [one["output"] for one in record["layers"]] == [[192], [3]]
    assert sum(one["parameters"] for one in record["layers"]) == record["parameters"] == 579


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in PACKAGED])
def test_show_a_network_without_weights(run: Run, name: str) -> None:
    row = NETWORKS[name]
    result = run("model", "show", name)
    assert result.exit_code == 0
    assert f"{name}  without weights" in result.stdout
    document = json.loads(run("model", "show", name, "--json").stdout)
    assert document["models"] == []
    (network,) = document["networks"]
    assert network["name"] == name
    assert network["input"] == list(shape_of(row, 8))
    assert network["parameters"] == sum(one["parameters"] for one in network["layers"])
    classes = {"sequence": 18, "letter-rnn": 18, "bag": 2}.get(name, 10)
    called = [one for one in network["layers"] if one["output"]]
    assert called[-1]["output"] == list(output_of(name, classes, 8))


def test_a_network_without_weights_beside_one_with(run: Run) -> None:
    document = json.loads(run("model", "show", "mlp", "--model", COLOURS, "--json").stdout)
    assert document["models"][0]["card"]["name"] == "colours"
    assert document["networks"][0]["name"] == "mlp"


def test_what_is_frozen_is_not_called_trained(run: Run, here: Path) -> None:
    torch.save(NETWORKS["fast"].make().state_dict(), "fast.pth")
    result = run("model", "show", "--weights", "fast.pth", "--network", "fast", "--mean", "0", "--std", "1")
    assert "1,972,792 parameters, 1,971,352 of them trained" in result.stdout


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
        (("show", "mlp", "--mean", "1"), "give them as --weights FILE --network mlp"),
        (("lst",), "the nearest is 'list'; type hoodwink model --help"),
    ],
)
def test_errors_are_one_line(run: Run, words: tuple[str, ...], part: str) -> None:
    result = run("model", *words)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert part in result.stderr
