"""Results of studies on one self-contained page that opens offline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hoodwink.evidence.page import asset, data_uri, render
from hoodwink.runs import one_line
from hoodwink.studies.record import StudyError
from hoodwink.studies.result import RESULT, LineResult, Measured, StudyResult, number, read_result
from hoodwink.studies.table import STUDIES

MANY, FEW = 12, 6  # numbers of a line: with more than MANY about FEW are shown, the others are folded away


def find_results(folders: Iterable[str | Path]) -> list[StudyResult]:
    """The results in these folders or in folders right inside them, in the order of STUDIES; StudyError where there is none."""
    found: list[StudyResult] = []
    asked = [Path(folder) for folder in folders]
    for folder in asked:
        inside = [folder] if (folder / RESULT).is_file() else sorted(path.parent for path in folder.glob(f"*/{RESULT}"))
        found += [read_result(path) for path in inside]
    if not found:
        where = ", ".join(map(one_line, asked))
        raise StudyError(f"{where}: results of studies were wanted, there is none; type hoodwink study run neuron")
    order = list(STUDIES)
    return sorted(found, key=lambda result: (order.index(result.name) if result.name in order else len(order), result.quick))


def study_page(results: Sequence[StudyResult]) -> str:
    """One page, HTML, of these results: contents, then for each its question, lines, numbers, sentences, figures and tables."""
    style = asset("page.css") + asset("studies.css")
    missed = sum(len(result.missed) for result in results)
    return render("studies.html.j2", style, "", studies=[_study(result) for result in results], missed=missed)


def _study(result: StudyResult) -> dict[str, Any]:
    known = STUDIES.get(result.name)
    return {
        "name": result.name + (" (quick)" if result.quick else ""),
        "id": result.name + ("-quick" if result.quick else ""),
        "question": result.question,
        "help": known.help.split("\n\n") if known else [],
        "missed": len(result.missed),
        "judged": sum(one.holds is not None for line in result.lines for one in line.measured),
        "lines": [_line(line) for line in result.lines],
        "findings": result.findings,
        "figures": [
            {"uri": data_uri((result.folder / one.file).read_bytes()), "caption": one.caption}
            for one in result.figures
            if _there(result, one.file)
        ],
        "tables": [{**table, "rows": [[cell_text(cell) for cell in row] for row in table["rows"]]} for table in result.tables],
        "command": result.command,
        "machine": machine(result),
    }


def machine(result: StudyResult) -> str:
    """Where and when a result was measured, in words."""
    versions = result.machine["versions"]
    return (
        f"{result.seconds / 60:.1f} minutes on {result.machine['device']}, {result.machine['threads']} threads, "
        f"torch {versions['torch']}, hoodwink {versions['hoodwink']}, {result.machine['date']}"
    )


def known(one: Measured) -> dict[str, Any]:
    """A number beside what is known of it, as texts; verdict: "reached", "missed" or nothing."""
    mark = one.mark
    row: dict[str, Any] = {"measure": one.measure, "found": one.text, "reference": "", "wanted": "", "verdict": "", "reason": ""}
    if mark is None:
        return row
    sign = "at most " if mark.lower else "at least "
    parts = [sign + number(mark.floor)] if mark.floor is not None else []
    parts += [f"aim {number(mark.goal)}"] if mark.goal is not None else []
    reason = mark.reason
    if one.holds is not False:
        reason = "" if mark.excels(one.mean) is not False else f"aim missed: {reason}".rstrip(": ")
    row |= {"wanted": ", ".join(parts), "reason": reason}
    row |= {"reference": "" if mark.reference is None else number(mark.reference)}
    row |= {"verdict": "" if one.holds is None else "reached" if one.holds else "missed"}
    return row


def _line(line: LineResult) -> dict[str, Any]:
    settings = ", ".join(f"{key} {_plain(value)}" for key, value in line.settings.items())
    shown, folded = parted(line)
    found = {"shown": [known(one) for one in shown], "folded": [known(one) for one in folded]}
    return {"name": line.name, "help": line.help, "settings": settings, "seeds": seeds_text(line), **found}


def seeds_text(line: LineResult) -> str:
    """How many seeds a line had, in words."""
    return f"{len(line.seeds)} seed{'s' * (len(line.seeds) > 1)}"


def parted(line: LineResult) -> tuple[list[Measured], list[Measured]]:
    """The numbers of a line to show, and, where there are many, those to fold away: nothing is known of them to compare with."""
    if len(line.measured) <= MANY:
        return list(line.measured), []
    judged = [one for one in line.measured if one.mark is not None]
    rest = [one for one in line.measured if one.mark is None]
    room = max(0, FEW - len(judged))
    return judged + rest[:room], rest[room:]


def _plain(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def cell_text(cell: object) -> str:
    """A cell of a table, numbers as tables show them."""
    return number(cell) if isinstance(cell, (int, float)) and not isinstance(cell, bool) else str(cell)


def _there(result: StudyResult, file: str) -> bool:
    """Private figures are not where results are published."""
    return (result.folder / file).is_file()
