from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from hoodwink import runs

from .conftest import COLOURS, TINY, Paint, Run


@pytest.fixture
def fooled(run: Run, paint: Paint) -> str:
    """The folder of a finished run."""
    assert run("fool", paint(), "--as", "green", "--steps", "40", *TINY).exit_code == 0
    return "hoodwink-out"


def test_a_claim_holds(run: Run, fooled: str) -> None:
    result = run("verify", fooled, "--trust-code")
    assert result.exit_code == 0
    assert result.stdout.startswith("hoodwink-out\n  holds  fooled.png by colours: read as green with confidence 0.9")
    assert result.stderr == ""


def test_code_is_run_only_if_it_is_trusted(run: Run, fooled: str) -> None:
    result = run("verify", fooled)
    assert result.exit_code == 2
    assert "cannot be checked" in result.stdout
    assert "--trust-code" in result.stdout


def test_a_network_may_be_given(run: Run, fooled: str) -> None:
    assert run("verify", fooled, *TINY).exit_code == 0
    other = run("verify", fooled, "--model", "python:tiny_nets:others")
    assert other.exit_code == 2
    assert "other weights" in other.stdout
    two = run("verify", fooled, "--model", COLOURS, "--model", COLOURS)
    assert two.exit_code == 2
    assert "--model once" in two.stderr


def test_a_claim_that_does_not_hold(run: Run, fooled: str) -> None:
    Image.open(f"{fooled}/original.png").save(f"{fooled}/fooled.png")
    result = run("verify", fooled, "--trust-code")
    assert result.exit_code == 1
    assert "does not hold  fooled.png" in result.stdout


def test_what_cannot_be_checked_goes_before_what_does_not_hold(run: Run, fooled: str, paint: Paint) -> None:
    assert run("fool", "red.png", "--as", "blue", "--steps", "40", "--out", "second", *TINY).exit_code == 0
    Image.open(f"{fooled}/original.png").save(f"{fooled}/fooled.png")
    os.unlink("second/manifest.json")
    result = run("verify", fooled, "second", "absent", "--trust-code", "--json")
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert not document["holds"]
    assert [(one["directory"], one["holds"]) for one in document["runs"]] == [(fooled, False)]
    assert [error["file"] for error in document["errors"]] == ["second", "absent"]
    assert all(line.startswith(("error: second: the run is unfinished", "error: absent: ")) for line in result.stderr.splitlines())


def test_a_folder_of_runs(run: Run, paint: Paint) -> None:
    paint("in/a.png")
    paint("in/b.png")
    assert run("fool", "in", "--as", "green", "--steps", "40", *TINY).exit_code == 0
    result = run("verify", "hoodwink-out", "--trust-code", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["holds"]
    Path("hoodwink-out/b/manifest.json").unlink()
    assert run("verify", "hoodwink-out", "--trust-code").exit_code == 2


def test_a_run_without_a_claim_is_nothing_to_judge(run: Run, paint: Paint) -> None:
    assert run("fool", paint(), "--as", "green", "--model", "python:tiny_nets:constant").exit_code == 1
    result = run("verify", "hoodwink-out", "--trust-code")
    assert result.exit_code == 2
    assert "nothing to judge" in result.stdout


def test_other_versions_are_noted(run: Run, fooled: str) -> None:
    record = runs.read_json(f"{fooled}/run.json")
    record["versions"]["numpy"] = "0.0.1"
    runs.write_json(f"{fooled}/run.json", record)
    result = run("verify", fooled, "--trust-code")
    assert result.exit_code == 0
    assert "0.0.1 in the record" in result.stdout
    assert "run.json is missing or was changed" in result.stdout


def test_a_folder_is_wanted(run: Run) -> None:
    result = run("verify")
    assert result.exit_code == 2
    assert result.stderr == "error: Missing argument 'DIR...'; type hoodwink verify --help\n"
