"""A hand-made audit: pictures that a tiny network is fooled by, and the record that an audit of them would leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.evidence.audits import FOOLED, Felled
from hoodwink.models.model import Model
from hoodwink.runs import Run

CASES = [{"norm": "linf", "eps": 2 / 255}, {"norm": "linf", "eps": 4 / 255}]
MOVED = {1: 1, 3: 2, 4: 2, 6: 4, 7: 3}  # index of a felled picture: by how many levels it was moved


def red(lead: int, size: int = 8) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture that is redder than green by so many levels."""
    return np.broadcast_to(np.array([130, 130 - lead, 90], np.uint8), (size, size, 3)).copy()


def felled(size: int = 8) -> Felled:
    """Five red pictures that are green after a change of at most the levels of their case; the first case fells the first three."""
    originals = [red(2 * levels - 1, size) for levels in MOVED.values()]
    change = [np.array([-levels, levels, 0]) for levels in MOVED.values()]
    return Felled(
        pictures=[(before + moved).astype(np.uint8) for before, moved in zip(originals, change, strict=True)],
        originals=originals,
        index=np.array(list(MOVED), np.int64),
        label=np.zeros(5, np.int64),
        case=np.array([int(levels > 2) for levels in MOVED.values()], np.int64),
    )


def stage(name: str, attack: str, met: int, fell: int, **others: Any) -> dict[str, Any]:
    """One stage that costs ten gradients and two forwards for each picture that it met."""
    cost = {"gradients": 10 * met, "forwards": 2 * met, "seconds": 0.25, "free": False, "sentinel": False}
    return {"name": name, "attack": attack, "met": met, "felled": fell, **cost, **others}


def ball(case: dict[str, Any], by: dict[int, str], stages: list[dict[str, Any]], **others: Any) -> dict[str, Any]:
    """The answer for one ball of ten pictures, of which 0 and 9 are wrong from the start."""
    standing = [index for index in range(1, 9) if index not in by]
    found = {
        "name": f"{case['norm']} {round(255 * case['eps'])}/255",
        "case": case,
        "all": 10,
        "wrong": 2,
        "felled": len(by),
        "robust": len(standing),
        "unfinished": 0,
        "free": None,
        "certified": None,
        "survivors": standing,
        "by": {str(index): name for index, name in by.items()},
        "distances": {str(index): MOVED[index] / 255 for index in by},
        "stages": stages,
        "sample": {"chosen": standing[:2], "felled": 0, "free": 0, "below": 0.0, "above": 0.7764, "count": 2},
        "hardest": standing[::-1],
        "easiest": sorted(by, key=lambda index: (MOVED[index], index)),
        "per_class": [{"class": "red", "pictures": 10, "right": 8, "standing": len(standing)}],
        "seconds": 1.0,
        **others,
    }
    free, proven = found["free"], found["certified"]
    return found | {
        "clean_accuracy": 0.8,
        "robust_accuracy": found["robust"] / 10,
        "free_accuracy": None if free is None else (8 - free) / 10,
        "certified_accuracy": None if proven is None else proven / 10,
    }


def sign(name: str, *, found: bool = False, grave: bool = True) -> dict[str, Any]:
    return {"name": name, "found": found, "what": f"what of {name}", "means": f"means of {name}.", "do": f"do of {name}.", "grave": grave}


def result(**others: Any) -> dict[str, Any]:
    """What run.json holds under "result" for ten pictures and the two balls of CASES; five fell, the last of them to sentinels."""
    first = dict.fromkeys((1, 3, 4), "search")
    early = [stage("clean", "-", 10, 0), stage("search", "pgd", 8, 3), stage("sentinel: apgd ce", "apgd", 2, 0, sentinel=True)]
    late = [stage("search", "pgd", 5, 1), stage("sentinel: apgd targets", "apgd", 4, 1, sentinel=True)]
    return {
        "by_eps": [ball(CASES[0], first, early), ball(CASES[1], {**first, 6: "long 1.2.3", 7: "sentinel: apgd targets 2"}, late)],
        "signs": [sign("random outputs"), sign("queries beat gradients"), sign("budget unspent", grave=False)],
        "vouched": True,
        "gradients": [0, 10, 30, 20, 20, 40, 50, 40, 30, 0],
        "forwards": [1] * 10,
        "seconds": 12.5,
        "notes": [],
        "disputed": 0,
        "prepared": {"steps": ["folded: 3"], "left": [], "largest": 3e-7},
        **others,
    }


def audit_record(model: Model, **others: Any) -> dict[str, Any]:
    """The run.json of that audit; keywords replace parts of its result."""
    answer = result(**others)
    cases = [one["case"] for one in answer["by_eps"]]
    card = model.card
    return {
        "hoodwink": "0.1.0",
        "command": "audit",
        "arguments": ["audit", "tiny", "/somewhere/reds"],
        "settings": {
            "cases": cases,
            "budget": "standard",
            "sentinels": 2,
            "free": False,
            "certify": False,
            "attacks": [],
            "objective": None,
        },
        "versions": {"hoodwink": "0.1.0", "torch": "2.13.0"},
        "device": "cpu",
        "threads": 1,
        "seed": 0,
        "models": [{"spec": None, "options": {}, "name": card.name, "weights_sha256": card.weights_sha256, "card": card.to_json()}],
        "inputs": [{"name": "/somewhere/reds", "split": "", "pictures": 10, "content_sha256": "ab" * 32, "hashes": ["cd" * 32] * 10}],
        "claims": [
            {"kind": "audit", "file": FOOLED, "model": 0, "values": {**one["case"], "cases": cases, "felled": one["felled"]}}
            for one in answer["by_eps"]
        ],
        "result": answer,
    }


def write_audit(directory: Path, model: Model, found: Felled | None = None, **others: Any) -> Path:
    """The finished run folder of that audit; keywords replace parts of its result."""
    run = Run.create(directory, audit_record(model, **others))
    run.write(FOOLED, (felled() if found is None else found).pack())
    run.finish()
    return directory
