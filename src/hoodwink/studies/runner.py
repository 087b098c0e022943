"""Runs a study: each line with each seed into its folder, finished ones never twice, then figures, tables and the result."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hoodwink.evidence.record import first_record
from hoodwink.runs import MANIFEST, RECORD, Run, RunError, as_json, one_line, read_json
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found
from hoodwink.studies.record import Line, Study, StudyError
from hoodwink.studies.result import RESULT, StudyResult, conclude, read_result
from hoodwink.studies.table import find_study

DEFAULT_OUT = "hoodwink-studies"
SEEDS = 3
WORK = "work"  # what lines keep for themselves: trained networks


def run(
    name: str | Study,
    quick: bool = False,
    *,
    seeds: int = SEEDS,
    out: str | Path | None = None,
    device: str = "cpu",
    force: bool = False,
    say: Callable[[str], None] | None = None,
    step: Callable[[int, int], None] | None = None,
    arguments: Sequence[str] = (),
    **settings: Any,
) -> StudyResult:
    """Run a study, all its lines with seeds 0, 1, ..., and keep it as a run folder.

    name: of STUDIES. quick: few pictures, seconds, floors are not judged. out: the folder, by default the study's name in DEFAULT_OUT; what
    is finished there is not done again: a study that was stopped goes on, more seeds are added, a finished one is read. force: begin anew. say, step: are told
    what happens (see Desk). settings: of the
    study's lines, that are to be other. Raises StudyError, DataError, RunError.
    """
    study = find_study(name) if isinstance(name, str) else name
    if seeds < 1:
        raise StudyError(f"seeds: 1 or more were wanted, not {seeds}")
    lines = study.resolved(quick, settings)
    folder = Path(out) if out is not None else Path(DEFAULT_OUT) / (f"{study.name}-quick" if quick else study.name)
    chosen = {line.name: [0] if line.fixed or quick else list(range(seeds)) for line in study.lines}
    wanted = {"study": study.name, "quick": quick, "seeds": chosen, "lines": lines}
    found = _open(folder, wanted, force, device, arguments)
    if found.finished:
        return read_result(folder)
    say = say or (lambda _: None)
    founds: dict[str, list[Found]] = {line.name: [] for line in study.lines}
    for seed in range(max(map(len, chosen.values()))):
        for line in study.lines:
            if seed in chosen[line.name]:
                desk = Desk(line.name, lines[line.name], seed, folder / WORK / f"{line.name}-{seed}", device, quick, say, step)
                founds[line.name].append(_cell(found, study, desk))
    return _finish(found, study, {line.name: _answer(line, lines, founds) for line in study.lines}, wanted)


def command(study: Study, quick: bool, lines: Mapping[str, Mapping[str, Any]], seeds: Mapping[str, Sequence[int]]) -> str:
    """The command that repeats a run."""
    usual = study.resolved(quick)
    changed = [
        f"--set {line}.{key}={','.join(map(str, value)) if isinstance(value, (list, tuple)) else value}"
        for line, values in lines.items()
        for key, value in values.items()
        if as_json(value) != as_json(usual[line].get(key))
    ]
    count = max(map(len, seeds.values()))
    asked = [f"--seeds {count}"] if not quick and count != SEEDS and not all(line.fixed for line in study.lines) else []
    return " ".join(["hoodwink study run", study.name, *(["--quick"] if quick else []), *asked, *changed])


def _open(folder: Path, wanted: Mapping[str, Any], force: bool, device: str, arguments: Sequence[str]) -> Run:
    """The run in the folder, a new one where there is none."""
    record = first_record("study", dict(wanted), (), arguments, 0) | {"device": device}
    if force or not (folder / RECORD).is_file():
        if force:
            _forget(folder)
        return Run.create(folder, record, force=force)
    found = Run.open(folder)
    there, asked = dict(found.record.get("settings") or {}), as_json(wanted)
    seeds = there.pop("seeds", None)
    if there != {key: value for key, value in asked.items() if key != "seeds"}:
        raise RunError(
            f"{one_line(folder)}: a run of other settings is there: name another folder with --out, or type --force to replace it"
        )
    if seeds != asked["seeds"]:  # what is there is done; with more seeds it goes on, with fewer it is summed up anew
        (folder / MANIFEST).unlink(missing_ok=True)
        found.update(settings=asked)
    return found


def _forget(folder: Path) -> None:
    """Remove the trainings of the study that is there: they are to be begun anew, too."""
    if (folder / RECORD).is_file() and Run.open(folder).record.get("command") == "study":
        shutil.rmtree(folder / WORK, ignore_errors=True)


def _cell(found: Run, study: Study, desk: Desk) -> Found:
    """What one line gives with one seed, from its files where it was done already."""
    name = f"cells/{desk.line}-{desk.seed}"
    if (found.directory / f"{name}.json").is_file():
        return _read_cell(found.directory / name)
    desk.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(desk.seed)
    begun = time.perf_counter()
    desk.say(f"{study.name}: {desk.line}, seed {desk.seed}")
    cell = study.run(desk)
    spent = time.perf_counter() - begun
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{key: np.asarray(value) for key, value in cell.pictures.items()})  # type: ignore[arg-type]
    found.write(f"{name}.npz", buffer.getvalue())
    # The JSON comes last: where it is, the cell is whole.
    record = {"values": dict(cell.values), "times": {**cell.times, "seconds in all": round(spent, 2)}, "series": dict(cell.series)}
    found.write(f"{name}.json", json.dumps(record, allow_nan=False).encode())
    return _read_cell(found.directory / name)


def _read_cell(path: Path) -> Found:
    record = read_json(path.with_suffix(".json"))
    with np.load(path.with_suffix(".npz")) as arrays:
        return Found(record["values"], record["times"], record["series"], {key: arrays[key] for key in arrays.files})


def _answer(line: Line, lines: Mapping[str, Mapping[str, Any]], founds: Mapping[str, list[Found]]) -> Answer:
    return Answer(line, lines[line.name], tuple(founds[line.name]))


def _finish(found: Run, study: Study, answers: dict[str, Answer], wanted: dict[str, Any]) -> StudyResult:
    story = study.tell(answers)
    for figure in story.figures:
        found.write(f"{figure.name}.png", figure.png)
    machine = {key: found.record[key] for key in ("versions", "device", "threads")} | {"date": date.today().isoformat()}
    seconds = sum(sum(answer.all("seconds in all")) for answer in answers.values())
    result = conclude(
        answers,
        story,
        quick=wanted["quick"],
        seeds=wanted["seeds"],
        name=study.name,
        question=study.question,
        machine=machine,
        seconds=round(seconds, 1),
        command=command(study, wanted["quick"], wanted["lines"], wanted["seeds"]),
        folder=found.directory,
    )
    found.write(RESULT, (json.dumps(result.to_json(), allow_nan=False) + "\n").encode())
    found.finish()
    return read_result(found.directory)
