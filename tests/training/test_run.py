from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import hoodwink as hw
from hoodwink.data.cards import DataError
from hoodwink.data.load import load
from hoodwink.runs import Run, RunError
from hoodwink.training.checkpoint import STATE
from hoodwink.training.loop import Diverged, Training
from hoodwink.training.recipe import RecipeError
from hoodwink.training.recipes import RECIPES, find_recipe
from hoodwink.training.run import Watch, history, train

SMALL: dict[str, Any] = {"epochs": 3, "batch": 32}
WITH_DROPOUT: dict[str, Any] = {**SMALL, "dropout": 0.3, "optimiser": "adam", "rate": 0.003, "shift": 1, "lookahead": 5}


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.directory / "weights.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train("digits-mlp", out=tmp_path_factory.mktemp("run") / "digits")


def test_it_learns_and_says_how_well(run: Run) -> None:
    result = run.record["result"]
    assert run.finished and not run.check() and result["epochs"] == RECIPES["digits-mlp"].epochs
    assert result["best"]["test_accuracy"] > 0.88 and result["validation_accuracy"] > 0.94
    epochs = history(run)
    assert [epoch.epoch for epoch in epochs] == list(range(1, 21))
    assert epochs[result["best_epoch"] - 1].validation_accuracy == result["validation_accuracy"]
    assert max(epoch.validation_accuracy or 0 for epoch in epochs) == result["validation_accuracy"]
    assert epochs[-1].loss < epochs[0].loss / 10


def test_it_is_a_model_that_others_take(run: Run) -> None:
    model, data = hw.load_model(run.directory), load("digits:test")
    with torch.no_grad():
        right = sum(
            int(model.outputs(model.encode(picture)).argmax()) == label for picture, label in zip(data.pictures, data.labels, strict=True)
        )
    assert right / len(data) == pytest.approx(run.record["result"]["best"]["test_accuracy"])
    assert model.card.scores[0]["value"] == pytest.approx(right / len(data))
    found = hw.audit(model, data.pictures[:20], data.labels[:20], eps=0.1, sentinels=0)
    assert found.robust_accuracy < found.clean_accuracy


