"""The answers to a picture, to look at: a contact sheet, and a report of one HTML file that opens offline."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hoodwink.evidence import wording
from hoodwink.evidence.page import asset, data_uri, render
from hoodwink.pictures.draw import sheet
from hoodwink.pictures.levels import Levels
from hoodwink.pictures.read import read_picture
from hoodwink.pictures.write import encode_png

SIDE, ASKED_SIDE = 160, 320  # pixels: of an answer's thumbnail, of the asked picture's in the report
_COLUMNS, _FRAME = 7, 4
_BLUE, _EMPTY = (47, 102, 179), 235


@dataclass(frozen=True)
class Tile:
    """An answer as it is shown: its thumbnail, uint8 H x W x 3, None where its file is gone or cannot be read, and what is to be said."""

    thumbnail: Levels | None
    note: str = ""


def make_tile(path: str, sha256: str) -> Tile:
    """Read an answer from disk; sha256: of the file that the store knows."""
    if not os.path.exists(path):
        return Tile(None, "gone from disk")
    try:
        picture = read_picture(path)
    except ValueError:
        return Tile(None, "can no longer be read")
    return Tile(fitted(picture.levels, SIDE), "" if picture.sha256 == sha256 else "changed since it was indexed")


def contact_sheet(asked: Levels, tiles: Sequence[Tile]) -> Levels:
    """The asked picture in a blue frame, then the answers, nearest first; grey where one is gone."""
    first = np.empty((SIDE + 2 * _FRAME, SIDE + 2 * _FRAME, 3), np.uint8)
    first[:] = _BLUE
    small = fitted(asked, SIDE)
    top, left = (_FRAME + (SIDE - size) // 2 for size in small.shape[:2])
    first[_FRAME:-_FRAME, _FRAME:-_FRAME] = 255
    first[top : top + small.shape[0], left : left + small.shape[1]] = small
    empty = np.full((SIDE, SIDE, 3), _EMPTY, np.uint8)
    shown = [first, *(empty if tile.thumbnail is None else tile.thumbnail for tile in tiles)]
    return sheet([shown[at : at + _COLUMNS] for at in range(0, len(shown), _COLUMNS)])


def fitted(levels: Levels, side: int) -> Levels:
    """A picture, uint8 H x W x C, in a square of that side, as uint8 h x w x 3; small ones are enlarged so that their pixels show."""
    image = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels).convert("RGB")
    largest = max(image.size)
    size = [max(1, round(length * side / largest)) for length in image.size]
    smooth = Image.Resampling.LANCZOS if largest > side else Image.Resampling.NEAREST
    return np.asarray(image.resize((size[0], size[1]), smooth))


def render_search_report(record: Mapping[str, Any], asked: Levels, tiles: Sequence[Tile], *, name: str) -> str:
    """The report of a search's run record with its result in it; `name` is the folder's, for the command that verifies it."""
    result = record["result"]
    answers, question = result["answers"], Path(result["file"] or "array").name
    below = _common([answer["path"] for answer in answers])
    missing = sum(bool(tile.note) for tile in tiles)
    return render(
        "search.html.j2",
        asset("page.css") + asset("search.css"),
        "",
        version=record["hoodwink"],
        title=f"Nearest to {question}",
        question=question,
        asked=data_uri(encode_png(fitted(asked, ASKED_SIDE))),
        summary=f"The {len(answers)} nearest of {result['pictures']:,} pictures, as {record['models'][0]['name']} sees them: by the cosine "
        "between embeddings, 1 for the same direction.",
        missing=f"Gone from disk, or changed since the store saw them: {missing} of the files." if missing else "",
        facts=_facts(result),
        below=below,
        answers=[_shown(answer, tile, below) for answer, tile in zip(answers, tiles, strict=True)],
        side=SIDE,
        command=wording.command(name),
        tables=wording.tables(record),
    )


def _facts(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Asked", str(result["file"])),
        ("SHA-256", str(result["sha256"])),
        ("Store", f"{result['store']}, {result['pictures']:,} pictures"),
        ("Found", f"{result['how']}; {result['exact']} of {len(result['answers'])} are the nearest when all are compared"),
    ]


def _shown(answer: Mapping[str, Any], tile: Tile, below: str) -> dict[str, Any]:
    name = os.path.relpath(answer["path"], below) if below else answer["path"]
    small = None if tile.thumbnail is None else data_uri(encode_png(tile.thumbnail))
    height, width = (SIDE, SIDE) if tile.thumbnail is None else tile.thumbnail.shape[:2]
    size = {"height": height, "width": width}
    return {"rank": answer["rank"], "cosine": f"{answer['cosine']:.4f}", "name": name, "note": tile.note, "picture": small, **size}


def _common(paths: Sequence[str]) -> str:
    """The folder that all lie in."""
    try:
        return os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError:  # on several drives, or none
        return ""
