"""The details of an audit's report: stages, classes, distances, cost, and what it was made with; from its record alone."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from hoodwink.evidence.audit_wording import (
    NORMS,
    Ball,
    Record,
    Row,
    Rows,
    ball_name,
    balls,
    by_norm,
    count,
    distance,
    path_name,
    share,
    smaller,
)
from hoodwink.evidence.charts import spread
from hoodwink.models.card import WORDLISTS

_MANY = 24  # classes that are shown without being asked for
_STAGES = {
    "clean": "Reading the originals",
    "search": "Short search",
    "target": "Short passes toward targets",
    "long": "Long passes toward targets",
    "aims": "Weighing targets",
    "large": "A ball that should fell all",
    "objective": "The objective given",
    "queries": "Queries, as gradients mislead",
}
_FROM = {"all": "felled a sentinel, so sent to all", "own": "attack of one's own", "given": "pictures given"}


def stage_tables(record: Record) -> list[Row]:
    """For each ball its stages, and how many pictures had fallen in a smaller ball already."""
    return [_stage_table(record, ball) for ball in balls(record)]


def stage_title(name: str) -> str:
    """A stage in words."""
    kind, _, rest = name.partition(": ")
    if kind == "sentinel":
        return rest
    if kind in ("all", "own", "given"):
        return f"{rest} ({_FROM[kind]})"
    return _STAGES.get(name.partition(" ")[0], name)


def felled_by(stage: str) -> str:
    """The stage that felled a picture, within a sentence."""
    title = stage_title(stage)
    return f"{title[:1].lower()}{title[1:]}{' (sentinels)' if stage.startswith('sentinel: ') else ''}"


def classes(record: Record) -> Row:
    """The classes with their share rightly named and standing in each ball; `many`: more than one screen of them."""
    found, first = balls(record), balls(record)[0]["per_class"]
    rows = [
        {
            "name": row["class"],
            "pictures": row["pictures"],
            "right": row["right"] / max(1, row["pictures"]),
            "clean": f"{row['right']} ({share(row['right'], max(1, row['pictures']))})",
            "standing": [_of_class(ball["per_class"][k]) for ball in found],
        }
        for k, row in enumerate(first)
    ]
    return {"names": [ball_name(ball["case"]) for ball in found], "rows": rows, "many": len(rows) > _MANY}


def spreads(record: Record) -> list[tuple[str, Markup]]:
    """How far the felling pictures are from their originals, for each norm whose felled have distances."""
    return [
        (f"{NORMS.get(norm, norm)}: felled pictures by distance{' in levels' if norm == 'linf' else ''}", _spread(norm, found))
        for norm, found in by_norm(record).items()
        if found[-1]["distances"]
    ]


def middle(record: Record) -> list[str]:
    """The median and the least distance of each ball's felled, in words."""
    said = []
    for ball in balls(record):
        values, norm = sorted(ball["distances"].values()), ball["case"]["norm"]
        if values:
            half = values[(len(values) - 1) // 2]
            said.append(f"{ball_name(ball['case'])}: least {distance(values[0], norm)}, median {distance(half, norm)}, of {len(values):,}.")
    return said


def costs(record: Record) -> list[Row]:
    """What the audit cost: name, value, note."""
    result, every = record["result"], [stage for ball in balls(record) for stage in ball["stages"]]
    gradients, forwards = sorted(result["gradients"]), sum(result["forwards"])
    posted = [stage for stage in every if stage["sentinel"]]
    apart = {name: sum(stage[name] for stage in posted) for name in ("gradients", "forwards", "seconds")}
    searched, whole = sum(stage["seconds"] for stage in every) - apart["seconds"], max(1, len(gradients))
    return [
        _fact("Gradients a picture", f"{sum(gradients) / whole:,.1f}", f"median {gradients[(whole - 1) // 2]:,}, most {gradients[-1]:,}"),
        _fact("with the sentinels'", f"{(sum(gradients) + apart['gradients']) / whole:,.1f}", f"{apart['gradients']:,} more in all"),
        _fact("Forward evaluations", f"{forwards:,}", f"and {apart['forwards']:,} of the sentinels"),
        _fact("Search", seconds(searched), f"{apart['seconds']:,.1f} s of sentinels; {result['seconds']:,.1f} s in all"),
    ]


def seconds(value: float) -> str:
    """A time in words."""
    return f"{value:.1f} s" if value < 120 else f"{int(value // 60)} min {int(value % 60)} s"


def prepared(record: Record) -> Row:
    """What was done to the network for the search, and what was left as it was."""
    made = record["result"].get("prepared") or {}
    steps, left = list(made.get("steps", [])), list(made.get("left", []))
    if not steps:
        said = "The search asked the original network itself."
    else:
        said = (
            "The search asked a faster copy of the network, which was first proven equal on real pictures: the largest difference of a logit "
            f"was {made.get('largest', 0):.2g} of the picture's largest. Every picture that fells was judged by the original network."
        )
    disputed = record["result"].get("disputed", 0)
    if disputed:
        said += f" {count(disputed, 'find')} of the copy did not convince the original and do{'es' if disputed == 1 else ''} not count."
    return {"said": said, "steps": steps, "left": left}


def names(record: Record) -> Sequence[str]:
    """The names of the network's classes, () where the record has none."""
    card = record["models"][0].get("card", {}) if record.get("models") else {}
    if card.get("wordlist") in WORDLISTS:
        return WORDLISTS[card["wordlist"]]().names
    return [str(name) for name in card.get("classes") or ()]


def command(name: str) -> str:
    """The line that verifies the run folder of that name."""
    return f"hoodwink verify {shlex.quote(name)}"


def tables(record: Record) -> list[tuple[str, Rows]]:
    """Settings, pictures, network and versions, as tables."""
    settings = [(key.replace("_", " "), _plain(key, value)) for key, value in record["settings"].items() if value not in (None, [])]
    pictures = [
        (key.replace("_", " "), path_name(value)) for entry in record.get("inputs", []) for key, value in entry.items() if _short(value)
    ]
    run = [(key, str(record[key])) for key in ("command", "device", "threads") if key in record]
    run += [(key, str(value)) for key, value in record.get("versions", {}).items()]
    return [("Settings", settings), ("Pictures", pictures), ("Network", _networks(record)), ("Made with", run)]


def _networks(record: Record) -> Rows:
    rows = []
    for model in record["models"]:
        card = model.get("card", {})
        rows.append(("name", ", ".join(filter(None, (str(model["name"]), card.get("source"), card.get("licence"))))))
        rows.append(("SHA-256 of its weights", str(model["weights_sha256"])))
    return rows


def _plain(key: str, value: Any) -> str:
    if key == "cases":
        return ", ".join(map(ball_name, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _short(value: object) -> bool:
    """Whether a value can be printed: hashes and members of thousands of pictures cannot."""
    return value is not None and not isinstance(value, (list, dict))


def _spread(norm: str, found: Sequence[Ball]) -> Markup:
    unit = 255 if norm == "linf" else 1
    return spread(
        [round(255 * value) if norm == "linf" else float(value) for value in found[-1]["distances"].values()],
        title=f"How many felled pictures are how far from their originals ({NORMS.get(norm, norm)})",
        marks=[unit * float(ball["case"]["eps"]) for ball in found],
        whole=norm == "linf",
    )


def _stage_table(record: Record, ball: Ball) -> Row:
    inner = smaller(record, ball)
    earlier = sum(index in ball["by"] for index in inner["by"]) if inner else 0
    return {
        "name": ball_name(ball["case"]),
        "earlier": earlier and f"{count(earlier, 'picture')} had fallen in the ball {ball_name(inner['case'])} already." if inner else "",
        "rows": [_stage(stage, max(1, ball["felled"])) for stage in ball["stages"]],
    }


def _stage(stage: Mapping[str, Any], felled: int) -> Row:
    on_grid = 0 if stage["free"] else stage["felled"]
    return {**stage, "title": stage_title(stage["name"]), "share": on_grid / felled, "attack": stage["attack"].strip("-")}


def _of_class(row: Mapping[str, Any]) -> Row:
    whole = max(1, row["pictures"])
    return {"share": row["standing"] / whole, "text": f"{row['standing']} ({share(row['standing'], whole)})"}


def _fact(name: str, value: str, note: str) -> Row:
    return {"name": name, "value": value, "note": note}