def test_the_same_seed_is_the_same_network_and_another_is_another(tmp_path: Path) -> None:
    one, two, other = (train("digits-mlp", out=tmp_path / name, seed=seed, **WITH_DROPOUT) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert same(weights(one), weights(two)) and not same(weights(one), weights(other))


SIDE_8: dict[str, Any] = {"data": "digits", "side": 8, "subset": 600, "epochs": 2, "batch": 32}
CNN: dict[str, Any] = {"data": "digits-28", "subset": 600, "validation": 100, "epochs": 2, "batch": 32}
CUTS: list[tuple[str, dict[str, Any], int]] = [
    *(("digits-mlp", WITH_DROPOUT, stop) for stop in (1, 7, 40, 60, 100)),
    ("mnist-cnn", CNN | {"momentum": 0.9}, 20),
    ("mnist-cnn", CNN | {"optimiser": "adam", "rate": 0.001, "lookahead": 3}, 20),
    ("mnist-conv-autoencoder", SIDE_8, 25),
    ("mnist-dcgan", SIDE_8 | {"widths": (16, 8)}, 25),
    ("mnist-wgan", SIDE_8 | {"widths": (16, 8), "batch": 50}, 20),
    ("digits-vae", {"subset": 600, "epochs": 2, "batch": 32}, 25),
]


@pytest.mark.parametrize(("recipe", "settings", "stop"), CUTS)
def test_stopped_anywhere_and_resumed_it_is_the_same_to_the_bit(recipe: str, settings: dict[str, Any], stop: int, tmp_path: Path) -> None:
    whole = train(recipe, out=tmp_path / "whole", **settings)

    class Stopped(Exception):
        pass

    def stopping(done: int, total: int) -> None:
        if done >= stop:
            raise Stopped

    with pytest.raises(Stopped):
        train(recipe, out=tmp_path / "cut", saved=0, watch=Watch(step=stopping), **settings)
    assert not Run.open(tmp_path / "cut").finished
    went_on: list[int] = []
    resumed = train(recipe, out=tmp_path / "cut", resume=True, watch=Watch(step=lambda done, _: went_on.append(done)), **settings)
    assert went_on[0] > stop - 16 and went_on[0] > min(stop, 15)  # a group of 16 batches is the most that is done again
    assert same(weights(whole), weights(resumed))
    assert [(e.epoch, e.loss, e.accuracy) for e in history(whole)] == [(e.epoch, e.loss, e.accuracy) for e in history(resumed)]


def test_after_sigkill_it_goes_on_to_the_same_network(tmp_path: Path) -> None:
    settings = {**SMALL, "epochs": 60}
    line = f"from hoodwink.training.run import train; train('digits-mlp', out={str(tmp_path / 'cut')!r}, saved=0, **{settings!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", "import torch; torch.set_num_threads(1); " + line], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    while process.poll() is None and not (tmp_path / "cut" / STATE).is_file():
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert not Run.open(tmp_path / "cut").finished
        resumed = train("digits-mlp", out=tmp_path / "cut", resume=True, **settings)
        assert same(weights(resumed), weights(train("digits-mlp", out=tmp_path / "whole", **settings)))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("recipe", "more"),
    [
        ("digits-mlp", {"batch": 32}),
        ("digits-mlp", {"batch": 99}),  # the last batch has 1,140 - 11 x 99 = 51 pictures: the processes have 26 and 25
        (
            "mnist-autoencoder",
            {"data": "digits", "side": 8, "code": 8, "batch": 359},
        ),  # the last of 1,437 stands alone: one process has none
        ("digits-vae", {"subset": 100, "batch": 33}),  # and so does that of 100; each process draws codes of its own
    ],
)
def test_two_processes_are_one(tmp_path: Path, recipe: str, more: dict[str, Any]) -> None:
    settings = {**SMALL, "keep": "last", "rate": 0.05 if recipe == "digits-mlp" else 0.001, "input": "unit", **more}
    alone = train(recipe, out=tmp_path / "alone", **settings)
    line = f"from hoodwink.training.run import train; train({recipe!r}, out={str(tmp_path / 'both')!r}, **{settings!r})"
    ranks = []
    for rank in range(2):
        own = {
            "RANK": str(rank),
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(29500 + os.getpid() % 2000),
            "OMP_NUM_THREADS": "1",
        }
        ranks.append(subprocess.Popen([sys.executable, "-c", line], env={**os.environ, **own}))
    assert [process.wait(timeout=120) for process in ranks] == [0, 0]
    both, near = weights(Run.open(tmp_path / "both")), 0.025 if recipe == "digits-vae" else 1e-5
    assert all(torch.allclose(value, both[name], atol=near) for name, value in weights(alone).items())
    alone_means, both_means = ([(e.loss, e.accuracy or 0) for e in history(Run.open(tmp_path / name))] for name in ("alone", "both"))
    assert torch.allclose(torch.tensor(alone_means), torch.tensor(both_means), atol=near)


def test_a_loss_that_is_no_number_stops_with_the_step_and_the_last_good_state(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"^the loss of step \d+ of epoch [12] is (nan|inf); .*--set rate=1e\+?2"):
        train("digits-mlp", out=tmp_path / "run", rate=1e30, saved=0, epochs=2)
    assert not Run.open(tmp_path / "run").finished


def test_weights_that_are_no_numbers_at_the_very_end_are_found_too(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"^the loss of 360 examples that are judged is nan; no good state is left; .*--set rate="):
        train("digits-vae", out=tmp_path / "run", rate=1000, epochs=1, subset=30, batch=30)


def test_patience_ends_it_and_the_best_epoch_is_kept(tmp_path: Path) -> None:
    run = train("digits-mlp", out=tmp_path / "run", epochs=60, patience=3, least=0.01)
    epochs, result = history(run), run.record["result"]
    assert len(epochs) == result["epochs"] < 60
    losses = [epoch.validation_loss or 0.0 for epoch in epochs]
    stale = [later > before - 0.01 for before, later in pairwise(losses)]
    assert stale[-3:] == [True] * 3 and not any(all(stale[k : k + 3]) for k in range(len(stale) - 3))


