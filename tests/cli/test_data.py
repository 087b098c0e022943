from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hoodwink.cli import main
from hoodwink.cli.data import NOT_HERE, WAYS, fetching
from hoodwink.cli.talk import Talk
from hoodwink.data.table import DIGITS, MNIST
from hoodwink.data.texts import ROWS

from .conftest import Paint, Run


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(main.VERBS, "data", ("hoodwink.cli.data", "List data sets."))
    monkeypatch.setenv("HOODWINK_OFFLINE", "1")
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HOODWINK_DATA", raising=False)


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the digits, as they are kept."""
    found = pytest.importorskip("sklearn", reason="scikit-learn is not installed").__file__
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "digits.csv.gz").write_bytes((Path(found).parent / "datasets" / "data" / "digits.csv.gz").read_bytes())
    monkeypatch.setenv("HOODWINK_DATA", str(folder))
    return folder


def test_list_names_every_set_and_every_way(run: Run) -> None:
    result = run("data", "list")
    assert result.exit_code == 0 and result.stderr == ""
    for part in (*ROWS, *WAYS, "60,000 train + 10,000 test", "28 x 28 grey", NOT_HERE):
        assert part in result.stdout
    document = json.loads(run("data", "list", "--json").stdout)
    assert document["ways"] == WAYS and list(document["sets"]) == list(ROWS)
    assert document["sets"]["cifar10"] == {"counts": {"train": 50_000, "test": 10_000}, "where": None}


def test_show_a_card(run: Run) -> None:
    result = run("data", "show", "mnist")
    assert result.exit_code == 0
    for part in ("mnist", MNIST.card.source, "none stated", "28 x 28 grey", "type: hoodwink data get mnist", MNIST.card.files[0].sha256):
        assert part in result.stdout
    document = json.loads(run("data", "show", "mnist", "--json").stdout)
    assert document == json.loads(json.dumps(MNIST.card.to_json())) | {"where": None}


def test_show_a_set_that_nothing_fetches(run: Run) -> None:
    result = run("data", "show", "dogs")
    assert result.exit_code == 0 and "for study only, not to be published" in result.stdout
    assert f"{NOT_HERE}; nothing fetches it: put dogs64.zip into a folder dogs of the one that HOODWINK_DATA names" in result.stdout


def test_show_a_folder(run: Run, paint: Paint) -> None:
    for name in ("pets/cat/a.png", "pets/cat/b.png", "pets/dog/a.png"):
        paint(name)
    Path("pets/dog/bad.png").write_text("text")
    result = run("data", "show", "pets")
    assert result.exit_code == 0
    for part in ("pets", "3, 12 x 16 colour", "cat (2), dog (1)", "unreadable", "dog/bad.png: "):
        assert part in result.stdout
    document = json.loads(run("data", "show", "pets", "--json").stdout)
    assert document["classes"] == {"cat": 2, "dog": 1} and document["broken"][0]["file"] == "dog/bad.png" and len(document["sha256"]) == 64
    paint("flat/a.png")
    paint("flat/b.png", size=(9, 9))
    result = run("data", "show", "flat")
    assert "of several sizes" in result.stdout and "no labels" in result.stdout and "unreadable" not in result.stdout


def test_get_converts_keeps_and_verifies(run: Run, digits: Path, tmp_path: Path) -> None:
    result = run("data", "get", "digits")
    assert result.exit_code == 0 and result.stderr == ""
    for part in (
        f"from        {digits}",
        f"kept in     {tmp_path / 'cache' / 'data' / 'digits'}",
        "seconds",
        f"{DIGITS.card.files[0].sha256}, verified",
    ):
        assert part in result.stdout
    document = json.loads(run("data", "get", "digits", "--json").stdout)
    assert document["from"] == "the cache" and document["files"] == {"digits.csv": DIGITS.card.files[0].sha256} and document["tried"] == []


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (
            ("get", "mnits"),
            "there is no data set 'mnits'; the data sets are cifar10, mnist, fashion-mnist, digits, dogs, digits-28, digits-32, digits-64, names, tweets, made-names, made-tweets; did you mean mnist?",
        ),
        (("get", "cifar10"), "not asked, HOODWINK_OFFLINE is set"),
        (("get",), "Missing argument 'NAME'"),
        (("show", "nowhere"), "there is no folder or data set 'nowhere'"),
        (("lst",), "the nearest is 'list'; type hoodwink data --help"),
    ],
)
def test_errors_are_one_line(run: Run, words: tuple[str, ...], part: str) -> None:
    result = run("data", *words)
    assert result.exit_code == 2 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1 and part in result.stderr


def test_a_bad_file_is_one_line(run: Run, digits: Path) -> None:
    (digits / "digits.csv").write_bytes(b"1,2,3\n")
    result = run("data", "get", "digits")
    assert result.exit_code == 2
    assert result.stderr == f"error: {digits}: digits.csv: 264712 bytes were wanted, it has 6: it is cut short\n"


@pytest.mark.parametrize("words", [(), ("list",), ("show",), ("get",)])
def test_help_has_an_example(run: Run, words: tuple[str, ...]) -> None:
    result = run("data", *words, *(["--help"] if words else []))
    assert result.exit_code == 0 and "Example:\n    hoodwink data " in result.stdout


def test_the_module_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, hoodwink.cli.data; print(*{'torch', 'numpy', 'PIL'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "\n", "")


def test_what_is_fetched_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with fetching(Talk(), "tiny") as (tell, progress):
        tell("tiny: asking npm")
        assert progress is None
    assert capsys.readouterr().err == "tiny: asking npm\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with fetching(Talk(), "tiny") as (tell, progress):
        tell("tiny: asking npm")
        assert progress is not None
        progress(2_000_000, 0)
        progress(2_000_000, 9_000_000)
