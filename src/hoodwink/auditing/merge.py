"""The finished shards of an audit, joined into one run folder as if it had been done in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.auditing.chance import bounds
from hoodwink.auditing.records import AuditError
from hoodwink.evidence.audits import FOOLED, Felled
from hoodwink.models.card import ModelCard
from hoodwink.runs import Run, one_line, sha256_file

Record = dict[str, Any]
_ADDED = ("all", "wrong", "felled", "robust", "unfinished")
_LISTED = 12  # of the hardest and of the easiest pictures
_OWN = ("members", "shard", "hashes", "pictures", "content_sha256")  # what each shard's inputs say of its own part


def merge(folders: Sequence[str | Path], out: str | Path, *, force: bool = False, arguments: Sequence[str] = ()) -> Run:
    """Join the run folders of all shards of an audit; the result is a finished run folder with claims, pictures and a report.

    Counts are added, and indices are those of the whole data set. Raises AuditError or RunError for shards that are unfinished, changed,
    missing, doubled, or of different settings, networks or data.
    """
    shards = [_open(Path(folder)) for folder in folders]
    _check_alike(shards)
    shards.sort(key=lambda run: int(_input(run)["shard"][0]))
    _check_whole(shards)
    first = shards[0].record
    record = {
        **{key: value for key, value in first.items() if key not in ("claims", "result")},
        "arguments": list(arguments),
        "settings": {**first["settings"], "sentinels": sum(run.record["settings"]["sentinels"] for run in shards)},
        "inputs": [_whole_input(shards)],
        "merged": [_about(run) for run in shards],
    }
    result = _result(shards)
    run = Run.create(out, record, force=force)
    found = _felled(shards)
    if len(found):
        run.write(FOOLED, found.pack())
    run.update(claims=_claims(shards, result), result=result)
    _write_report(run)
    run.finish()
    return run


def find_shards(folder: str | Path) -> list[Path]:
    """The folders DIR/shard-*; AuditError where there are none."""
    found = sorted(path for path in Path(folder).glob("shard-*") if path.is_dir())
    if not found:
        raise AuditError(f"{one_line(folder)}: holds no folder shard-*; name the --out of audits with --shard, or the shards' folders")
    return found


def _open(folder: Path) -> Run:
    run = Run.open(folder)
    inputs = run.record.get("inputs") or [{}]
    if run.record.get("command") != "audit" or "members" not in inputs[0] or "shard" not in inputs[0]:
        raise AuditError(f"{one_line(folder)}: a shard of an audit was wanted, this is another run; name folders of audits with --shard")
    if not run.finished:
        raise AuditError(f"{one_line(folder)}: this shard is unfinished; type its command again with --resume")
    changed = run.check()
    if changed:
        raise AuditError(f"{one_line(folder)}: {', '.join(changed[:3])} changed since the shard was finished; run the shard again")
    return run


def _check_alike(shards: Sequence[Run]) -> None:
    """Refuse shards of different audits."""
    if not shards:
        raise AuditError("merge: the folders of one shard or more were wanted, none came")
    for about, pick in (
        ("settings", lambda run: run.record["settings"]),
        ("networks", lambda run: [(model["weights_sha256"], model["card"]) for model in run.record["models"]]),
        ("data", lambda run: {key: value for key, value in _input(run).items() if key not in _OWN}),
        ("number of shards", lambda run: _input(run)["shard"][1]),
    ):
        for other in shards[1:]:
            if pick(other) != pick(shards[0]):
                pair = f"{one_line(other.directory)} and {one_line(shards[0].directory)}"
                raise AuditError(f"{pair} are shards of different audits: their {about} differ; merge the shards of one")


def _check_whole(shards: Sequence[Run]) -> None:
    """Refuse shards that are missing or come twice, and pictures that nobody took."""
    count = int(_input(shards[0])["shard"][1])
    numbers = [int(_input(run)["shard"][0]) for run in shards]
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    if twice:
        raise AuditError(f"shard {twice[0]} of {count} came more than once; name each shard once")
    missing = sorted(set(range(1, count + 1)) - set(numbers))
    if missing:
        named = ", ".join(map(str, missing[:8])) + (" ..." if len(missing) > 8 else "")
        raise AuditError(f"{'shard' if len(missing) == 1 else 'shards'} {named} of {count} missing; finish and name all of them")
    taken = sorted(index for run in shards for index in _input(run)["members"])
    if taken != list(range(_input(shards[0])["count"])):
        raise AuditError(
            "the shards do not make up the data set: some pictures are in none or in two; they were split by different versions"
        )


def _whole_input(shards: Sequence[Run]) -> Record:
    inputs = [_input(run) for run in shards]
    hashes = _spread(shards, lambda run: _input(run)["hashes"]) if all("hashes" in one for one in inputs) else None
    common = {key: value for key, value in inputs[0].items() if key not in _OWN}
    return {**common, "pictures": inputs[0]["count"], **({} if hashes is None else {"hashes": hashes})}


def _about(run: Run) -> Record:
    """Where a shard came from, for the merged record."""
    seconds, device = run.record["result"]["seconds"], run.record["device"]
    sha256 = sha256_file(run.directory / "run.json")
    return {"folder": str(run.directory), "shard": _input(run)["shard"], "sha256": sha256, "seconds": seconds, "device": device}


def _result(shards: Sequence[Run]) -> Record:
    """The results of shards added up, as `AuditResult.to_json` has it."""
    results = [run.record["result"] for run in shards]
    balls = [[_moved(ball, _input(run)["members"]) for ball in result["by_eps"]] for run, result in zip(shards, results, strict=True)]
    signs = [_sign(list(same)) for same in zip(*(result["signs"] for result in results), strict=True)]
    return {
        "by_eps": [_ball(list(parts), _classes(shards[0])) for parts in zip(*balls, strict=True)],
        "signs": signs,
        "vouched": not any(sign["found"] and sign["grave"] for sign in signs),
        "gradients": _spread(shards, lambda run: run.record["result"]["gradients"]),
        "forwards": _spread(shards, lambda run: run.record["result"]["forwards"]),
        "seconds": sum(result["seconds"] for result in results),
        "notes": _notes(results),
        "disputed": sum(result["disputed"] for result in results),
        "prepared": results[0]["prepared"],
    }


def _moved(ball: Record, members: Sequence[int]) -> Record:
    """One shard's answer for a ball, its indices those of the whole data set."""
    lists = {name: [members[index] for index in ball[name]] for name in ("survivors", "hardest", "easiest")}
    keyed = {name: {members[int(index)]: value for index, value in ball[name].items()} for name in ("by", "distances")}
    sample = ball["sample"] and {**ball["sample"], "chosen": [members[index] for index in ball["sample"]["chosen"]]}
    return {**ball, **lists, **keyed, "sample": sample}


