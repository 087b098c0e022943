"""The verbs on networks that make pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hoodwink as hw
from hoodwink.models.card import ModelError
from hoodwink.models.sample import sample_pictures

from .conftest import COLOURS, Run

SMALL = ("--epochs", "1", "--set", "batch=200")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator, a variational autoencoder and a classifier of the same digits."""
    from hoodwink.training.run import train

    folder = tmp_path_factory.mktemp("models")
    train("digits-gan", out=folder / "digits-gan", epochs=1, batch=200)
    train("digits-vae", out=folder / "digits-vae", epochs=15, batch=32)
    train("digits-mlp", out=folder / "digits-mlp", epochs=3)
    return folder


def test_a_training_says_what_to_do_next(run: Run) -> None:
    result = run("train", "digits-gan", *SMALL, "--out", "gan")
    assert result.exit_code == 0 and "generator" in result.stderr and "type hoodwink sample gan" in result.stderr
    assert "training.gif" in result.stdout and "accuracy" not in result.stdout
    result = run("train", "digits-vae", *SMALL, "--out", "vae")
    assert "nats on the test set" in result.stdout and "type hoodwink sample vae" in result.stderr
    result = run("train", "mnist-autoencoder", *SMALL, "--set", "data=digits", "--set", "side=8", "--out", "plain")
    assert "squared error on the test set" in result.stdout and "hoodwink model join plain CLASSIFIER" in result.stderr
    assert run("recipes", "mnist-wgan").exit_code == 0


