"""The verbs on networks that read or write texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hoodwink.models.model import Model
from hoodwink.models.sample import sample_texts

from .conftest import TINY, Run

NAMES = ("--set", "data=made-names", "--set", "validation=60", "--set", "hidden=24", "--set", "rate=0.01", "--epochs", "2")
WRITER = ("--set", "data=made-tweets", "--set", "validation=40", "--set", "hidden=24", "--epochs", "1")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A network that reads names, and one that writes."""
    from hoodwink.training.run import train

    folder = tmp_path_factory.mktemp("models")
    small = {"data": "made-names", "validation": 60, "hidden": 24, "rate": 0.01, "epochs": 2}
    train("names-lstm", out=folder / "names", **small)
    train("text-generator", out=folder / "writer", data="made-tweets", validation=40, hidden=24, epochs=1)
    return folder / "names", folder / "writer"


def test_training_on_texts_says_what_to_do_next(run: Run) -> None:
    result = run("train", "names-lstm", *NAMES, "--out", "names")
    assert result.exit_code == 0 and "type hoodwink audit names made-names:test --changes 1" in result.stderr
    result = run("train", "text-generator", *WRITER, "--out", "writer")
    assert "perplexity on the test set" in result.stdout and "type hoodwink sample writer" in result.stderr


def test_look_at_a_text_and_at_its_file(run: Run, folders: tuple[Path, Path]) -> None:
    Path("name.txt").write_text("Kamoto\n")
    result = run("look", "--text", "Kam\u00f3to", "name.txt", "--model", folders[0], "-k", "2", "--json")
    assert result.exit_code == 0
    one, other = json.loads(result.stdout)["texts"]
    assert one["verdicts"][0]["label"] == other["verdicts"][0]["label"] == "Chinto"
    assert one["verdicts"][0]["notes"] == ["read as 'Kamoto'"] and other["file"] == "name.txt"
    assert run("look", "--text", "Kamoto", "--model", folders[0]).stdout.splitlines()[0] == "'Kamoto'  as names-lstm sees it"


def test_fool_a_text_and_verify_it(run: Run, folders: tuple[Path, Path]) -> None:
    result = run("fool", "--text", "Kamoto", "--untargeted", "--model", folders[0], "--out", "out", "--json")
    (found,) = json.loads(result.stdout)["texts"]
    assert result.exit_code == 0 and found["fooled"] and found["minimal"] and Path("out/fooled.txt").read_text() == found["text"] + "\n"
    assert run("verify", "out").exit_code == 0
    shown = run("fool", "--text", "Kamoto", "--as", "Belsk", "--model", folders[0], "--out", "other")
    assert "fewer cannot do it" in shown.stdout or "not fooled" in shown.stdout
    both = run("fool", "--text", "Kamoto", "--text", "Chida", "--untargeted", "--model", folders[0], "--out", "both")
    assert both.exit_code == 0 and sorted(path.name for path in Path("both").iterdir()) == ["Chida", "Kamoto"]
    again = run("fool", "--text", "Kamoto", "--untargeted", "--model", folders[0], "--out", "out")
    assert again.exit_code == 2 and "type --force" in again.stderr


def test_a_text_that_cannot_be_fooled_leaves_the_best(run: Run, folders: tuple[Path, Path]) -> None:
    words = ("--as", "Belsk", "--confidence", "0.9999999", "--most", "1")
    result = run("fool", "--text", "Kamoto", *words, "--model", folders[0], "--out", "out")
    assert result.exit_code == 1 and "not fooled with 1 change" in result.stdout and Path("out/not-fooled.txt").is_file()


def test_audit_of_texts(run: Run, folders: tuple[Path, Path]) -> None:
    line = ("audit", folders[0], "made-names", "--changes", "1", "--limit", "12", "--out", "out")
    result = run(*line, "--fail-under", "1")
    assert result.exit_code == 1 and "FAILS" in result.stdout and "exact" in result.stdout
    found = json.loads(run(*line, "--resume", "--json").stdout)
    assert [row["changes"] for row in found["table"]] == [0, 1] and found["table"][1]["standing"] == found["table"][1]["proven"]
    assert run("verify", "out").exit_code == 0


def test_samples(run: Run, folders: tuple[Path, Path]) -> None:
    result = run("sample", folders[1], "-n", "3", "--seed", "4", "--temperature", "0.7", "--start", "my ", "--longest", "40", "--json")
    from hoodwink.models.load import load_model

    model: Model = load_model(folders[1])
    assert json.loads(result.stdout)["texts"] == sample_texts(model, 3, temperature=0.7, seed=4, start="my ", longest=40)
    assert all(text.startswith("my ") for text in json.loads(result.stdout)["texts"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("look", "--text", "x", *TINY), "colours sees pictures, not texts"),
        (("look", "--model", "NAMES"), "names-lstm reads texts, not pictures; type --text"),
        (("fool", "--untargeted", "cat.png", "--model", "NAMES"), "reads texts, not pictures"),
        (("fool", "--text", "x", "--untargeted", *TINY), "colours sees pictures, not texts"),
        (("fool", "--text", "x", "--model", "NAMES"), "either --as CLASS, or --untargeted"),
        (("fool", "--text", "x", "--as", "Klingon", "--model", "NAMES"), "there is no class 'Klingon'"),
        (("sample", "NAMES"), "a network to generate was wanted, this one is to classify; look, fool and audit take it"),
        (
            ("look", "--text", "x", "--model", "WRITER"),
            "a network to classify was wanted, this one is to generate; hoodwink sample takes it",
        ),
        (("audit", "NAMES", "made-names", "--eps", "1/255"), "reads texts, not pictures"),
        (("audit", "NAMES", "made-names"), "--eps 8/255, or, for a network of texts, --changes 1"),
        (("audit", "NAMES", "made-names", "--changes", "1", "--shard", "1/2"), "--shard: asked of pictures only; leave it out"),
        (("audit", "NAMES", "nowhere", "--changes", "1"), "there is no file or set of texts 'nowhere'"),
        (("audit", TINY[1], "made-names", "--changes", "1"), "sees pictures, not texts"),
        (("attack", "fgsm", "cat.png", "--model", "NAMES", "--eps", "1/255"), "reads texts, not pictures"),
    ],
)
def test_what_does_not_fit_is_one_line(run: Run, folders: tuple[Path, Path], words: tuple[str, ...], said: str) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save("cat.png")
    names = {"NAMES": str(folders[0]), "WRITER": str(folders[1])}
    result = run(*(names.get(word, word) for word in words))
    assert result.exit_code == 2 and said in result.stderr and result.stderr.count("error:") == 1
