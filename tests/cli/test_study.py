from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hoodwink.studies.table import STUDIES


def test_studies_are_listed(run: Any) -> None:
    listed = run("study", "list").stdout
    assert all(name in listed for name in STUDIES)
    document = json.loads(run("study", "list", "--json").stdout)
    assert [one["name"] for one in document["studies"]] == list(STUDIES)


def test_a_study_is_run_shown_and_reported(run: Any, tmp_path: Path) -> None:
    folder, page = str(tmp_path / "neuron"), tmp_path / "page.html"
    result = run("study", "run", "neuron", "--out", folder)
    assert result.exit_code == 0 and "-6.714" in result.stdout and "reached" in result.stdout and folder in result.stdout
    again = run("study", "run", "neuron", "--out", folder, "--json")
    assert json.loads(again.stdout)["studies"][0]["name"] == "neuron" and again.exit_code == 0
    reported = run("study", "report", folder, "--out", str(page))
    assert reported.exit_code == 0 and "1 study, 0 floors missed" in reported.stdout and "What does one neuron learn" in page.read_text()


def test_a_missed_floor_ends_with_1_and_is_said(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from hoodwink.studies import table
    from hoodwink.studies.record import Mark

    known = STUDIES["neuron"]
    hard = replace(known.lines[0], marks=(Mark(measure="w1", floor=9.0, reason="it is too much"),))
    monkeypatch.setitem(table.STUDIES, "neuron", replace(known, lines=(hard, known.lines[1])))
    result = run("study", "run", "neuron", "--out", str(tmp_path / "run"))
    assert result.exit_code == 1 and "missed: it is too much" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run",), "a study was wanted: type hoodwink study run neuron"),
        (("run", "neurn"), "there is no study 'neurn'; the nearest are neuron"),
        (("run", "neuron", "--set", "rate"), "a setting and its value were wanted, not 'rate'"),
        (("run", "neuron", "--set", "speed=1"), "neuron has no setting 'speed'"),
        (("run", "neuron", "--seeds", "0"), "0 is not in the range"),
        (("report", "nowhere"), "results of studies were wanted, there is none"),
    ],
)
def test_a_slip_is_one_line_and_ends_with_2(
    run: Any, words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("study", *words)
    assert result.exit_code == 2 and said in result.stderr and result.stderr.count("error: ") == 1


def test_data_that_are_not_here_are_named(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("study", "run", "cifar-cnn", "--quick", "--set", "data=nothing")
    assert result.exit_code == 2 and "nothing" in result.stderr