@pytest.mark.parametrize("name", ["digits-gan", "digits-vae"])
def test_samples_are_files_that_are_made_again(run: Run, folders: Path, name: str) -> None:
    result = run("sample", folders / name, "-n", "5", "--seed", "3", "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["count"] == 5
    files = sorted(Path("hoodwink-samples/pictures").iterdir())
    assert [path.name for path in files] == [f"{k}.png" for k in range(1, 6)]
    wanted = sample_pictures(hw.load_model(folders / name), 5, seed=3)
    for path, levels in zip(files, wanted, strict=True):
        assert np.array_equal(np.asarray(Image.open(path)), levels[:, :, 0])
    result = run("verify", "hoodwink-samples")
    assert result.exit_code == 0 and "makes these 5 pictures of the noise of seed 3" in result.stdout
    again = run("sample", folders / name, "-n", "5")
    assert again.exit_code == 2 and "an empty folder was wanted" in again.stderr
    assert run("sample", folders / name, "-n", "5", "--force").exit_code == 0


def test_a_changed_sheet_does_not_hold(run: Run, folders: Path) -> None:
    run("sample", folders / "digits-gan", "--out", "samples")
    sheet = Path("samples/samples.png")
    levels = np.asarray(Image.open(sheet)).copy()
    assert levels.shape == (32, 32)
    levels[3, 4] ^= 128
    Image.fromarray(levels).save(sheet)
    result = run("verify", "samples")
    assert result.exit_code == 1 and "other pictures: by up to 128 levels" in result.stdout
    Image.fromarray(levels[:16]).save(sheet)
    assert "another sheet: 16 pictures fill 32 x 32 pixels" in run("verify", "samples").stdout
    sheet.unlink()
    assert "samples.png is not in the folder" in run("verify", "samples").stdout


def test_a_changed_picture_does_not_hold(run: Run, folders: Path) -> None:
    run("sample", folders / "digits-gan", "-n", "10", "--out", "samples")
    first, second = Path("samples/pictures/01.png"), Path("samples/pictures/02.png")
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    result = run("verify", "samples")
    assert result.exit_code == 1 and "another picture, pictures/01.png: by up to" in result.stdout
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(first)
    assert "another picture, pictures/01.png: one of the network fills 8 x 8 pixels" in run("verify", "samples").stdout
    first.unlink()
    result = run("verify", "samples")
    assert result.exit_code == 2 and "pictures/01.png is not in the folder" in result.stdout
    first.write_bytes(kept)
    assert run("verify", "samples").exit_code == 0


def test_a_claim_of_the_sheet_alone_is_judged_by_the_sheet(run: Run, folders: Path) -> None:
    run("sample", folders / "digits-gan", "--out", "samples")
    record = json.loads(Path("samples/run.json").read_text())
    assert record["claims"][0]["values"].pop("pictures") == "pictures"
    Path("samples/run.json").write_text(json.dumps(record))
    Path("samples/pictures/01.png").unlink()
    assert run("verify", "samples").exit_code == 0


def test_an_interrupted_sample_is_said(run: Run, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*rest: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("hoodwink.evidence.sampled.encode_png", interrupted)
        result = run("sample", folders / "digits-gan")
    assert result.exit_code == 130 and "interrupted; the same line with --force begins anew" in result.stderr
    assert run("sample", folders / "digits-gan", "--force").exit_code == 0


@pytest.mark.parametrize("ask", ["audit", "attack", "fool"])
def test_in_python_a_network_of_another_task_is_refused_too(ask: str, folders: Path) -> None:
    pictures = np.zeros((2, 8, 8, 1), np.uint8)
    model = hw.load_model(folders / "digits-vae")
    with pytest.raises(ModelError, match="a network to classify was wanted, this one is to reconstruct; hoodwink model join"):
        if ask == "audit":
            hw.audit(model, pictures, [0, 1], eps=0.1)
        elif ask == "attack":
            hw.attack("pgd", model, pictures, [0, 1], eps=0.1)
        else:
            hw.fool(pictures[0], target="3", model=model)


@pytest.mark.parametrize("count", ["0", '"many"', "null"])
def test_a_claim_changed_by_hand_is_said(run: Run, folders: Path, count: str) -> None:
    run("sample", folders / "digits-gan", "--out", "samples")
    record = json.loads(Path("samples/run.json").read_text())
    record["claims"][0]["values"]["count"] = json.loads(count)
    Path("samples/run.json").write_text(json.dumps(record))
    result = run("verify", "samples")
    assert result.exit_code == 2 and "run.json" in result.stderr


def test_a_classifier_behind_an_autoencoder(run: Run, folders: Path) -> None:
    result = run("model", "join", folders / "digits-vae", folders / "digits-mlp", "--out", "joined")
    assert result.exit_code == 0 and "type hoodwink look PICTURE --model joined" in result.stderr
    result = run("audit", "joined", "digits", "--eps", "0.2", "--limit", "5", "--sentinels", "0", "--out", "audit", "--json")
    assert result.exit_code == 0
    checked = run("verify", "audit")
    assert checked.exit_code == 0, checked.stdout + checked.stderr
    picture = Path("digit.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)).save(picture)
    assert run("look", picture, "--model", "joined").exit_code == 0
    assert run("model", "join", folders / "digits-vae", folders / "digits-mlp", "--out", "joined").exit_code == 2
    assert run("model", "show", "--model", "joined").exit_code == 0


def test_joining_spares_what_is_there(run: Run, folders: Path) -> None:
    parts = [folders / "digits-vae", folders / "digits-mlp"]
    run("sample", folders / "digits-gan", "-n", "1", "--out", "samples")
    Path("file").write_text("")
    for out, said in (
        (parts[0], "the model of this run lies there"),
        (parts[1], "the model of this run lies there"),
        (folders, "the model of this run lies there"),
        ("samples", "an empty folder, or a model's own, was wanted"),
        ("file", "a folder was wanted, this is a file"),
    ):
        result = run("model", "join", *parts, "--out", out, "--force")
        assert result.exit_code == 2 and said in result.stderr
    assert run("verify", parts[0], "samples").exit_code == 0
    Path("joined").mkdir()
    assert run("model", "join", *parts, "--out", "joined").exit_code == 0
    assert "type --force" in run("model", "join", *parts, "--out", "joined").stderr
    assert run("model", "join", *parts, "--out", "joined", "--force").exit_code == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("sample", COLOURS), "a network that makes pictures of noise was wanted, this one does not"),
        (("sample", "digits-gan", "--temperature", "2"), "--temperature is about texts, and digits-gan makes none; leave it out"),
        (("look", "x.png", "--model", "digits-gan"), "digits-gan takes noise, not pictures; hoodwink sample takes it"),
        (
            ("fool", "x.png", "--untargeted", "--model", "digits-vae"),
            "to classify was wanted, this one is to reconstruct; hoodwink model join puts",
        ),
        (("model", "join", "digits-mlp", "digits-mlp"), "a network to reconstruct was wanted, this one is to classify"),
        (("audit", "digits-gan", "digits", "--eps", "0.1"), "to classify was wanted, this one is to generate; hoodwink sample takes it"),
        (("audit", "digits-vae", "digits", "--eps", "0.1"), "to classify was wanted, this one is to reconstruct"),
        (("audit", "digits-mlp", "digits", "--eps", "0.1", "--transfer", "digits-vae"), "to classify was wanted"),
        (("attack", "pgd", "x.png", "--eps", "0.1", "--model", "digits-vae"), "to classify was wanted, this one is to reconstruct"),
        (("fool", "x.png", "--as", "3", "--model", "digits-vae"), "to classify was wanted, this one is to reconstruct"),
        (("grade", ".", "--as", "3", "--model", "digits-vae"), "to classify was wanted, this one is to reconstruct"),
        (("sample", "digits-gan", "-n", "100001"), "at most 100000 pictures were wanted, not 100001"),
        (("sample", "digits-gan", "--out", "digits-gan", "--force"), "the model of this run lies there"),
        (("audit", "digits-mlp", "digits", "--eps", "0.1", "--out", "digits-mlp", "--force"), "the model of this run lies there"),
        (("fool", "x.png", "--untargeted", "--model", "digits-mlp", "--out", "digits-mlp", "--force"), "the model of this run lies there"),
    ],
)
def test_what_does_not_fit_is_said(run: Run, folders: Path, line: tuple[str, ...], said: str) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("x.png")
    words = [folders / word if word.startswith("digits-") else word for word in line]
    result = run(*words)
    assert result.exit_code == 2 and said in result.stderr, result.stderr


def test_cards_of_networks_that_make_pictures_are_shown(run: Run, folders: Path) -> None:
    result = run("model", "show", "--model", folders / "digits-gan")
    assert result.exit_code == 0 and "100 numbers, evenly from [-1, 1]" in result.stdout and "for 100 numbers" in result.stdout
