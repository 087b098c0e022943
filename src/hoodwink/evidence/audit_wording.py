"""What the report of an audit says, in words and numbers ready to print: from its record alone."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from markupsafe import Markup

from hoodwink.evidence.charts import accuracies, spread, stack
from hoodwink.models.card import WORDLISTS

Record = Mapping[str, Any]
Ball = Mapping[str, Any]
Row = dict[str, Any]
Rows = list[tuple[str, str]]

NORMS = {"linf": "L\u221e", "l2": "L2", "l1": "L1"}
_MANY = 24  # classes that are shown without being asked for
_FINE = 1000  # pictures from which a hundredth of a percent is a picture
_PARTS = {
    "proven": "proven to stand",
    "stands": "not felled",
    "unfinished": "not felled, search cut short",
    "felled": "felled by a file",
    "wrong": "wrong from the start",
}
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


def balls(record: Record) -> list[Ball]:
    """The answers, one for each ball."""
    found: list[Ball] = record["result"]["by_eps"]
    return found


def smaller(record: Record, ball: Ball) -> Ball | None:
    """The next smaller ball of the same norm."""
    norm, eps = ball["case"]["norm"], ball["case"]["eps"]
    inner = [other for other in balls(record) if other["case"]["norm"] == norm and other["case"]["eps"] < eps]
    return max(inner, key=lambda other: float(other["case"]["eps"]), default=None)


def by_norm(record: Record) -> dict[str, list[Ball]]:
    """The balls of each norm, from small to large."""
    found: dict[str, list[Ball]] = {}
    for ball in sorted(balls(record), key=lambda one: float(one["case"]["eps"])):
        found.setdefault(ball["case"]["norm"], []).append(ball)
    return {norm: found[norm] for norm in dict.fromkeys(ball["case"]["norm"] for ball in balls(record))}


def size(case: Mapping[str, Any]) -> str:
    """The size of a ball: "8/255", "0.5"."""
    levels = 255 * float(case["eps"])
    whole = case["norm"] == "linf" and abs(levels - round(levels)) < 1e-6
    return f"{round(levels)}/255" if whole else f"{case['eps']:g}"


def ball_name(case: Mapping[str, Any]) -> str:
    """The ball in words: "L-infinity 8/255"."""
    return f"{NORMS.get(case['norm'], case['norm'])} {size(case)}"


def distance(value: float, norm: str) -> str:
    """A distance in [0, 1] units in words: levels for linf."""
    return count(round(255 * value), "level") if norm == "linf" else f"{NORMS.get(norm, norm)} {value:.4g}"


def share(part: float, whole: int) -> str:
    """So many of so many, in percent."""
    return f"{100 * part / whole:.{2 if whole > _FINE else 1}f} %"


def count(number: int, word: str) -> str:
    """A number of things: "1 level", "2 levels", "1,024 pictures"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def bounded(record: Record) -> bool:
    """Whether the figures are bounds from above and no more: a grave sign, or a search that was cut short."""
    return not record["result"]["vouched"] or any(ball["unfinished"] for ball in balls(record))


def headline(record: Record) -> str:
    """How many stand, for each ball; of more than three of a norm the first and the last."""
    said = [_said(norm, found) for norm, found in by_norm(record).items()]
    return ("At most " if bounded(record) else "") + "; ".join(said)


def summary(record: Record) -> str:
    """What was asked of whom."""
    first = balls(record)[0]
    right, whole = first["all"] - first["wrong"], first["all"]
    model = record["models"][0]["name"]
    return (
        f"{model} was shown {count(whole, 'picture')}{_of_what(record)} and names {right:,} of them rightly ({share(right, whole)}). "
        "Then each of these was searched for a small change that makes it answer wrongly. A picture is felled when such a file was found: "
        "whole levels from 0 to 255, inside the ball, and judged as the file is read. The others stand."
    )


def brackets(record: Record) -> list[Row]:
    """For each ball the bracket: proven, standing, unfinished, felled, wrong, off the grid; with a bar."""
    return [_bracket(record, ball) for ball in balls(record)]


def legend(record: Record) -> Rows:
    """The parts that the bars have, as class and words."""
    there = {kind for ball in brackets(record) for kind in ball["kinds"]}
    return [(kind, text) for kind, text in _PARTS.items() if kind in there]


def charts(record: Record) -> list[tuple[str, Markup]]:
    """Accuracy against eps for each norm that has several balls."""
    return [
        (f"{NORMS.get(norm, norm)}: standing by size of the ball (eps)", _chart(norm, found))
        for norm, found in by_norm(record).items()
        if len(found) > 1
    ]


def samples(record: Record) -> list[tuple[str, str]]:
    """For each ball what its sentinels imply."""
    return [(ball_name(ball["case"]), _sampled(record, ball)) for ball in balls(record)]


def signs(record: Record) -> list[Row]:
    """The signs of a misleading network, those that were seen first, the grave ones of these before the others."""
    found = [{**sign, "state": _state(sign)} for sign in record["result"]["signs"]]
    return sorted(found, key=lambda sign: (not sign["found"], not (sign["found"] and sign["grave"])))


def stage_tables(record: Record) -> list[Row]:
    """For each ball its stages, and how many pictures had fallen in a smaller ball already."""
    return [_stage_table(record, ball) for ball in balls(record)]


def stage_title(name: str) -> str:
    """A stage in words."""
    kind, _, rest = name.partition(": ")
    if kind == "sentinel":
        return rest[:1].upper() + rest[1:]
    if kind in ("all", "own", "given"):
        return f"{rest} ({_FROM[kind]})"
    return _STAGES.get(name.partition(" ")[0], name)


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
    pictures = [(key.replace("_", " "), _path(value)) for entry in record.get("inputs", []) for key, value in entry.items() if _short(value)]
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


