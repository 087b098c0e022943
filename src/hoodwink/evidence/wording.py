"""What a report says of a `fool` run, in words and numbers ready to print: from its record alone."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hoodwink.evidence.charts import lines

Record = Mapping[str, Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Head:
    """What one network says before and after."""

    model: str
    before: str
    after: str
    before_share: str
    after_share: str
    says: str
    top_before: list[Row]
    top_after: list[Row]


def picture_name(record: Record) -> str:
    """The name of the changed picture's file."""
    claims = record.get("claims") or []
    return Path(str(claims[0]["file"] if claims else verdicts(record, "after")[0]["file"] or "fooled.png")).name


def original_name(record: Record) -> str:
    """The name of the original picture's file."""
    claims = record.get("claims") or [{"values": {}}]
    return str(claims[0]["values"].get("original", "original.png"))


def verdicts(record: Record, when: str) -> list[Row]:
    """The verdicts "before" or "after", one for each model; a record of one model may hold it bare."""
    found = record["result"][when]
    return list(found) if isinstance(found, Sequence) else [found]


def heads(record: Record) -> list[Head]:
    """What each network says before and after."""
    return [_head(record, *pair) for pair in zip(verdicts(record, "before"), verdicts(record, "after"), strict=True)]


def headline(record: Record) -> tuple[Head, str]:
    """The network that the headline is about, and its words between the two labels: the first that was not fooled, if any was not."""
    found, target = heads(record), record["settings"].get("target")
    if record["result"]["fooled"]:
        return found[0], "is read as"
    honest = next((head for head in found if (head.after != target if target else head.after == head.before)), found[0])
    return honest, f"is read only with {honest.after_share} as"


def summary(record: Record) -> str:
    """What was asked and what came, in two or three sentences."""
    largest = record["result"]["distances"]["linf"]
    change = f"No value in it differs from the original by more than {largest} of 255 levels."
    answer = _success(record) if record["result"]["fooled"] else _failure(record)
    return f"{answer} {change if largest else 'It is the original, unchanged.'}"


def facts(record: Record) -> list[Row]:
    """The figures that matter, as name, value and note."""
    result, first = record["result"], headline(record)[0]
    found, total = result["distances"], _subpixels(record)
    return [
        _fact("Confidence", first.after_share, f"before: {first.before}, {first.before_share}"),
        _fact("Largest change", _levels(found["linf"]), "of 255"),
        _fact("L2 distance", f"{found['l2']:.3f}", f"{255 * found['l2']:,.0f} in levels"),
        _fact("Changed", _percent(found["l0"] / total), f"{found['l0']:,} of {total:,} subpixels"),
        _fact("PSNR", _decibels(found["psnr"]), "higher is closer"),
        _fact("SSIM", f"{found['ssim']:.4f}", "1 is identical"),
        _fact("Gradients", f"{result['gradients']:,}", f"and {result['forwards']:,} forward evaluations"),
        _fact("Time", _time(result["seconds"]), f"on {record.get('device', 'cpu')}, {count(record.get('threads', 1), 'thread')}"),
    ]


def change(record: Record) -> str:
    """The change in a sentence."""
    found, total = record["result"]["distances"], _subpixels(record)
    kept = _percent(1 - found["l0"] / total)
    return f"{kept} of the values (a pixel has one for each colour) are as they were; the others moved by at most {_levels(found['linf'])}."


def counts(record: Record) -> list[tuple[int, int]]:
    """The signed change in levels and how many subpixels have it, in order."""
    return sorted((int(level), int(count)) for level, count in record["result"]["distances"]["histogram"].items())


def distance_rows(record: Record) -> list[tuple[str, str, str]]:
    """The distances: name, in [0, 1] units, in levels; or name, count, ""."""
    found = record["result"]["distances"]
    return [
        ("L2", f"{found['l2']:.4f}", f"{255 * found['l2']:,.1f}"),
        ("L\u221e, the largest", f"{found['linf'] / 255:.4f}", f"{found['linf']}"),
        ("L1, the sum", f"{found['l1']:,.2f}", f"{255 * found['l1']:,.0f}"),
        ("L0, the changed subpixels", f"{found['l0']:,} of {_subpixels(record):,}", ""),
        ("changed pixels", f"{found['pixels']:,}", ""),
    ]


def charts(record: Record) -> list[tuple[str, Markup]]:
    """The histories of objective and distance over gradient evaluations; none for a search of fewer than two entries."""
    history = [row for row in record["result"]["history"] if all(math.isfinite(row[key] or 0) for key in ("objective", "distance"))]
    shrink = next((float(row["gradients"]) for row in history if row["phase"] == "shrink"), None)
    norm = str(record["settings"].get("norm") or "l2")
    objective, distance = ([(float(r["gradients"]), float(r[k])) for r in history if r[k] is not None] for k in ("objective", "distance"))
    if len(objective) < 2 or len(distance) < 2:
        return []
    words = "Objective by gradient evaluations", f"Distance ({_NORMS.get(norm, norm)}) by gradient evaluations"
    rising = lines(objective, title=words[0], kind="after", threshold=_threshold(record["settings"]), shrink_from=shrink)
    return [(words[0], rising), (words[1], lines(distance, title=words[1], kind="before", shrink_from=shrink, floor=0.0))]


