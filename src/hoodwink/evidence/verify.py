"""Judge a run folder again: from its files, with the original network, claim by claim."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch

from hoodwink.evidence.checks import HOLDS, UNKNOWN, Check
from hoodwink.evidence.claims import check_claim
from hoodwink.models.load import load_model
from hoodwink.models.model import Model
from hoodwink.runs import Run, RunError

HERE = "."  # the spec of a network that lies in the run folder itself

Load = Callable[[Mapping[str, Any]], Model]


@dataclass(frozen=True)
class Verification:
    """What came of a run folder: one check for each claim, and notes on what differs from the record."""

    directory: Path
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """True when there is a claim and every claim holds."""
        return bool(self.checks) and all(check.status == HOLDS for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The verification as JSON values."""
        checks = [check.to_json() for check in self.checks]
        return {"directory": str(self.directory), "holds": self.holds, "checks": checks, "notes": list(self.notes)}


def verify(directory: str | Path, *, model: Model | None = None, device: str = "cpu", trust_code: bool = False) -> Verification:
    """Judge every claim of one finished run folder from its files.

    The networks are loaded by the record's spec and options unless `model` is given; a record that names Python code
    (`python:...`) is loaded with trust_code only, for a run folder may come from anybody.
    Raises RunError for a folder that is no run folder or is unfinished.
    """
    return _verify(Path(directory), _loader(model, device, trust_code))


def verify_all(directory: str | Path, *, model: Model | None = None, device: str = "cpu", trust_code: bool = False) -> list[Verification]:
    """Verify a run folder, or each run folder directly inside a folder; one that cannot be opened is listed, not fatal, among several."""
    folders, load = find_runs(directory), _loader(model, device, trust_code)
    if len(folders) == 1:
        return [_verify(folders[0], load)]
    return [_verify_or_say_why(folder, load) for folder in folders]


def find_runs(directory: str | Path) -> list[Path]:
    """The run folders that a folder is or directly holds, sorted; RunError where there is none."""
    root = Path(directory)
    if not root.is_dir():
        raise RunError(
            f"{root}: a run folder was wanted, it {'is a file' if root.exists() else 'does not exist'}; type the folder that --out named"
        )
    if (root / "run.json").is_file():
        return [root]
    folders = sorted(path.parent for path in root.glob("*/run.json"))
    if not folders:
        raise RunError(f"{root}: holds no run.json, so it is no run folder; type the folder that --out named")
    return folders


def _open(directory: Path) -> Run:
    folders = find_runs(directory)
    if folders != [directory]:
        raise RunError(
            f"{directory}: holds {len(folders)} run folders; verify them one by one, such as {folders[0]}, or all with verify_all"
        )
    run = Run.open(directory)
    if not run.finished:
        raise RunError(f"{directory}: the run is unfinished (it has no manifest.json); finish it first, then verify")
    return run


def _verify(directory: Path, load: Load) -> Verification:
    run = _open(directory)
    checks = tuple(_check(claim, run, load) for claim in _claims(run))
    notes = [*_version_notes(run.record.get("versions", {})), *_file_notes(run.check(), checks)]
    if not checks:
        notes.append("the run makes no claim, so there is nothing to judge")
    return Verification(run.directory, checks, tuple(notes))


def _verify_or_say_why(folder: Path, load: Load) -> Verification:
    try:
        return _verify(folder, load)
    except RunError as error:
        return Verification(folder, (Check("run", "run.json", "", UNKNOWN, str(error)),))


def _claims(run: Run) -> list[dict[str, Any]]:
    claims = run.record.get("claims", [])
    if not isinstance(claims, list) or not all(isinstance(claim, dict) for claim in claims):
        raise RunError(f"{run.directory}: 'claims' in run.json should be a list of records, it was changed by hand")
    return claims