def _path(value: object) -> str:
    """A value of the record; of a path only the name, for a report is passed on."""
    text = str(value)
    return PurePath(text).name if PurePath(text).is_absolute() else text


def _of_what(record: Record) -> str:
    first = next(iter(record.get("inputs", [])), {})
    name = ":".join(_path(first[key]) for key in ("name", "split") if first.get(key))
    part = "shard {} of {} of ".format(*first["shard"]) if first.get("shard") and name else ""
    return f" of {part}{name}" if name else ""


def _said(norm: str, found: Sequence[Ball]) -> str:
    shown = [found[0], found[-1]] if len(found) > 3 else found
    first, *others = [(share(ball["robust"], ball["all"]), size(ball["case"])) for ball in shown]
    text = f"{first[0]} stand at {NORMS.get(norm, norm)} {first[1]}"
    return ", ".join([text, *(f"{part} at {eps}" for part, eps in others)])


def _bracket(record: Record, ball: Ball) -> Row:
    whole, robust, proven = ball["all"], ball["robust"], ball["certified"]
    parts = {
        "proven": proven or 0,
        "stands": robust - ball["unfinished"] - min(proven or 0, robust - ball["unfinished"]),
        "unfinished": min(ball["unfinished"], robust - (proven or 0)),
        "felled": ball["felled"],
        "wrong": ball["wrong"],
    }
    free = None if ball["free"] is None else whole - ball["wrong"] - ball["free"]
    return {
        "name": ball_name(ball["case"]),
        "value": share(robust, whole),
        "most": not record["result"]["vouched"] or ball["unfinished"] > 0,
        "all": whole,
        "robust": robust,
        "felled": ball["felled"],
        "wrong": ball["wrong"],
        "unfinished": ball["unfinished"],
        "proven": None if proven is None else f"{share(proven, whole)} ({proven:,})",
        "standing": f"{share(robust, whole)} ({robust:,})",
        "free": None if free is None else f"{share(free, whole)} ({free:,})",
        "bar": stack([(number / whole, kind) for kind, number in parts.items()]),
        "kinds": [kind for kind, number in parts.items() if number],
    }


def _chart(norm: str, found: Sequence[Ball]) -> Markup:
    first = found[0]["clean_accuracy"]

    def curve(key: str) -> list[tuple[float, float]]:
        points = [(float(ball["case"]["eps"]), ball[key]) for ball in found]
        return [(0.0, first), *points] if all(share is not None for _, share in points) else []

    return accuracies(
        curve("robust_accuracy"),
        ["0", *(size(ball["case"]) for ball in found)],
        title=f"{NORMS.get(norm, norm)}: the share of pictures that stand, against eps",
        certified=curve("certified_accuracy"),
        free=curve("free_accuracy"),
    )


def _spread(norm: str, found: Sequence[Ball]) -> Markup:
    unit = 255 if norm == "linf" else 1
    return spread(
        [round(255 * value) if norm == "linf" else float(value) for value in found[-1]["distances"].values()],
        title=f"How many felled pictures are how far from their originals ({NORMS.get(norm, norm)})",
        marks=[unit * float(ball["case"]["eps"]) for ball in found],
        whole=norm == "linf",
    )


def _sampled(record: Record, ball: Ball) -> str:
    sample, whole = ball["sample"], ball["all"]
    if sample is None:
        return _unsampled(record, ball)
    stood, number = _stood(record, ball), len(sample["chosen"])
    if not number:
        return "Nobody was left standing, so there was nothing to sample: what is felled is felled for certain."
    drawn = f"All {stood:,} that stood" if _all_asked(sample) else f"Of the {stood:,} that stood, {number:,} drawn at random"
    fell = f"{sample['felled']} fell as files" + (f", {sample['free']} off the grid only" if sample["free"] else "")
    text = f"{drawn} got the full budget of every attack: {fell}."
    if sample["felled"]:
        text += " The kind of attack that felled was then sent to all that stood."
    return f"{text} {_implied(sample, stood, ball['robust'], whole)}"


def _unsampled(record: Record, ball: Ball) -> str:
    if ball["unfinished"]:
        return "No sentinels were posted, because the time was up: nothing is known of what a longer search would have felled."
    asked = record["settings"].get("sentinels")
    why = "none were asked for (--sentinels 0)" if not asked else "this ball got none"
    return f"No sentinels were posted: {why}. Nothing is known of what a longer search would have felled."


def _implied(sample: Mapping[str, Any], stood: int, robust: int, whole: int) -> str:
    """The interval in words; the record's bounds hold with 95 % confidence each."""
    if _all_asked(sample):
        return "That is all of them, so the figure is what a full run gives."
    least, most = math.floor(stood * (1 - sample["above"])), min(robust, math.ceil(stood * (1 - sample["below"])))
    return (
        f"So a full run would have felled between {100 * sample['below']:.1f} % and {100 * sample['above']:.1f} % of the survivors "
        f"(95 % confidence for each bound) and left between {share(least, whole)} and {share(most, whole)} of all pictures standing."
    )


def _all_asked(sample: Mapping[str, Any]) -> bool:
    return bool(sample["below"] == sample["above"])


def _stood(record: Record, ball: Ball) -> int:
    """How many stood when the sentinels were drawn: those that stand now, and those that fell to them or in their wake."""
    inner = smaller(record, ball)
    earlier = inner["by"] if inner else {}
    late = sum(stage.startswith(("sentinel: ", "all: ")) for index, stage in ball["by"].items() if index not in earlier)
    return int(ball["robust"]) + late


def _state(sign: Mapping[str, Any]) -> str:
    return "seen" if sign["found"] else "not looked for" if str(sign["what"]).startswith("not ") else "not seen"


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
