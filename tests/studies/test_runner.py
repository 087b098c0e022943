"""A study that was stopped goes on, a finished one is read, and other settings are refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from hoodwink.runs import RunError
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study, StudyError
from hoodwink.studies.result import StudyResult, read_result
from hoodwink.studies.runner import run


def tell(answers: Mapping[str, Answer]) -> Story:
    with page() as figure:
        figure.panels[0].plot([1, 2])
    rows = [(name, answer.mean("drawn"), str(answer.picture("square").sum())) for name, answer in answers.items()]
    return Story([f"{len(answers)} lines."], [Figure("plot", "A plot.", figure.png)], [Table("All", ("line", "mean", "sum"), rows)])


class Counted:
    """A study's run that says which cells it was asked for, and stops before one of them."""

    def __init__(self, stop: tuple[str, int] | None = None) -> None:
        self.asked: list[tuple[str, int]] = []
        self.stop = stop

    def __call__(self, desk: Desk) -> Found:
        if (desk.line, desk.seed) == self.stop:
            raise KeyboardInterrupt
        self.asked.append((desk.line, desk.seed))
        drawn = float(torch.rand(()))
        return Found(
            {"drawn": drawn, "rate": float(desk["rate"])},
            {"seconds here": 0.5},
            {"curve": [drawn, 1 / 3]},
            {"square": np.full((2, 2), desk.seed)},
        )


def untimed(result: StudyResult) -> list[tuple[object, ...]]:
    """All of a result that another run must give again: everything but its seconds."""
    return [(line.name, line.settings, line.seeds, line.curves, [one for one in line.measured if not one.timed]) for line in result.lines]


def make(work: Counted) -> Study:
    lines = (
        Line(name="source", help="One.", settings={"rate": 1.0, "count": 3}, quick={"count": 1}, marks=(Mark(measure="rate", floor=2.0),)),
        Line(name="in-between", help="Two.", settings={"rate": 3.0}, fixed=True),
    )
    return Study(name="made", question="What?", help="Made.", lines=lines, run=work, tell=tell)


def test_what_is_finished_is_not_done_again(tmp_path: Path) -> None:
    whole = run(make(Counted()), out=tmp_path / "whole")
    stopped = Counted(stop=("source", 1))
    with pytest.raises(KeyboardInterrupt):
        run(make(stopped), out=tmp_path / "run")
    assert stopped.asked == [("source", 0), ("in-between", 0)]
    rest = Counted()
    found = run(make(rest), out=tmp_path / "run")
    assert rest.asked == [("source", 1), ("source", 2)]
    assert untimed(found) == untimed(whole)
    idle = Counted()
    assert run(make(idle), out=tmp_path / "run") == read_result(tmp_path / "run") and not idle.asked
    again = Counted()
    assert untimed(run(make(again), out=tmp_path / "run", force=True)) == untimed(whole) and len(again.asked) == 4


def test_more_seeds_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    whole = run(make(Counted()), out=tmp_path / "whole")
    run(make(Counted()), out=tmp_path / "run", seeds=1)
    more = Counted()
    assert untimed(run(make(more), out=tmp_path / "run")) == untimed(whole) and more.asked == [("source", 1), ("source", 2)]
    fewer = Counted()
    assert run(make(fewer), out=tmp_path / "run", seeds=2).line("source").seeds == (0, 1) and not fewer.asked


def test_numbers_seeds_and_floors(tmp_path: Path) -> None:
    result = run(make(Counted()), out=tmp_path / "run", seeds=2)
    drawn = result.measured("source", "drawn")
    assert len(drawn.values) == 2 and drawn.spread > 0 and drawn.mean == pytest.approx(sum(drawn.values) / 2)
    assert [line.seeds for line in result.lines] == [(0, 1), (0,)]
    assert [(line, one.measure) for line, one in result.missed] == [("source", "rate")]
    assert "missed" in result._repr_html_() and result.command == "hoodwink study run made --seeds 2"
    assert result.measured("source", "seconds here").timed and not drawn.timed
    assert result.line("source").curves["curve"][0][1] == 0.33333
    with pytest.raises(StudyError, match="made has no line 'none'; it has source, in-between"):
        result.line("none")
    with pytest.raises(StudyError, match="has no 'none'; it has drawn, rate"):
        result.measured("source", "none")


def test_a_quick_run_has_one_seed_and_no_verdict(tmp_path: Path) -> None:
    result = run(make(Counted()), quick=True, out=tmp_path / "run")
    assert [line.seeds for line in result.lines] == [(0,), (0,)] and not result.missed
    assert result.line("source").settings == {"rate": 1.0, "count": 1}


def test_settings_are_changed_everywhere_or_in_one_line(tmp_path: Path) -> None:
    result = run(make(Counted()), out=tmp_path / "run", **{"rate": "5", "in_between.rate": "7"})
    assert [line.settings["rate"] for line in result.lines] == [5.0, 7.0] and not result.missed
    assert result.command == "hoodwink study run made --set source.rate=5.0 --set in-between.rate=7.0"
    with pytest.raises(RunError, match="a run of other settings is there"):
        run(make(Counted()), out=tmp_path / "run")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rat": 1}, "made has no setting 'rat'; it has, for example, rate"),
        ({"rate": "fast"}, "a value such as 1.0 was wanted, not 'fast'"),
    ],
)
def test_a_slip_is_said_before_anything_is_done(tmp_path: Path, settings: dict[str, object], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        run(make(Counted()), out=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_a_mark_without_a_number_is_a_fault_of_the_study(tmp_path: Path) -> None:
    study = make(Counted())
    line = Line(name="source", help="One.", settings={"rate": 1.0}, marks=(Mark(measure="lost", floor=1.0),))
    with pytest.raises(StudyError, match="source measured no lost"):
        run(Study(name="made", question="What?", help="Made.", lines=(line,), run=study.run, tell=study.tell), out=tmp_path / "run")


@pytest.mark.slow
def test_a_killed_study_ends_with_the_numbers_of_one_that_was_not(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    program = f"import hoodwink as hw; hw.studies.run('cifar-cnn', True, out={str(folder)!r})"
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    cell = folder / "cells/source-0.json"
    until = time.monotonic() + 100
    while not cell.is_file() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert cell.is_file() and not (folder / "manifest.json").exists()
    written = cell.stat().st_mtime_ns
    found, whole = run("cifar-cnn", True, out=folder), run("cifar-cnn", True, out=tmp_path / "whole")
    assert cell.stat().st_mtime_ns == written
    for one, other in zip(found.lines, whole.lines, strict=True):
        assert [m.values for m in one.measured if not m.timed] == [m.values for m in other.measured if not m.timed]
