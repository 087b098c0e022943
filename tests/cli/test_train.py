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


def test_an_older_run_is_not_gone_on_with(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*rest: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    line = ("train", "digits-mlp", "--epochs", "1", "--out", str(tmp_path / "run"))
    assert run(*line).exit_code == 0
    monkeypatch.setattr("hoodwink.training.run.gather", interrupted)
    for words in (line, (*line, "--seed", "1")):  # finished, and of other settings
        result = run(*words, "--force")
        assert result.exit_code == 130 and "interrupted; the same line goes on" in result.stderr
    (tmp_path / "run" / "manifest.json").unlink()
    assert f"hoodwink train --resume {tmp_path / 'run'} goes on" in run(*line, "--force").stderr.replace("\n", " ")
    assert "the same line goes on" in run(*line, "--force", "--seed", "1").stderr


def test_options_that_would_be_without_effect_beside_resume_are_refused(run: Any, tmp_path: Path) -> None:
    folder = str(tmp_path / "run")
    assert run("train", "digits-mlp", "--epochs", "1", "--out", folder).exit_code == 0
    for more, said in (
        (("--out", str(tmp_path / "other")), "leave out --out and --force"),
        (("--force",), "leave out --out and --force"),
        (("--tensorboard",), "leave out --tensorboard"),
        (("--set", "rate=1"), "leave the settings out, or train anew with --out DIR"),
    ):
        result = run("train", "--resume", folder, *more)
        assert result.exit_code == 2 and said in result.stderr, result.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cifar-transfer",), "some 4 minutes on"),
        (("cifar-transfer", "--epochs", "300"), "some 4 minutes on"),
        (("cifar-transfer", "--set", "subset=0"), ""),
        (("cifar-transfer", "--set", "backbone=timm:resnet18"), ""),
        (("cifar-transfer", "--set", "data=mine"), ""),
        (("mnist-cnn", "--epochs", "20"), "some 1 minutes on"),
    ],
)
def test_what_is_foretold(run: Any, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str) -> None:
    def interrupted(*rest: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hoodwink.training.run.gather", interrupted)
    result = run("train", *words)
    assert (said in result.stderr) if said else ("minutes" not in result.stderr)


def test_of_a_folder_the_test_pictures_are_audited_next(run: Any, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    for folder in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / "mine" / folder).mkdir(parents=True)
        Image.fromarray(np.full((8, 8), 99 if folder.endswith("a") else 9, np.uint8)).save(tmp_path / "mine" / folder / "x.png")
    words = ("train", "digits-mlp", "--set", "data=mine", "--set", "inputs=192", "--set", "validation=0", "--epochs", "1", "--out", "m")
    said = run(*words).stderr
    line = said.partition("type hoodwink ")[2].split()
    assert line == ["audit", "m", "mine:test", "--eps", "2/255", "--limit", "100"]
    assert run(*line, "--sentinels", "0").exit_code == 0


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
