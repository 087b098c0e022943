from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from .conftest import TINY, Paint, Run

PASS = (100, 190, 100)


@pytest.fixture
def hand_ins(paint: Paint) -> str:
    """A folder of three hand-ins: one passes, one is the original, one cannot be read."""
    for name in ("ada", "bob", "cy"):
        paint(f"class/{name}.png")
    paint("class/ada-fooled.png", PASS)
    paint("class/bob-fooled.png")
    Path("class/cy-fooled.png").write_bytes(b"")
    return "class"


def test_pairs_that_pass(run: Run, paint: Paint) -> None:
    result = run("grade", paint("a.png"), paint("b.png", PASS), paint("c.png"), paint("d.png", PASS), "--as", "green", *TINY)
    assert result.exit_code == 0
    assert result.stdout.startswith("2 of 2 pass  as green, 0.9 or more, by colours\n")
    assert [line.split()[:2] for line in result.stdout.splitlines()[2:]] == [["pass", "b"], ["pass", "d"]]


def test_one_that_fails(run: Run, paint: Paint) -> None:
    result = run("grade", paint("a.png"), paint("b.png"), "--as", "green", *TINY)
    assert result.exit_code == 1
    assert "FAIL  b" in result.stdout
    assert "read as red, not as green" in result.stdout
    assert result.stderr == ""


def test_one_that_cannot_be_read_goes_before_one_that_fails(run: Run, hand_ins: str) -> None:
    result = run("grade", hand_ins, "--as", "green", "--json", *TINY)
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert {one["name"]: one["passed"] for one in document["grades"]} == {"ada": True, "bob": False, "cy": False}
    assert document["passed"] == 1
    assert result.stderr == "error: class/cy-fooled.png: a picture was wanted, the file is empty\n"


def test_the_table_as_csv_and_as_a_page(run: Run, hand_ins: str) -> None:
    line = ("grade", hand_ins, "--as", "green", "--csv", "grades.csv", "--html", "grades.html", *TINY)
    assert run(*line).exit_code == 2
    with open("grades.csv", newline="") as file:
        assert [row["passed"] for row in csv.DictReader(file)] == ["yes", "no", "no"]
    assert "<table" in Path("grades.html").read_text(encoding="utf-8")
    refused = run(*line)
    assert refused.exit_code == 2
    assert "grades.csv: there is such a file" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert "of 3 pass" in run(*line, "--force").stdout


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("a.png", "b.png", "c.png"), "pairs were wanted"),
        (("absent",), "absent: a folder of hand-ins was wanted"),
        (("a.png", "b.png", "--csv", "no/such/grades.csv"), "no/such/grades.csv"),
        (("a.png", "b.png", "--model", "python:tiny_nets:others"), "one network was wanted"),
        (("a.png", "b.png", "--confidence", "2"), "--confidence"),
        (("a.png", "b.png", "--confidence", "nan"), "--confidence"),
    ],
)
def test_bad_usage(run: Run, paint: Paint, words: tuple[str, ...], part: str) -> None:
    for name in "abc":
        paint(f"{name}.png")
    result = run("grade", *words, "--as", "green", *TINY)
    assert result.exit_code == 2
    assert part in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_missing_files_cannot_be_judged(run: Run) -> None:
    result = run("grade", "a.png", "b.png", "--as", "green", *TINY)
    assert result.exit_code == 2
    assert "a.png: cannot be read" in result.stderr
