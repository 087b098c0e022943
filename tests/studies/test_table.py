"""Every study of the table: its record, and its quick run, twice."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import pytest
from PIL import Image

from hoodwink.studies.draw import MAX_BYTES
from hoodwink.studies.record import StudyError
from hoodwink.studies.report import study_page
from hoodwink.studies.result import StudyResult, read_result
from hoodwink.studies.runner import run
from hoodwink.studies.table import STUDIES, find_study


@pytest.mark.parametrize("name", STUDIES)
def test_a_record_is_whole(name: str) -> None:
    study = STUDIES[name]
    assert study.name == name and study.question.endswith("?") and study.help.endswith(".")
    assert len({line.name for line in study.lines}) == len(study.lines)
    for line in study.lines:
        assert re.fullmatch("[a-z0-9-]+", line.name), "it is typed in --set LINE.K=V"
        assert set(line.quick) <= set(line.settings), "--quick changes settings that there are"
        assert line.help.endswith(".") and line.minutes >= 0
        assert all(mark.floor is not None or mark.reference is not None or mark.goal is not None for mark in line.marks)
    json.dumps(study.resolved())


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_quick_run_says_the_same_twice(name: str, tmp_path: Path) -> None:
    first, second = (run(name, quick=True, out=tmp_path / which) for which in ("first", "second"))
    _looks_right(first)
    assert not first.missed, "floors are for the full size"
    assert [line.settings for line in first.lines] == [line.settings for line in second.lines]
    for one, other in zip(first.lines, second.lines, strict=True):
        assert [(m.measure, m.values) for m in one.measured if not m.timed] == [
            (m.measure, m.values) for m in other.measured if not m.timed
        ]
        assert one.curves.keys() == other.curves.keys()
    assert {figure.file for figure in first.figures} == {figure.file for figure in second.figures}


def _looks_right(result: StudyResult) -> None:
    assert result == read_result(result.folder) and result.findings and result.figures
    measures = [one.measure for line in result.lines for one in line.measured]
    assert measures and all(marked.measure in measures for line in STUDIES[result.name].lines for marked in line.marks)
    for figure in result.figures:
        png = (result.folder / figure.file).read_bytes()
        assert len(png) < MAX_BYTES and figure.caption.endswith(".")
        assert min(Image.open(io.BytesIO(png)).size) > 100
    for table in result.tables:
        assert all(len(row) == len(table["head"]) for row in table["rows"])
    assert result.question in study_page([result])
    assert os.fspath(result.folder) not in (result.folder / "result.json").read_text()


def test_an_unknown_study_is_answered_with_the_nearest() -> None:
    with pytest.raises(StudyError, match="there is no study 'neurn'; the nearest are neuron"):
        find_study("neurn")
