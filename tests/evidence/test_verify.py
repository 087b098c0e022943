from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hoodwink.evidence.checks import FAILS, HOLDS, UNKNOWN
from hoodwink.evidence.judge import judge
from hoodwink.evidence.verify import find_runs, verify, verify_all
from hoodwink.models.load import load_model, wrap
from hoodwink.models.model import Model
from hoodwink.pictures.levels import distances
from hoodwink.pictures.write import encode_png
from hoodwink.runs import Run, RunError

MakeRun = Callable[..., Path]


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads((folder / "run.json").read_text())
    change(record)
    (folder / "run.json").write_text(json.dumps(record))


def test_a_run_that_holds(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    found = verify(make_run(tmp_path / "run"), model=tiny)
    assert found.holds and found.notes == () and found.checks[0].status == HOLDS
    assert found.to_json()["holds"] is True and json.dumps(found.to_json())


def test_another_file_does_not_hold(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "fooled.png").write_bytes((folder / "original.png").read_bytes())
    found = verify(folder, model=tiny)
    assert not found.holds and found.checks[0].status == FAILS and "read as red" in found.checks[0].why


def test_other_weights_cannot_be_checked(tmp_path: Path, make_run: MakeRun) -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3))
    other = wrap(network, mean=0.0, std=1.0, classes=("red", "green", "blue"), size=8)
    found = verify(make_run(tmp_path / "run"), model=other)
    assert not found.holds and found.checks[0].status == UNKNOWN and "other weights" in found.checks[0].why


def test_the_same_weights_fed_otherwise_cannot_be_checked(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    other = wrap(tiny.network, mean=0.5, std=1.0, classes=("red", "green", "blue"), size=8)
    found = verify(make_run(tmp_path / "run"), model=other)
    assert found.checks[0].status == UNKNOWN and "another preparation of its input" in found.checks[0].why


def test_a_network_that_is_not_to_be_had(tmp_path: Path, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    assert "hand it over again" in verify(folder).checks[0].why
    edit(folder, lambda record: record["models"][0].update(spec="no-such-network"))
    assert "no-such-network" in verify(folder).checks[0].why


def test_a_records_python_code_runs_only_when_trusted(tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run(tmp_path / "run")
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    edit(folder, lambda record: record["models"][0].update(spec="python:trap:make"))
    found = verify(folder)
    assert found.checks[0].status == UNKNOWN and "trust_code" in found.checks[0].why and not (tmp_path / "sprung").exists()
    verify(folder, trust_code=True)
    assert (tmp_path / "sprung").exists()


def test_notes_tell_other_versions_and_changed_files(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    edit(folder, lambda record: record["versions"].update(pillow="1.0", torch="0.1"))
    (folder / "difference.png").unlink()
    found = verify(folder, model=tiny)
    assert found.holds
    assert any("1.0 in the record: its bytes may differ" in note for note in found.notes)
    assert any(note.startswith("torch ") for note in found.notes)
    assert {note.split()[0] for note in found.notes} >= {"run.json", "difference.png"}


def test_another_answer_with_another_pillow_cannot_be_checked(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run", confidence=0.999)
    assert verify(folder, model=tiny).checks[0].wrong == ("answer",) and verify(folder, model=tiny).checks[0].status == FAILS
    edit(folder, lambda record: record["versions"].update(pillow="1.0"))
    found = verify(folder, model=tiny).checks[0]
    assert found.status == UNKNOWN and "record's 1.0" in found.why and "at least 0.999 was claimed" in found.why
    (folder / "fooled.png").write_bytes((folder / "original.png").read_bytes())
    assert verify(folder, model=tiny).checks[0].status == FAILS


def test_unfinished_missing_and_foreign_folders_are_errors(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    with pytest.raises(RunError, match="unfinished"):
        verify(make_run(tmp_path / "half", finish=False), model=tiny)
    with pytest.raises(RunError, match="does not exist"):
        verify(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="no run.json"):
        verify(tmp_path / "empty")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        find_runs(tmp_path / "file")


def test_a_record_changed_by_hand_is_an_error(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    edit(folder, lambda record: record["claims"][0].update(model=7))
    with pytest.raises(RunError, match="names model 7"):
        verify(folder, model=tiny)
    edit(folder, lambda record: record.update(claims="all"))
    with pytest.raises(RunError, match="'claims'"):
        verify(folder, model=tiny)


def test_a_run_without_claims_does_not_hold(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    found = verify(make_run(tmp_path / "run", fooled=False), model=tiny)
    assert not found.holds and found.checks == () and "no claim" in found.notes[-1]


def test_a_folder_of_runs_verifies_each(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    for name, finish in (("b", True), ("a", True), ("c", False)):
        make_run(tmp_path / "all" / name, finish=finish)
    found = verify_all(tmp_path / "all", model=tiny)
    assert [one.directory.name for one in found] == ["a", "b", "c"] and [one.holds for one in found] == [True, True, False]
    assert "unfinished" in found[2].checks[0].why and found[2].checks[0].status == UNKNOWN
    with pytest.raises(RunError, match="3 run folders"):
        verify(tmp_path / "all", model=tiny)
    assert [one.holds for one in verify_all(tmp_path / "all" / "a", model=tiny)] == [True]


def test_the_packaged_network_is_loaded_by_its_name(tmp_path: Path, make_run: MakeRun) -> None:
    model = load_model("efficientnet-lite0")
    before = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    after = before ^ np.uint8(1)
    verdict, moved = judge(after, model), distances(before, after)
    values = {
        "sha256": verdict.sha256,
        "original": "original.png",
        "label": verdict.label,
        "confidence": verdict.top(1)[0][1],
        "l2": moved.l2,
    }
    card = {"spec": "efficientnet-lite0", "options": {}, "name": model.card.name, "weights_sha256": model.card.weights_sha256}
    claim = {"kind": "picture", "file": "fooled.png", "model": 0, "values": values}
    run = Run.create(tmp_path / "run", {"models": [card | {"card": model.card.to_json()}], "claims": [claim]})
    run.write("original.png", encode_png(before))
    run.write("fooled.png", encode_png(after))
    run.finish()
    found = verify(tmp_path / "run")
    assert found.holds, found.checks