def search(record: Record) -> str:
    """How the search went, in a few sentences."""
    result, settings = record["result"], record["settings"]
    text = f"The objective is {_objective(settings)}; the climb takes no step that lowers it, as the file will be read."
    if _threshold(settings) is not None:
        text += f" Dashed: {'the confidence asked for' if settings.get('target') else 'where another label wins'}."
    if any(row["phase"] == "shrink" for row in result["history"]):
        text += " The shrink (shaded) keeps what was asked for and takes no step that enlarges the distance."
    return f"{text} {result['gradients']:,} gradient and {result['forwards']:,} forward evaluations in {_time(result['seconds'])}."


def command(name: str) -> str:
    """The line that verifies the run folder of that name."""
    return f"hoodwink verify {shlex.quote(name)}"


def proofs(record: Record, sha256: str) -> list[tuple[str, str]]:
    """The hashes of what went in and came out."""
    pictures = [(f"SHA-256 of {picture_name(record)}", sha256)]
    pictures += [(f"SHA-256 of the input {Path(str(entry['file'])).name}", str(entry["sha256"])) for entry in record.get("inputs", [])]
    return pictures + [(f"SHA-256 of the weights of {model['name']}", str(model["weights_sha256"])) for model in record["models"]]


def tables(record: Record) -> list[tuple[str, list[tuple[str, str]]]]:
    """The settings and versions, as tables."""
    settings = [(key.replace("_", " "), _plain(value)) for key, value in record["settings"].items() if value is not None]
    run = [(key, _plain(record[key])) for key in ("device", "threads") if key in record]
    for model in record["models"]:
        card = model.get("card", {})
        run.append(("network", ", ".join(filter(None, (model["name"], card.get("source"), card.get("licence"))))))
    versions = [(key, str(value)) for key, value in record.get("versions", {}).items()]
    return [("Settings", settings), ("Made with", run + versions)]


_NORMS = {"l2": "L2", "linf": "L\u221e", "l1": "L1", "l0": "L0"}


def _objective(settings: Record) -> str:
    target = settings.get("target")
    return f"the log-odds of {_quoted(target)}" if target else "the best other label's lead over the first label, in logits"


def _threshold(settings: Record) -> float | None:
    """The objective to reach: the log-odds of the confidence; 0 where any other label will do."""
    confidence = settings.get("confidence")
    if settings.get("target"):
        return math.log(confidence / (1 - confidence)) if confidence and 0 < confidence < 1 else None
    return 0.0 if confidence is None else None


def _success(record: Record) -> str:
    after, asked = verdicts(record, "after"), _asked(record)
    label = " or ".join(dict.fromkeys(_quoted(verdict["label"]) for verdict in after))
    if len(after) > 1:
        return f"Each of {len(after)} networks reads the file {picture_name(record)} as {label}{asked and f', {asked}'}."
    return f"{after[0]['model']} reads the file {picture_name(record)} as {label} with confidence {_best(after[0]):.4f}{asked and f' ({asked})'}."


def _failure(record: Record) -> str:
    target, asked = record["settings"].get("target"), _asked(record)
    goal = _quoted(target) if target else f"another label than {_quoted(verdicts(record, 'before')[0]['label'])}"
    given = [f"{verdict['model']} gives that {_share(verdict, target)}" for verdict in verdicts(record, "after") if target]
    return ". ".join((f"Asked for: {goal}{asked and f', {asked}'}", *given, "Shown is the best file found."))


def _head(record: Record, before: Row, after: Row) -> Head:
    picked = record["settings"].get("target") or after["label"]
    return Head(
        model=str(after["model"]),
        before=str(before["label"]),
        after=str(after["label"]),
        before_share=_percent(_best(before)),
        after_share=_percent(_best(after)),
        says=_says(before, after, picked),
        top_before=_rows(before, picked),
        top_after=_rows(after, picked),
    )


def _says(before: Row, after: Row, picked: str) -> str:
    return f"Its {len(after['top'])} most probable classes. {_capital(picked)}: {_share(before, picked)} before, {_share(after, picked)} after."


def _rows(verdict: Row, picked: str) -> list[Row]:
    return [
        {"name": row["class"], "share": row["probability"], "percent": _percent(row["probability"]), "picked": row["class"] == picked}
        for row in verdict["top"]
    ]


def _share(verdict: Row, name: str) -> str:
    row = next((row for row in verdict["top"] if row["class"] == name), None)
    return f"{row['probability']:.4f}" if row else f"less than {verdict['top'][-1]['probability']:.4f}"


def _best(verdict: Row) -> float:
    return float(verdict["top"][0]["probability"])


def _asked(record: Record) -> str:
    confidence = record["settings"].get("confidence")
    return (
        "" if confidence is None else f"at least {confidence:g} was asked for" if record["result"]["fooled"] else f"at least {confidence:g}"
    )


def _subpixels(record: Record) -> int:
    return max(1, sum(count for _, count in counts(record)))


def _fact(name: str, value: str, note: str) -> Row:
    return {"name": name, "value": value, "note": note}


def _percent(share: float) -> str:
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def _levels(number: int) -> str:
    return count(number, "level")


def changes_in_words(number: int, unit: str) -> str:
    """So many letters or words: "1 letter", "2 words"; unit: the plural."""
    return count(number, unit.removesuffix("s"))


def count(number: int, word: str) -> str:
    """So many of what a word names, which gets an s unless there is one."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def _decibels(value: float | None) -> str:
    return f"{value:.1f} dB" if value is not None and math.isfinite(value) else "\u221e"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _quoted(name: str) -> str:
    return f"\u201c{name}\u201d"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value) if isinstance(value, (list, dict)) else str(value)