def _ball(parts: list[Record], classes: Sequence[str]) -> Record:
    """The answers of all shards for one ball, added up."""
    sums = {name: sum(part[name] for part in parts) for name in _ADDED}
    some = {
        name: None if any(part[name] is None for part in parts) else sum(part[name] for part in parts) for name in ("free", "certified")
    }
    distances = {index: size for part in parts for index, size in part["distances"].items()}
    count, right = sums["all"], sums["all"] - sums["wrong"]
    return {
        **parts[0],
        **sums,
        **some,
        "clean_accuracy": right / count,
        "robust_accuracy": sums["robust"] / count,
        "free_accuracy": None if some["free"] is None else (right - some["free"]) / count,
        "certified_accuracy": None if some["certified"] is None else some["certified"] / count,
        "seconds": sum(part["seconds"] for part in parts),
        "survivors": sorted(index for part in parts for index in part["survivors"]),
        "by": _texts({index: stage for part in parts for index, stage in part["by"].items()}),
        "distances": _texts(distances),
        "stages": _stages(parts),
        "sample": _sample(parts),
        "hardest": _in_turn([part["hardest"] for part in parts])[:_LISTED],
        "easiest": sorted({index for part in parts for index in part["easiest"]}, key=lambda index: (distances[index], index))[:_LISTED],
        "per_class": _per_class(parts, classes),
    }


def _stages(parts: Sequence[Record]) -> list[Record]:
    merged: dict[tuple[Any, ...], Record] = {}
    for stage in (stage for part in parts for stage in part["stages"]):
        key = tuple(stage[name] for name in ("name", "free", "sentinel"))
        known = merged.setdefault(key, {**stage, **dict.fromkeys(("met", "felled", "gradients", "forwards", "seconds"), 0)})
        for name in ("met", "felled", "gradients", "forwards", "seconds"):
            known[name] += stage[name]
    return list(merged.values())


