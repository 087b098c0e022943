"""The result of a study as a record: numbers, verdicts, tables, sentences and the figures' names; JSON, and read back from it."""

from __future__ import annotations

import html
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hoodwink.runs import read_json
from hoodwink.studies.found import Answer, Story, spread
from hoodwink.studies.record import Mark, StudyError

RESULT = "result.json"


@dataclass(frozen=True)
class Measured:
    """One number of a line. values: of each seed; mark: what is known of it, None if nothing; timed: it is another one at each run."""

    measure: str
    values: tuple[float, ...]
    mark: Mark | None = None
    timed: bool = False

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float:
        """The standard deviation over the seeds, 0 for one."""
        return spread(self.values)

    @property
    def holds(self) -> bool | None:
        """Whether the mean reaches the floor; None without one."""
        return None if self.mark is None else self.mark.holds(self.mean)

    @property
    def text(self) -> str:
        """The mean, and the spread where there is one."""
        return number(self.mean) + (f" +- {number(self.spread)}" if self.spread else "")


@dataclass(frozen=True)
class LineResult:
    """What came of one line; curves: of each seed, by name."""

    name: str
    help: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    measured: tuple[Measured, ...]
    curves: dict[str, list[Any]]


@dataclass(frozen=True)
class Shown:
    """A figure: its file beside the result, what it shows, and whether it must not be published."""

    file: str
    caption: str
    private: bool = False


@dataclass(frozen=True)
class StudyResult:
    """A study that was run. machine: device, threads, versions and date; folder: where its figures are."""

    name: str
    question: str
    quick: bool
    lines: tuple[LineResult, ...]
    findings: tuple[str, ...]
    tables: tuple[dict[str, Any], ...]
    figures: tuple[Shown, ...]
    machine: dict[str, Any]
    seconds: float
    command: str
    folder: Path = field(compare=False, default=Path())

    def line(self, name: str) -> LineResult:
        """A line by its name; StudyError."""
        for line in self.lines:
            if line.name == name:
                return line
        raise StudyError(f"{self.name} has no line {name!r}; it has {', '.join(line.name for line in self.lines)}")

    def measured(self, line: str, measure: str) -> Measured:
        """A number of a line; StudyError."""
        found = self.line(line).measured
        for one in found:
            if one.measure == measure:
                return one
        raise StudyError(f"{self.name}: the line {line} has no {measure!r}; it has {', '.join(one.measure for one in found)}")

    @property
    def missed(self) -> tuple[tuple[str, Measured], ...]:
        """The lines and numbers that do not reach their floors; of a quick run none, floors are for the full size."""
        return tuple((line.name, one) for line in self.lines for one in line.measured if one.holds is False)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values; the folder is left out."""
        record = asdict(self)
        del record["folder"]
        for line in record["lines"]:
            for one in line["measured"]:
                one["mean"], one["spread"] = statistics.fmean(one["values"]), spread(one["values"])
                one["holds"] = None if one["mark"] is None else Mark(**one["mark"]).holds(one["mean"])
        return record

    def _repr_html_(self) -> str:
        rows = [
            (line.name, one.measure, one.text, "" if one.holds is None else "reached" if one.holds else "missed")
            for line in self.lines
            for one in line.measured
        ]
        cells = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        return f"<b>{html.escape(self.name)}</b>: {html.escape(self.question)}<table>{cells}</table>"


def conclude(answers: Mapping[str, Answer], story: Story, *, quick: bool, seeds: Mapping[str, Sequence[int]], **rest: Any) -> StudyResult:
    """Put the answers of all lines and their story together; rest: the other fields of StudyResult."""
    lines = tuple(_line(answer, seeds[name], quick) for name, answer in answers.items())
    tables = tuple({"title": table.title, "head": list(table.head), "rows": [list(row) for row in table.rows]} for table in story.tables)
    figures = tuple(Shown(f"{figure.name}.png", figure.caption, figure.private) for figure in story.figures)
    return StudyResult(quick=quick, lines=lines, findings=tuple(story.findings), tables=tables, figures=figures, **rest)


def read_result(folder: str | Path) -> StudyResult:
    """Read the result in a folder that `hoodwink study run` or the project's own docs/results holds; RunError, StudyError."""
    folder = Path(folder)
    record = read_json(folder / RESULT)
    try:
        lines = tuple(_read_line(line) for line in record["lines"])
        plain = {key: record[key] for key in ("name", "question", "quick", "machine", "seconds", "command")}
        figures = tuple(Shown(**one) for one in record["figures"])
        return StudyResult(
            lines=lines, findings=tuple(record["findings"]), tables=tuple(record["tables"]), figures=figures, folder=folder, **plain
        )
    except (KeyError, TypeError) as error:
        raise StudyError(f"{folder / RESULT}: the result of a study was wanted, this lacks or has too much: {error}") from None


def number(value: float) -> str:
    """A number as tables show it: whole numbers whole, others with four digits that count."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    if 1e-3 <= abs(value) < 1e5:
        digits = max(0, 4 - len(f"{abs(value):.0f}")) if abs(value) >= 1 else 3 - math.floor(math.log10(abs(value)))
        return f"{value:,.{digits}f}"
    return f"{value:.3g}"


def _line(answer: Answer, seeds: Sequence[int], quick: bool) -> LineResult:
    marks = {} if quick else {mark.measure: mark for mark in answer.line.marks}
    first = answer.founds[0]
    unknown = set(marks) - set(first.values) - set(first.times)
    if unknown:
        raise StudyError(f"the line {answer.line.name} measured no {', '.join(sorted(unknown))}")
    measured = [Measured(name, tuple(map(float, answer.all(name))), marks.get(name)) for name in first.values]
    measured += [Measured(name, tuple(map(float, answer.all(name))), marks.get(name), timed=True) for name in first.times]
    curves = {name: _short(answer.series(name)) for name in first.series}
    return LineResult(answer.line.name, answer.line.help, dict(answer.settings), tuple(seeds), tuple(measured), curves)


def _read_line(record: dict[str, Any]) -> LineResult:
    measured = tuple(
        Measured(one["measure"], tuple(one["values"]), None if one["mark"] is None else Mark(**one["mark"]), one["timed"])
        for one in record["measured"]
    )
    plain = {key: record[key] for key in ("name", "help", "settings", "curves")}
    return LineResult(seeds=tuple(record["seeds"]), measured=measured, **plain)


def _short(value: Any) -> Any:
    """JSON values with five digits that count: curves are looked at, not computed with."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {key: _short(one) for key, one in value.items()}
    return [_short(one) for one in value] if isinstance(value, Iterable) and not isinstance(value, str) else value