def _check(claim: Mapping[str, Any], run: Run, load: Load) -> Check:
    recorded = _recorded_model(claim, run)
    if recorded.get("spec") == HERE:
        recorded = {**recorded, "spec": str(run.directory)}
    try:
        model = load(recorded)
    except (ValueError, OSError) as error:
        return _unknown(claim, recorded, f"the network cannot be loaded: {error}")
    obstacle = _differs(model, recorded)
    if obstacle:
        return _unknown(claim, recorded, obstacle)
    return _excuse(check_claim(claim, run.directory, model), str(run.record.get("versions", {}).get("pillow", PIL.__version__)))


def _excuse(check: Check, pillow: str) -> Check:
    """Another Pillow may resize to other bytes, and then the record's answer cannot be had here."""
    if check.wrong != ("answer",) or pillow == PIL.__version__:
        return check
    why = f"the file is the one claimed, but Pillow {PIL.__version__} may prepare it with other bytes than the record's {pillow}: install that; {check.why}"
    return replace(check, status=UNKNOWN, why=why)


def _unknown(claim: Mapping[str, Any], recorded: Mapping[str, Any], why: str) -> Check:
    return Check(str(claim.get("kind")), str(claim.get("file")), str(recorded.get("name")), UNKNOWN, why)


def _recorded_model(claim: Mapping[str, Any], run: Run) -> Mapping[str, Any]:
    models, index = run.record.get("models", []), claim.get("model", 0)
    if not isinstance(index, int) or not 0 <= index < len(models):
        raise RunError(f"{run.directory}: run.json lists {len(models)} models, a claim names model {index!r}")
    found: Mapping[str, Any] = models[index]
    return found


def _loader(model: Model | None, device: str, trust_code: bool) -> Load:
    """How a recorded network is had: the one handed over, or loaded once for all claims and folders."""
    loaded: dict[str, Model] = {}

    def load(recorded: Mapping[str, Any]) -> Model:
        key = json.dumps([recorded.get("spec"), recorded.get("options")], sort_keys=True)
        if key not in loaded:
            loaded[key] = _load(recorded, device, trust_code)
        return loaded[key]

    return load if model is None else lambda recorded: model


def _load(recorded: Mapping[str, Any], device: str, trust_code: bool) -> Model:
    spec = recorded.get("spec")
    if not spec:
        raise ValueError("it was handed over in Python; hand it over again as model=")
    if str(spec).startswith("python:") and not trust_code:
        raise ValueError(f"run.json asks to run the Python code {spec}; allow it with trust_code if you know where the folder comes from")
    return load_model(str(spec), device=device, **recorded.get("options", {}))


def _differs(model: Model, recorded: Mapping[str, Any]) -> str:
    """Why this is not the network of the record, "" when it is."""
    here, there = model.card.weights_sha256, str(recorded.get("weights_sha256"))
    if here != there:
        return f"other weights: theirs have the SHA-256 {here[:12]}..., the record's {there[:12]}...; hand over the network of the record"
    card, current = recorded.get("card", {}), model.card.to_json(brief=True)
    for key, word in (("input", "another preparation of its input"), ("classes", "other class names"), ("wordlist", "other class names")):
        if key in card and card[key] != current[key]:
            return f"{word} than in the record: load the network with the options of the record"
    return ""


def _version_notes(versions: Mapping[str, str]) -> list[str]:
    here = {"python": platform.python_version(), "torch": str(torch.__version__), "pillow": PIL.__version__, "numpy": np.__version__}
    effects = {"pillow": ": its bytes may differ", "torch": ": logits may differ in the last digits"}
    return [
        f"{key} {version} here, {versions[key]} in the record{effects.get(key, '')}"
        for key, version in here.items()
        if key in versions and versions[key] != version
    ]


def _file_notes(changed: Iterable[str], checks: Iterable[Check]) -> list[str]:
    judged = {check.file for check in checks}
    return [f"{name} is missing or was changed after the run" for name in changed if name not in judged]
