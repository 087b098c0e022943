"""The report of fooling a text: one HTML file that opens offline."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from hoodwink.evidence import wording
from hoodwink.evidence.charts import bar
from hoodwink.evidence.page import asset, render
from hoodwink.runs import read_json

_LATIN = 0x24F  # the last letter of Latin alphabets
Piece = dict[str, Any]  # a part of a text, and whether it differs from the other text


def text_report_html(directory: str | Path) -> str:
    """The report of a run folder, from its run.json (with the result in it) and its claims."""
    folder = Path(directory)
    return render_text_report(read_json(folder / "run.json"), name=folder.resolve().name)


def render_text_report(record: Mapping[str, Any], *, name: str) -> str:
    """The same from a run record; `name` is the folder's, for the command that verifies it. Nothing is judged here."""
    result, settings = record["result"], record["settings"]
    original, changed = record["inputs"][0]["text"], result["text"]
    before, after = pieces(original, changed, result["changes"]["unit"])
    return render(
        "text.html.j2",
        asset("page.css") + asset("report.css") + asset("text.css"),
        "",
        version=record["hoodwink"],
        title=f"{result['before']['label']} \u2192 {result['after']['label']}: {changed}",
        fooled=result["fooled"],
        labels=(result["before"]["label"], result["after"]["label"]),
        texts=(("Before", "before", before), ("After", "after", after)),
        summary=_summary(result, settings),
        tops=(("Before", "before", _rows(result["before"])), ("After", "after", _rows(result["after"]))),
        notes=[*_disguised(after), *result["after"]["notes"]],
        facts=_facts(record),
        tables=wording.tables(record),
        command=wording.command(name),
        bar=bar,
    )


def pieces(original: str, changed: str, unit: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces, by letters or by words, with those marked that the other has not."""
    split = list if unit == "letters" else _words
    one, other = split(original), split(changed)
    sides: tuple[list[Piece], list[Piece]] = ([], [])
    for kind, i, j, k, m in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        for side, part in zip(sides, (one[i:j], other[k:m]), strict=True):
            if part:
                side.append({"text": "".join(part), "changed": kind != "equal"})
    return sides


def _words(text: str) -> list[str]:
    """Words, and the white space between them."""
    return re.findall(r"\s+|\S+", text)


def _summary(result: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    unit, count = result["changes"]["unit"], result["count"]
    if not result["fooled"]:
        return f"No text with at most {settings['most']} changed {unit} was found that does it; the nearest is shown."
    if result["minimal"]:
        sure = "which is the least there can be" if count == 1 else f"and no text with fewer changed {unit} does it: all were asked"
        return f"{wording.changes_in_words(count, unit)} changed, {sure}."
    return f"{wording.changes_in_words(count, unit)} changed; that fewer cannot do it is not proven."


def _rows(verdict: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"name": row["class"], "share": row["probability"], "percent": f"{100 * row['probability']:.1f} %"} for row in verdict["top"]]


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    result, settings = record["result"], record["settings"]
    found = "none fooled" if result["found_after"] is None else f"one fooled after {result['found_after']}"
    asked = settings["target"] or f"anything but {settings['avoid']}"
    proven = f"; none with {result['proven']} or fewer fools" if result["proven"] > 0 else ""
    return [
        ("Asked for", asked),
        ("Changed", f"{result['count']} {result['changes']['unit']}{proven}"),
        ("Texts asked", f"{result['queries']:,}, {found}"),
        ("Spent", f"{result['seconds']:.2f} s, {wording.count(result['gradients'], 'gradient')}"),
    ]


def _disguised(parts: list[Piece]) -> list[str]:
    """Which changed pieces hold letters that only look like those of the alphabet."""
    strangers = {part["text"]: [f"U+{ord(c):04X}" for c in part["text"] if ord(c) > _LATIN] for part in parts if part["changed"]}
    return [f"{text!r} only looks so: it holds {', '.join(found)}" for text, found in strangers.items() if found]
