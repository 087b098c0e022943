"""Puts results into the docs: `python -m hoodwink.studies.publish [RUN...]`, in the folder that holds docs/.

Copies the results and figures of finished runs at full size to docs/results/NAME, without the private figures, and makes the page
docs/studies/NAME.md of each study from its record and its result. --check writes nothing and ends with 1 where a page is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from hoodwink.runs import as_json, write_atomic
from hoodwink.studies.record import Study, StudyError
from hoodwink.studies.report import cell_text, find_results, known, machine, parted, seeds_text
from hoodwink.studies.result import RESULT, Measured, StudyResult, read_result
from hoodwink.studies.table import STUDIES

RESULTS, PAGES = Path("docs/results"), Path("docs/studies")
_RED = '<span style="color:#c62828">**missed**</span>'


def keep(result: StudyResult) -> None:
    """Copy a result and the figures that may be published; StudyError for a quick one."""
    if result.quick:
        raise StudyError(
            f"{result.folder}: a run at full size was wanted, this one is quick; type {result.command.replace(' --quick', '')}"
        )
    folder = RESULTS / result.name
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for figure in result.figures:
        if not figure.private:
            write_atomic(folder / figure.file, (result.folder / figure.file).read_bytes())
    write_atomic(folder / RESULT, (result.folder / RESULT).read_bytes())


def pages() -> dict[Path, str]:
    """Every page by its path: one for each study, and the list of all."""
    results = {name: _result(study) for name, study in STUDIES.items()}
    found = {PAGES / f"{name}.md": page(study, results[name]) for name, study in STUDIES.items()}
    return found | {PAGES / "README.md": _index(results)}


def page(study: Study, result: StudyResult | None) -> str:
    """The page of a study, Markdown; without a result it says so."""
    parts = [f"# {study.name}", f"**{study.question}**", study.help]
    if result is None:
        return "\n\n".join([*parts, "Not measured yet.", f"```sh\nhoodwink study run {study.name}\n```"]) + "\n"
    parts += ["\n".join(f"- {text}" for text in result.findings)]
    for figure in result.figures:
        image = f"![{figure.caption}](../results/{study.name}/{figure.file})\n\n*{figure.caption}*"
        parts.append(f"*{figure.caption}* (Made for who runs the study; not published.)" if figure.private else image)
    for line in result.lines:
        parts += [f"## {line.name}", f"{line.help} ({seeds_text(line)})", _settings(line.settings)]
        shown, folded = parted(line)
        parts.append(_numbers(shown))
        if folded:
            parts.append(f"<details><summary>{len(folded)} more numbers</summary>\n\n{_numbers(folded)}\n\n</details>")
    for table in result.tables:
        parts += [f"## {table['title']}", _table(table["head"], [[cell_text(cell) for cell in row] for row in table["rows"]])]
    parts += [
        "## Again",
        f"```sh\n{result.command}\n```",
        f"Measured: {machine(result)}. Numbers are means over the seeds +- their standard deviation.",
    ]
    return "\n\n".join(parts) + "\n"


def _result(study: Study) -> StudyResult | None:
    """The published result; StudyError where it is of other settings than the study has now."""
    folder = RESULTS / study.name
    if not (folder / RESULT).is_file():
        return None
    result = read_result(folder)
    if {line.name: line.settings for line in result.lines} != as_json(study.resolved()):
        raise StudyError(
            f"{folder}: a result of the study's settings was wanted, they have changed since; type hoodwink study run {study.name}"
        )
    return result


def _index(results: Mapping[str, StudyResult | None]) -> str:
    head = "# The studies\n\nEach is one question, answered by one command on real data. Made by `python -m hoodwink.studies.publish`; do not edit.\n\n"
    rows = []
    for name, study in STUDIES.items():
        result = results[name]
        judged = 0 if result is None else sum(one.holds is not None for line in result.lines for one in line.measured)
        missed = 0 if result is None else len(result.missed)
        state = "not measured yet" if result is None else f"{judged - missed} of {judged} floors reached" if judged else "no floor"
        rows.append([f"[{name}]({name}.md)", study.question, state + (f" {_RED}" if missed else "")])
    return head + _table(["study", "question", "result"], rows) + "\n"


def _settings(settings: dict[str, object]) -> str:
    return "Settings: " + ", ".join(f"`{key}={value}`" for key, value in settings.items()) if settings else "No settings."


def _numbers(measured: Sequence[Measured]) -> str:
    rows = []
    for one in measured:
        row = known(one)
        verdict = _RED if row["verdict"] == "missed" else row["verdict"]
        rows.append([row["measure"], row["found"], row["reference"], row["wanted"], " ".join(filter(None, [verdict, row["reason"]]))])
    return _table(["measure", "found", "source", "wanted", ""], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN...]")
@click.option("--check", is_flag=True, help="Write nothing; end with 1 if a page is out of date.")
def publish(runs: tuple[str, ...], check: bool) -> None:
    """Keep the results of runs in docs/results and make the pages of docs/studies."""
    try:
        for result in find_results(runs) if runs else ():
            keep(result)
        made = pages()
    except StudyError as error:
        sys.exit(f"error: {error}")
    for path, text in made.items():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            sys.exit(f"{path} is out of date; type: python -m hoodwink.studies.publish")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.encode())
        click.echo(f"wrote {path}")


if __name__ == "__main__":
    publish()
