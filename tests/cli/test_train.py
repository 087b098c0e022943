from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from hoodwink.runs import Run
from hoodwink.training.recipe import RecipeError
from hoodwink.training.recipes import RECIPES, find_recipe


def test_training_by_the_command_line(run: Any, tmp_path: Path) -> None:
    folder = str(tmp_path / "run")
    result: Result = run(
        "train", "digits-mlp", "--epochs", "2", "--set", "rate=0.05", "--set", "hidden=32,16", "--seed", "3", "--out", folder, "--json"
    )
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["folder"] == folder and record["result"]["epochs"] == 2
    settings = Run.open(folder).record["settings"]
    assert (settings["rate"], settings["seed"], settings["arguments"]["hidden"]) == (0.05, 3, [32, 16])
    assert "epoch 1: loss " in result.stderr and "some " in result.stderr and "minutes" in result.stderr
    assert run("look", "--model", folder, "--json").exit_code == 0
    again = run("train", "--resume", folder, "--json")
    assert again.exit_code == 0 and json.loads(again.stdout)["result"] == record["result"]


@pytest.mark.parametrize("when", ["gather", "_fit"])
def test_after_an_interruption_it_is_said_how_to_go_on(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    def interrupted(*rest: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"hoodwink.training.run.{when}", interrupted)
    result = run("train", "digits-mlp", "--out", str(tmp_path / "run"))
    said = "the same line goes on" if when == "gather" else f"hoodwink train --resume {tmp_path / 'run'} goes on"
    assert result.exit_code == 130 and f"interrupted; {said}" in result.stderr.replace("\n", " ")


def test_training_on_features_by_the_command_line(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "cache"))
    body, folder = str(tmp_path / "body"), str(tmp_path / "run")
    assert run("train", "digits-mlp", "--epochs", "1", "--out", body).exit_code == 0
    words = ("train", "cifar-transfer", "--set", f"backbone={body}", "--set", "data=digits", "--set", "subset=100", "--out", folder)
    result = run(*words, "--json")
    assert result.exit_code == 0 and "digits:train: features of 100 of 100 pictures by digits-mlp" in result.stderr
    assert json.loads(result.stdout)["settings"]["backbone"] == body
    for verb in (("look", "--model", folder), ("audit", folder, "digits", "--eps", "8/255", "--limit", "5", "--sentinels", "0")):
        assert run(*verb, "--json", *(("--out", str(tmp_path / "audit")) if verb[0] == "audit" else ())).exit_code == 0
    assert run("verify", folder).exit_code == 0
    refused = run(*words[:-1], str(tmp_path / "other"), "--set", "flip=true")
    assert refused.exit_code == 2 and "backbone: its features are computed once" in refused.stderr
    assert run("train", "--resume", folder, "--json").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train",), "a recipe was wanted"),
        (("train", "mnist-cn"), "there is no recipe 'mnist-cn'; there are mnist-cnn"),
        (("train", "digits-mlp", "--set", "rate"), "type --set rate=0.1"),
        (("train", "digits-mlp", "--set", "rate=fast"), "rate: a value such as 0.1 was wanted, not 'fast'"),
        (("train", "digits-mlp", "--set", "ratee=1"), "has no setting 'ratee'"),
        (("train", "digits-mlp", "--set", "schedule=odd"), "schedule: one of constant, step, cosine, triangle was wanted"),
        (("train", "--resume", "nowhere"), "nowhere: a run folder was wanted"),
        (("recipes", "none"), "there is no recipe 'none'"),
    ],
)
def test_a_slip_is_one_line_and_ends_with_2(run: Any, words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2 and said in result.stderr and len(result.stderr.splitlines()) == 1


def test_recipes_are_listed_and_shown(run: Any) -> None:
    listed = run("recipes").stdout
    assert all(name in listed for name in RECIPES)
    assert json.loads(run("recipes", "cifar-fast", "--json").stdout) == json.loads(json.dumps(RECIPES["cifar-fast"].to_json()))
    assert "bias_rate" in run("recipes", "cifar-fast").stdout


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_reads_back_as_it_was(name: str) -> None:
    from hoodwink.training.recipe import Recipe

    assert Recipe.from_json(json.loads(json.dumps(RECIPES[name].to_json()))) == RECIPES[name]


def test_settings_take_the_kind_that_they_have() -> None:
    found = find_recipe("cifar-fast").changed({"epochs": "3", "flip": "false", "widths": "8,16", "lookahead": "0", "nesterov": "true"})
    assert (found.epochs, found.augmentation.flip, found.arguments["widths"], found.lookahead, found.nesterov) == (
        3,
        False,
        [8, 16],
        0,
        True,
    )
    with pytest.raises(RecipeError, match="epochs: 1 or more"):
        found.changed({"epochs": 0})