def test_a_subset_is_balanced_and_smaller(tmp_path: Path) -> None:
    seen: list[int] = []
    train("digits-mlp", out=tmp_path / "run", subset=200, epochs=1, batch=10, watch=Watch(step=lambda done, total: seen.append(total)))
    assert set(seen) == {20}


def test_what_is_wrong_is_said(tmp_path: Path, run: Run) -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'digit-mlp'; there are digits-mlp"):
        train("digit-mlp", out=tmp_path / "x")
    with pytest.raises(RecipeError, match=r"has no setting 'rates'; it has, for example, rate"):
        train("digits-mlp", out=tmp_path / "x", rates=1)
    with pytest.raises(RecipeError, match=r"validation: fewer than \d+ examples"):
        train("digits-mlp", out=tmp_path / "x", validation=10_000)
    with pytest.raises(RunError, match=r"a run of other settings is there \(rate\); leave the settings out, or train anew with --out DIR"):
        train("digits-mlp", out=run.directory, rate=0.5, resume=True)
    with pytest.raises(RunError, match="an empty folder was wanted"):
        train("digits-mlp", out=run.directory)
    assert not (tmp_path / "x").exists()
    broken = tmp_path / "broken"
    Run.create(broken, {"settings": json.loads(json.dumps(find_recipe("digits-mlp").to_json()))})
    (broken / "state").mkdir()
    (broken / STATE).write_bytes(b"nothing")
    with pytest.raises(RunError, match="the state of a training was wanted"):
        train("digits-mlp", out=broken, resume=True)


def _few(path: Path, classes: str = "ab", side: int = 28, count: int = 10) -> Path:
    """A folder of grey pictures, so many of each class."""
    for split in ("train", "test"):
        for label in classes:
            (path / split / label).mkdir(parents=True, exist_ok=True)
            for k in range(count):
                levels = np.random.default_rng(k + 100 * ord(label)).integers(0, 256, (side, side), dtype=np.uint8)
                Image.fromarray(levels).save(path / split / label / f"{k}.png")
    return path


