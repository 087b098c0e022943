"""The report of a `fool` run: one HTML file that opens offline and holds the fooled picture's exact bytes."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hoodwink.evidence import wording
from hoodwink.evidence.charts import bar, histogram
from hoodwink.evidence.page import asset, data_uri, render
from hoodwink.runs import RunError, read_json, sha256_bytes

LARGE = 3_000_000  # pixels; a larger picture is not embedded a third time


def report_html(directory: str | Path) -> str:
    """The report of a run folder, from its run.json (with the result in it) and its pictures; RunError where one is missing."""
    folder = Path(directory)
    record = read_json(folder / "run.json")
    names = {wording.picture_name(record), wording.original_name(record), "difference.png"}
    files = {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}
    return render_report(record, files, name=folder.resolve().name)


def render_report(record: Mapping[str, Any], files: Mapping[str, bytes], *, name: str) -> str:
    """The same from a run record and the files by name (PNG bytes); `name` is the folder's, for the command that verifies it."""
    picture, original = (_need(files, wanted, name) for wanted in (wording.picture_name(record), wording.original_name(record)))
    sha256 = sha256_bytes(picture)
    if wording.verdicts(record, "after")[0]["sha256"] != sha256:
        raise RunError(
            f"{name}: {wording.picture_name(record)} is not the file that the record's verdict is about; judge it, then write the report"
        )
    width, height = _png_size(picture)
    difference = files.get("difference.png") if width * height <= LARGE else None
    return render(
        "report.html.j2",
        f"{asset('page.css')}{asset('report.css')}.stage {{ --w: {width}; --h: {height} }}\n",
        asset("report.js"),
        width=width,
        height=height,
        picture=data_uri(picture),
        original=data_uri(original),
        difference=difference and data_uri(difference),
        command=wording.command(name),
        proofs=wording.proofs(record, sha256),
        **_words(record),
    )


def _words(record: Mapping[str, Any]) -> dict[str, Any]:
    result, counts = record["result"], wording.counts(record)
    about, verb = wording.headline(record)
    return {
        "version": record["hoodwink"],
        "file": wording.picture_name(record),
        "fooled": bool(result["fooled"]),
        "stall": result.get("stall"),
        "gain": _gain(result["distances"]["linf"]),
        "title": f"{'Fooled' if result['fooled'] else 'Not fooled'}: {about.before} \u2192 {about.after}",
        "about": about,
        "verb": verb,
        "summary": wording.summary(record),
        "heads": wording.heads(record),
        "facts": wording.facts(record),
        "change": wording.change(record),
        "histogram": histogram(dict(counts), title="How many subpixels changed by how many levels"),
        "counts": counts,
        "distances": wording.distance_rows(record),
        "charts": wording.charts(record),
        "search": wording.search(record),
        "tables": wording.tables(record),
        "bar": bar,
    }


def _gain(largest: int) -> float:
    """The power of two that the amplification starts at: about what makes the largest change fill the range."""
    return min(7.0, max(0.0, round(4 * math.log2(127 / max(1, largest))) / 4))


def _need(files: Mapping[str, bytes], wanted: str, name: str) -> bytes:
    if wanted not in files:
        raise RunError(f"{name}: the report needs {wanted}, which is not there; write the pictures before the report")
    return files[wanted]


def _png_size(data: bytes) -> tuple[int, int]:
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise RunError("the report shows PNG files, the picture has another format; write it as .png")
    width, height = struct.unpack(">II", data[16:24])
    return width, height
