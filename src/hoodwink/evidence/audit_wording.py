"""What the report of an audit says, in words and numbers ready to print: from its record alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from markupsafe import Markup

from hoodwink.evidence.charts import accuracies, stack

Record = Mapping[str, Any]
Ball = Mapping[str, Any]
Row = dict[str, Any]
Rows = list[tuple[str, str]]

NORMS = {"linf": "L\u221e", "l2": "L2", "l1": "L1"}
_FINE = 1000  # pictures from which a hundredth of a percent is a picture
_PARTS = {
    "proven": "proven to stand",
    "stands": "not felled",
    "unfinished": "not felled, search cut short",
    "felled": "felled by a file",
    "wrong": "wrong from the start",
}


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
    return f"{100 * part / whole:.{2 if whole > _FINE else 1}f}\u00a0%"


def count(number: int, word: str) -> str:
    """A number of things: "1 level", "2 levels", "1,024 pictures"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def bounded(record: Record) -> bool:
    """Whether the figures are bounds from above and no more: a grave sign, or a search that was cut short."""
    return not record["result"]["vouched"] or any(ball["unfinished"] for ball in balls(record))


def headline(record: Record) -> str:
    """How many stand, for each ball; where there are more than three, for the first and the last of each norm."""
    few = len(balls(record)) <= 3
    said = [_said(norm, found if few or len(found) < 3 else [found[0], found[-1]]) for norm, found in by_norm(record).items()]
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


def path_name(value: object) -> str:
    """A value of the record; of a path only its name, for a report is passed on."""
    text = str(value)
    return PurePath(text).name if PurePath(text).is_absolute() else text


def _of_what(record: Record) -> str:
    first: Mapping[str, Any] = next(iter(record.get("inputs", [])), {})
    name = ":".join(path_name(first[key]) for key in ("name", "split") if first.get(key))
    part = "shard {} of {} of ".format(*first["shard"]) if first.get("shard") and name else ""
    return f" of {part}{name}" if name else ""


def _said(norm: str, found: Sequence[Ball]) -> str:
    first, *others = [(share(ball["robust"], ball["all"]), size(ball["case"])) for ball in found]
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
        return [(0.0, first), *points] if all(part is not None for _, part in points) else []

    return accuracies(
        curve("robust_accuracy"),
        ["0", *(size(ball["case"]) for ball in found)],
        title=f"{NORMS.get(norm, norm)}: the share of pictures that stand, against eps",
        certified=curve("certified_accuracy"),
        free=curve("free_accuracy"),
    )


def _sampled(record: Record, ball: Ball) -> str:
    sample, whole = ball["sample"], ball["all"]
    if sample is None:
        return _unsampled(record, ball)
    stood, number = _stood(record, ball), len(sample["chosen"])
    if not number:
        return "Nobody was left standing, so there was nothing to sample: what is felled is felled for certain."
    drawn = f"All {stood:,} that stood" if _all_asked(sample) else f"Of the {stood:,} that stood, {number:,} drawn at random"
    fell = f"{sample['felled'] or 'none'} fell as {'a file' if sample['felled'] == 1 else 'files'}" + (
        f", {sample['free']} off the grid only" if sample["free"] else ""
    )
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
    late: int = sum(stage.startswith(("sentinel: ", "all: ")) for index, stage in ball["by"].items() if index not in earlier)
    return int(ball["robust"]) + late


def _state(sign: Mapping[str, Any]) -> str:
    return "seen" if sign["found"] else "not looked for" if str(sign["what"]).startswith("not ") else "not seen"
