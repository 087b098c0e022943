"""The report of an audit: one HTML file that opens offline, with the bracket first and everything that it rests on below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hoodwink.evidence import audit_details as details
from hoodwink.evidence import audit_wording as wording
from hoodwink.evidence.audits import FOOLED, Felled
from hoodwink.evidence.charts import bar
from hoodwink.evidence.page import asset, data_uri, render
from hoodwink.pictures.draw import difference
from hoodwink.pictures.levels import Distances, Levels, distances
from hoodwink.pictures.write import encode_png
from hoodwink.runs import RunError, read_json

SHOWN = 12  # pictures in all
LARGEST = 160  # pixels, the longer side, of a picture that is shown as it is; larger ones are scaled down


def audit_report_html(directory: str | Path) -> str:
    """The report of an audit's run folder, from its run.json (with the result in it) and its felling pictures; RunError for another."""
    folder = Path(directory)
    record, path = read_json(folder / "run.json"), folder / FOOLED
    return render_audit(record, Felled.read(path) if path.is_file() else None, name=folder.resolve().name)


def render_audit(record: Mapping[str, Any], found: Felled | None, *, name: str) -> str:
    """The same from a run record and the felling pictures (None: none are at hand); `name` is the folder's, for the command that verifies it.

    Nothing is judged here: the page says what the record says.
    """
    if "by_eps" not in record.get("result", {}):
        raise RunError(f"{name}: the record of a finished audit was wanted, this has no result; finish it with --resume")
    style = asset("page.css") + asset("report.css") + asset("audit.css")
    pictures = [] if found is None else _pictures(record, found)
    return render("audit.html.j2", style, "", pictures=pictures, **_words(record, name), **_hints(record, found, len(pictures)))


def _words(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    result = record["result"]
    return {
        "version": record["hoodwink"],
        "title": f"{wording.headline(record)}: {record['models'][0]['name']}",
        "headline": wording.headline(record),
        "vouched": result["vouched"],
        "unfinished": max(ball["unfinished"] for ball in wording.balls(record)),
        "summary": wording.summary(record),
        "notes": result["notes"],
        "brackets": wording.brackets(record),
        "legend": wording.legend(record),
        "samples": wording.samples(record),
        "charts": wording.charts(record),
        "signs": wording.signs(record),
        "stages": details.stage_tables(record),
        "classes": details.classes(record),
        "spreads": details.spreads(record),
        "middle": details.middle(record),
        "costs": details.costs(record),
        "prepared": details.prepared(record),
        "command": details.command(name),
        "tables": details.tables(record),
        "bar": bar,
    }


def _hints(record: Mapping[str, Any], found: Felled | None, shown: int) -> dict[str, Any]:
    """What is said of the pictures that are not shown."""
    felled = len({index for ball in wording.balls(record) for index in ball["by"]})
    standing = [(wording.ball_name(ball["case"]), ball["hardest"]) for ball in wording.balls(record) if ball["hardest"]]
    scaled = found is not None and any(max(levels.shape[:2]) > LARGEST for levels in found.originals)
    return {"felled": felled, "missing": felled > 0 and not shown, "file": FOOLED, "standing": standing, "scaled": scaled}


def _pictures(record: Mapping[str, Any], found: Felled) -> list[dict[str, Any]]:
    """The easiest of each norm, felled in a ball of that norm: original, fooled, difference, and what is known of them."""
    names, balls = details.names(record), wording.balls(record)
    at = {
        (balls[case]["case"]["norm"], index): k
        for k, (case, index) in enumerate(zip(found.case.tolist(), found.index.tolist(), strict=True))
        if 0 <= case < len(balls)
    }
    rows = []
    for norm, of_norm in (norms := wording.by_norm(record)).items():
        easiest = [index for index in of_norm[-1]["easiest"] if (norm, index) in at][: max(1, SHOWN // len(norms))]
        rows += [_picture(found, at[norm, index], norm, names, of_norm[-1]["by"].get(str(index), "")) for index in easiest]
    return rows


def _picture(found: Felled, k: int, norm: str, names: Any, stage: str) -> dict[str, Any]:
    before, after, label = found.originals[k], found.pictures[k], int(found.label[k])
    moved = distances(before, after)
    return {
        "index": int(found.index[k]),
        "label": names[label] if 0 <= label < len(names) else f"class {label}",
        "distance": _distance(moved, norm),
        "gain": f"{127 / moved.linf:.0f}" if moved.linf else "",
        "stage": details.felled_by(stage),
        "height": before.shape[0],
        "width": before.shape[1],
        "before": _address(before),
        "after": _address(after),
        "difference": _address(difference(before, after), smooth=False),
    }


def _distance(moved: Distances, norm: str) -> str:
    return wording.distance(moved.linf / 255 if norm == "linf" else getattr(moved, norm), norm)


def _address(levels: Levels, *, smooth: bool = True) -> str:
    """The picture as a data: address, scaled down where it is large; not smooth: by leaving pixels out, so that changes keep their size."""
    if max(levels.shape[:2]) > LARGEST:
        image = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
        image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST)
        shrunk = np.asarray(image)
        levels = shrunk[..., None] if shrunk.ndim == 2 else shrunk
    return data_uri(encode_png(levels))
