"""The report of fooling image search: one HTML file that opens offline, with the three answer sheets and the fooled picture's exact bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hoodwink.evidence import wording
from hoodwink.evidence.page import asset, data_uri, render
from hoodwink.evidence.report import LARGE
from hoodwink.evidence.search_report import ASKED_SIDE, SIDE, Tile, fitted
from hoodwink.pictures.draw import difference
from hoodwink.pictures.levels import Levels
from hoodwink.pictures.write import encode_png

SIDES = {"original": "before", "fooled": "after", "other": "other"}  # a sheet's name, and its answers' in the record's result


def render_misled_report(record: Mapping[str, Any], shown: Mapping[str, Levels], tiles: Mapping[str, Sequence[Tile]], *, name: str) -> str:
    """The report of a run record with its result in it.

    shown, tiles: by the names of SIDES, the picture that was asked with, and its answers; name: the folder's, for the command that
    verifies it.
    """
    result = record["result"]
    source, other = (Path(entry["file"] or "the array").name for entry in record["inputs"])
    wanted = {answer["sha256"] for answer in result["other"]["answers"]}
    questions = {"original": source, "fooled": result["file"], "other": other}
    return render(
        "misled.html.j2",
        asset("page.css") + asset("report.css") + asset("search.css") + asset("misled.css"),
        "",
        version=record["hoodwink"],
        fooled=result["fooled"],
        stall=result["stall"],
        source=source,
        other=other,
        file=result["file"],
        summary=_summary(record, other),
        pictures=_pictures(shown, source, result["file"], other),
        facts=_facts(record),
        sheets=[
            (questions[side], _said(result, kind, side), _answers(result[kind]["answers"], tiles[side], wanted))
            for side, kind in SIDES.items()
        ],
        change=wording.change(record),
        distances=wording.distance_rows(record),
        charts=wording.charts(record),
        command=wording.command(name),
        tables=wording.tables(record),
        side=SIDE,
    )


def _summary(record: Mapping[str, Any], other: str) -> str:
    result, sought = record["result"], record["settings"]
    count = len(result["after"]["answers"])
    asked = f"the first answer and {sought['least']} of {count} were asked for"
    found = f"{result['shared']} of the {count} answers to the file {result['file']} are answers to {other} too ({asked})"
    return f"{found}, of {result['after']['pictures']:,} pictures; before it were {result['shared_before']}."


def _pictures(shown: Mapping[str, Levels], source: str, file: str, other: str) -> list[tuple[str, str]]:
    """Captions and pictures: the fooled one as the bytes of its file, the others to look at."""
    original, fooled = shown["original"], shown["fooled"]
    found = [(f"Before: {source}", data_uri(encode_png(fitted(original, 2 * ASKED_SIDE))))]
    found.append((f"After: {file}", data_uri(encode_png(fooled))))
    if fooled.shape[0] * fooled.shape[1] <= LARGE:
        found.append(("The change (grey: none; the largest fills the range)", data_uri(encode_png(difference(original, fooled)))))
    return [*found, (f"Whose answers were wanted: {other}", data_uri(encode_png(fitted(shown["other"], 2 * ASKED_SIDE))))]


def _facts(record: Mapping[str, Any]) -> list[dict[str, str]]:
    result, found = record["result"], record["result"]["distances"]
    count = len(result["after"]["answers"])
    rows = [
        ("Answers shared", f"{result['shared']} of {count}", f"before: {result['shared_before']}"),
        ("Cosine to the other", f"{result['cosine']:.4f}", f"before: {result['cosine_before']:.4f}"),
        ("L2 distance", f"{found['l2']:.3f}", f"{255 * found['l2']:,.0f} in levels"),
        ("Largest change", wording.count(found["linf"], "level"), "of 255"),
        ("PSNR", "\u221e" if found["psnr"] is None else f"{found['psnr']:.1f} dB", "higher is closer"),
        ("SSIM", f"{found['ssim']:.4f}", "1 is identical"),
        ("Gradients", f"{result['gradients']:,}", f"and {result['forwards']:,} forward evaluations"),
        ("Time", f"{result['seconds']:.1f} s", f"on {record.get('device', 'cpu')}"),
    ]
    return [{"name": name, "value": value, "note": note} for name, value, note in rows]


def _said(result: Mapping[str, Any], kind: str, side: str) -> str:
    if side == "other":
        return "The answers that were wanted."
    count = result["shared_before" if side == "original" else "shared"]
    return f"{count} of {len(result[kind]['answers'])} are answers to the other picture too: those are marked."


def _answers(answers: Sequence[Mapping[str, Any]], tiles: Sequence[Tile], wanted: set[str]) -> list[dict[str, Any]]:
    return [
        {
            "rank": answer["rank"],
            "cosine": f"{answer['cosine']:.4f}",
            "name": Path(answer["path"]).name,
            "note": tile.note,
            "wanted": answer["sha256"] in wanted,
            "picture": None if tile.thumbnail is None else data_uri(encode_png(tile.thumbnail)),
        }
        for answer, tile in zip(answers, tiles, strict=True)
    ]