def _sample(parts: Sequence[Record]) -> Record | None:
    """All sentinels as one sample: the shards are random parts of one size, so it is one of all survivors, very nearly."""
    samples = [part["sample"] for part in parts]
    if any(sample is None for sample in samples):
        return None
    chosen = sorted(index for sample in samples for index in sample["chosen"])
    felled, free = (sum(sample[name] for sample in samples) for name in ("felled", "free"))
    exact = all(sample["below"] == sample["above"] for sample in samples)  # everybody who stood was asked
    below, above = (felled / max(1, len(chosen)),) * 2 if exact else bounds(felled, len(chosen))
    return {**samples[0], "chosen": chosen, "felled": felled, "free": free, "below": below, "above": above}


def _per_class(parts: Sequence[Record], classes: Sequence[str]) -> list[Record]:
    rows: dict[str, Record] = {}
    for row in (row for part in parts for row in part["per_class"]):
        known = rows.setdefault(row["class"], {**row, **dict.fromkeys(("pictures", "right", "standing"), 0)})
        for name in ("pictures", "right", "standing"):
            known[name] += row[name]
    return [rows[name] for name in classes if name in rows]


def _sign(same: list[Record]) -> Record:
    """One sign as every shard saw it: seen if any did."""
    seen = [sign for sign in same if sign["found"]]
    what = "; ".join(dict.fromkeys(sign["what"] for sign in seen or same[:1]))
    return {**(seen or same)[0], "found": bool(seen), "what": what, "grave": any(sign["grave"] for sign in seen or same)}


def _notes(results: Sequence[Record]) -> list[str]:
    """What every shard notes once, the rest with its number, for it may speak of pictures by theirs."""
    common = [note for note in results[0]["notes"] if all(note in result["notes"] for result in results)]
    own = [f"shard {k}: {note}" for k, result in enumerate(results, 1) for note in result["notes"] if note not in common]
    return [*common, *own]


def _felled(shards: Sequence[Run]) -> Felled:
    """The felling pictures of all shards, by their index in the whole data set."""
    files = [(run, run.directory / FOOLED) for run in shards]
    found = [(Felled.read(path), np.array(_input(run)["members"], dtype=np.int64)) for run, path in files if path.is_file()]
    index = np.concatenate([np.zeros(0, np.int64), *(members[one.index] for one, members in found)])
    label, case = (np.concatenate([np.zeros(0, np.int64), *(getattr(one, name) for one, _ in found)]) for name in ("label", "case"))
    order = np.argsort(index, kind="stable")
    pictures, originals = ([levels for one, _ in found for levels in getattr(one, name)] for name in ("pictures", "originals"))
    return Felled([pictures[k] for k in order], [originals[k] for k in order], index[order], label[order], case[order])


def _claims(shards: Sequence[Run], result: Record) -> list[Record]:
    """For each ball in which a shard claims something the same of all of them."""
    known = [claim for run in shards for claim in run.record.get("claims", [])]
    first = {(claim["values"]["norm"], claim["values"]["eps"]): claim for claim in reversed(known)}
    draws = {"draws": max((claim["values"].get("draws", 1) for claim in known), default=1)}
    balls = {(ball["case"]["norm"], ball["case"]["eps"]): ball["felled"] for ball in result["by_eps"]}
    return [{**first[case], "values": {**first[case]["values"], **draws, "felled": balls[case]}} for case in balls if case in first]


def _write_report(run: Run) -> None:
    from hoodwink.evidence.audit_report import audit_report_html

    run.write("report.html", audit_report_html(run.directory).encode())


def _input(run: Run) -> Record:
    found: Record = run.record["inputs"][0]
    return found


def _classes(run: Run) -> Sequence[str]:
    return ModelCard.from_json(run.record["models"][0]["card"]).find_classes().names


def _spread(shards: Sequence[Run], pick: Callable[[Run], Sequence[Any]]) -> list[Any]:
    """A value for each picture, from what each shard has for its own."""
    found: list[Any] = [None] * sum(len(_input(run)["members"]) for run in shards)
    for run in shards:
        for index, value in zip(_input(run)["members"], pick(run), strict=True):
            found[index] = value
    return found


def _texts(values: Mapping[int, Any]) -> dict[str, Any]:
    """By index in order, as JSON has it."""
    return {str(index): values[index] for index in sorted(values)}


def _in_turn(lists: Sequence[Sequence[int]]) -> list[int]:
    """The first of each, then the second of each, and so on."""
    return [item for turn in zip_longest(*lists) for item in turn if item is not None]