@pytest.mark.parametrize(
    ("recipe", "settings", "message"),
    [
        (
            "digits-vae",
            {"data": "digits-28"},
            "vae: the pictures of digits-28 are 28 x 28 x 1 .* for channels=1, side=8; type --set side=28$",
        ),
        ("digits-vae", {"side": 9}, "type --set side=8$"),
        ("digits-vae", {"channels": 3}, "type --set channels=1$"),
        ("digits-gan", {"side": 16}, "type --set side=8$"),
        ("mnist-gan", {"data": "digits"}, "type --set side=8$"),
        ("digits-mlp", {"data": "digits-28"}, "it is built for inputs=64; type --set inputs=784$"),
        ("digits-mlp", {"data": "digits-32"}, "type --set inputs=3072$"),
        ("mnist-vae", {"data": "FEW"}, "the pictures of .*few are 28 x 28 x 3 .*; type --set channels=3$"),
        ("cifar-fast", {"data": "digits-28"}, "fast: pictures 28 x 28 x 1 .* of digits-28 do not fit .*; name others with --set data="),
        ("mnist-conv-autoencoder", {"data": "digits-28", "side": 24}, "type --set side=28$"),
        ("digits-mlp", {"crop": 9}, "a crop of less than the picture's 8 pixels was wanted"),
        ("digits-mlp", {"subset": 7}, "subset: a total that is a multiple of 10 classes was wanted, not 7; type 10; 0 takes all$"),
        ("digits-mlp", {"subset": 100_000}, "subset: .* type a total of at most 1090; 0 takes all$"),
        ("digits-mlp", {"data": "FEW", "validation": 0, "subset": 501}, "not 501; type 20; 0 takes all$"),
        ("digits-mlp", {"data": "digits:train"}, "data: a name or folder without a split was wanted, .* type --set data=digits$"),
        ("digits-mlp", {"data": "FEW:test"}, "without a split was wanted, .* type --set data=.*few$"),
        ("digits-mlp", {"split": "valid"}, "has no split 'valid'; .* type --set split= --set validation=N$"),
        ("digits-mlp", {"data": "FEW", "split": "valid"}, "says what 'valid' is, .* type --set split= --set validation=N$"),
    ],
)
def test_what_does_not_fit_the_data_is_said_and_what_is_there_stays(
    recipe: str, settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    if "FEW" in settings.get("data", ""):
        settings = {**settings, "data": settings["data"].replace("FEW", str(_few(tmp_path / "few")))}
    before = Run.create(tmp_path / "run", {})
    before.finish()
    with pytest.raises(RecipeError, match=message):
        train(recipe, out=tmp_path / "run", force=True, **settings)
    assert before.finished and not before.check()


def test_pictures_of_another_size_in_the_test_are_found_at_the_start(tmp_path: Path) -> None:
    data = _few(tmp_path / "few", side=8)
    shutil.rmtree(data / "test")
    shutil.copytree(_few(tmp_path / "large", side=9) / "test", data / "test")
    with pytest.raises(DataError, match="few:test: pictures 8 x 8, as in .*few:train, were wanted, these are 9 x 9"):
        train("digits-mlp", out=tmp_path / "run", data=str(data), inputs=192, validation=0)


def test_that_a_folder_is_taken_is_said_before_the_work(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("hoodwink.training.run.gather")
    with pytest.raises(RunError, match="an empty folder was wanted"):
        train("digits-mlp", out=run.directory)
    with pytest.raises(RunError, match="the model of this run lies there"):
        train("cifar-transfer", out=run.directory, backbone=str(run.directory), force=True)


def test_with_other_pictures_it_does_not_go_on(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"data": str(_few(tmp_path / "few", side=8)), "inputs": 192, "validation": 0, "epochs": 1}

    class Stopped(Exception):
        pass

    def stopping(done: int, total: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        train("digits-mlp", out=tmp_path / "run", watch=Watch(step=stopping), **settings)
    one, other = tmp_path / "few/train/a/0.png", tmp_path / "few/train/b/0.png"
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    with pytest.raises(RunError, match=r"run: other data, .*few, than at its start is there now; train anew with --out DIR"):
        train("digits-mlp", out=tmp_path / "run", resume=True, **settings)
    one.write_bytes(kept)
    assert train("digits-mlp", out=tmp_path / "run", resume=True, **settings).finished


def test_a_finished_run_is_not_done_again(run: Run) -> None:
    def never(training: Training | int, *rest: Any) -> None:
        raise AssertionError

    assert same(weights(train("digits-mlp", out=run.directory, resume=True, watch=Watch(step=never))), weights(run))


def test_its_score_is_judged_again(run: Run, tmp_path: Path) -> None:
    from hoodwink.evidence.verify import verify

    found = verify(run.directory)
    assert found.holds and found.checks[0].kind == "score"
    moved = tmp_path / "moved"
    shutil.copytree(run.directory, moved)
    assert verify(moved).holds
    record = json.loads((moved / "run.json").read_text())
    record["claims"][0]["values"]["accuracy"] += 0.02
    (moved / "run.json").write_text(json.dumps(record))
    (check,) = verify(moved).checks
    assert check.status == "does not hold" and "was claimed" in check.why
    record["claims"][0]["values"]["sha256"] = "0"
    (moved / "run.json").write_text(json.dumps(record))
    assert verify(moved).checks[0].status == "cannot be checked"


def test_an_unfinished_run_is_a_model_already(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stopping(done: int, total: int) -> None:
        if done > 40:
            raise Stopped

    with pytest.raises(Stopped):
        train("digits-mlp", out=tmp_path / "run", saved=0, watch=Watch(step=stopping), **SMALL)
    assert hw.load_model(tmp_path / "run").card.scores == ()


def test_a_device_that_is_not_there_and_a_change_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="^device 'xpu:7' cannot be used .*'cpu' always can"):
        train("digits-mlp", out=tmp_path / "run", device="xpu:7")
    with pytest.raises(RecipeError, match="^a crop of less than the picture's 8 pixels was wanted, not 9"):
        train("digits-mlp", out=tmp_path / "run", crop=9)
    assert not (tmp_path / "run").exists()
