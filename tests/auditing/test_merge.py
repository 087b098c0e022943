from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny_nets
from hoodwink.auditing.audit import Help, audit
from hoodwink.auditing.merge import find_shards, merge
from hoodwink.auditing.records import AuditError
from hoodwink.auditing.shards import fingerprints, members, shard_folder
from hoodwink.evidence.audits import FOOLED, Felled
from hoodwink.evidence.verify import verify
from hoodwink.models.model import Model
from hoodwink.runs import Run, RunError, read_json, write_json

COUNT = 3
BALLS = {"eps": (8 / 255, 0.25), "norm": ("linf", "l2")}
Audited = tuple[Path, Path]  # the whole one, and the folder of the shards


def made() -> tuple[Any, Any]:
    """Pictures of a colour that leads by 2 to 40 levels; one has a wrong label, and one comes twice."""
    random = np.random.default_rng(0)
    labels = np.arange(20) % 3
    levels = np.full((20, 8, 8, 3), 100) + random.integers(-8, 9, (20, 8, 8, 3))
    levels[np.arange(20), :, :, labels] += (2 * np.arange(1, 21))[:, None, None]
    labels[4] = 0
    levels[18], labels[18] = levels[0], labels[0]
    return levels.astype(np.uint8), labels.astype(np.int64)


def one_audit(model: Model, out: Path, shard: tuple[int, int] | None, **changed: Any) -> None:
    pictures, labels = made()
    hashes = fingerprints(pictures)
    data: dict[str, Any] = {"name": "made", "split": None, "count": len(labels), "sha256": "0", "hashes": hashes}
    rows = np.arange(len(labels))
    if shard is not None:
        rows = members(hashes, shard)
        data |= {"shard": list(shard), "members": rows.tolist(), "hashes": [hashes[row] for row in rows]}
    asked = {**BALLS, "sentinels": 0, **changed}
    audit(model, pictures[rows], labels[rows], out=out, help=Help(data=data), **asked)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    folder, model = tmp_path_factory.mktemp("audited"), tiny_nets.colours()
    one_audit(model, folder / "whole", None)
    for k in range(1, COUNT + 1):
        one_audit(model, shard_folder(folder / "parts", (k, COUNT)), (k, COUNT))
    return folder / "whole", folder / "parts"


@pytest.fixture
def parts(audited: Audited, tmp_path: Path) -> list[Path]:
    """Copies of the shards, to be spoilt."""
    shutil.copytree(audited[1], tmp_path / "parts")
    return find_shards(tmp_path / "parts")


def test_merged_shards_are_the_audit_in_one_go(audited: Audited, tmp_path: Path) -> None:
    merged = merge(find_shards(audited[1])[::-1], tmp_path / "merged", arguments=["merge"]).record
    whole = read_json(audited[0] / "run.json")
    for ball, other in zip(merged["result"]["by_eps"], whole["result"]["by_eps"], strict=True):
        for name in (
            "name",
            "case",
            "all",
            "wrong",
            "felled",
            "robust",
            "unfinished",
            "free",
            "certified",
            "survivors",
            "per_class",
            "sample",
        ):
            assert ball[name] == other[name], (ball["name"], name)
        assert ball["by"].keys() == other["by"].keys()
        assert ball["robust_accuracy"] == other["robust_accuracy"]
        assert set(ball["hardest"]) <= set(ball["survivors"])
        assert len(ball["hardest"]) == len(other["hardest"])
        assert [stage["name"] for stage in ball["stages"]][:2] == [stage["name"] for stage in other["stages"]][:2]
        assert ball["stages"][0]["met"] == other["stages"][0]["met"]
    assert [ball["name"] for ball in merged["result"]["by_eps"] if 0 < ball["felled"] < 19] == ["linf 8/255", "l2 0.25"]
    assert merged["result"].keys() == whole["result"].keys()
    assert len(merged["result"]["gradients"]) == 20
    assert merged["settings"] == whole["settings"]
    assert merged["inputs"][0]["hashes"] == whole["inputs"][0]["hashes"]
    assert "members" not in merged["inputs"][0]
    assert [one["shard"] for one in merged["merged"]] == [[1, 3], [2, 3], [3, 3]]


def test_every_picture_is_its_own_and_the_claims_hold(audited: Audited, tmp_path: Path) -> None:
    run = merge(find_shards(audited[1]), tmp_path / "merged")
    pictures, labels = made()
    found = Felled.read(run.directory / FOOLED)
    whole = Felled.read(audited[0] / FOOLED)
    assert found.index.tolist() == sorted(found.index.tolist()) == whole.index.tolist()
    assert found.case.tolist() == whole.case.tolist()
    for original, index, label in zip(found.originals, found.index, found.label, strict=True):
        assert np.array_equal(original, pictures[index])
        assert label == labels[index]
    assert [claim["values"]["felled"] for claim in run.record["claims"]] == [
        ball["felled"] for ball in run.record["result"]["by_eps"] if ball["felled"]
    ]
    assert run.finished
    assert run.check() == []
    assert (run.directory / "report.html").is_file()
    assert verify(run.directory, model=tiny_nets.colours()).holds


def test_gradients_go_where_their_pictures_are(audited: Audited, tmp_path: Path) -> None:
    merged = merge(find_shards(audited[1]), tmp_path / "merged").record["result"]
    for folder in find_shards(audited[1]):
        record = read_json(folder / "run.json")
        for index, gradients in zip(record["inputs"][0]["members"], record["result"]["gradients"], strict=True):
            assert merged["gradients"][index] == gradients


def test_sentinels_are_one_sample(parts: list[Path], tmp_path: Path) -> None:
    for k, folder in enumerate(parts):
        record = read_json(folder / "run.json")
        for ball in record["result"]["by_eps"]:
            first = ball["survivors"][:2]
            exact = {"below": 0.5, "above": 0.5} if k == 0 else {"below": 0.1, "above": 0.9}
            ball["sample"] = {"chosen": list(range(len(first))), "felled": int(k == 0), "free": 1, **exact}
        write(folder, record)
    sample = merge(parts, tmp_path / "merged").record["result"]["by_eps"][0]["sample"]
    assert sample["felled"] == 1
    assert sample["free"] == 3
    assert len(sample["chosen"]) == 6
    assert set(sample["chosen"]) <= set(range(20))
    assert 0 < sample["below"] < 1 / 6 < sample["above"] < 1


def test_a_sign_that_one_shard_saw_is_seen(parts: list[Path], tmp_path: Path) -> None:
    record = read_json(parts[1] / "run.json")
    record["result"]["signs"][0] |= {"found": True, "grave": True, "what": "half have none"}
    record["result"]["notes"] = ["of its own"]
    write(parts[1], record)
    result = merge(parts, tmp_path / "merged").record["result"]
    assert (result["signs"][0]["found"], result["signs"][0]["what"]) == (True, "half have none")
    assert not result["vouched"]
    assert result["notes"] == ["shard 2: of its own"]


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda record: record["settings"].update(seed=1), "their settings differ"),
        (lambda record: record["models"][0].update(weights_sha256="0"), "their networks differ"),
        (lambda record: record["inputs"][0].update(sha256="1"), "their data differ"),
        (lambda record: record["inputs"][0].update(shard=[2, 4]), "their number of shards differ"),
        (lambda record: record["inputs"][0].update(shard=[1, 3]), "shard 1 of 3 came more than once"),
        (lambda record: record["inputs"][0]["members"].reverse() or record["inputs"][0]["members"].__setitem__(0, 0), "in none or in two"),
        (lambda record: record["inputs"][0].pop("members"), "a shard of an audit was wanted"),
        (lambda record: record.update(command="fool"), "a shard of an audit was wanted"),
    ],
)
def test_shards_of_different_audits_are_refused(parts: list[Path], tmp_path: Path, spoil: Any, part: str) -> None:
    record = read_json(parts[1] / "run.json")
    spoil(record)
    write(parts[1], record)
    with pytest.raises(AuditError, match=part):
        merge(parts, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_missing_unfinished_and_changed_shards_are_refused(parts: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "merged"
    with pytest.raises(AuditError, match="shards 1, 3 of 3 missing"):
        merge(parts[1:2], out)
    with pytest.raises(AuditError, match="shard 2 of 3 missing"):
        merge([parts[0], parts[2]], out)
    with pytest.raises(AuditError, match="shard 1 of 3 came more than once"):
        merge([*parts, parts[0]], out)
    with pytest.raises(AuditError, match="one shard or more"):
        merge([], out)
    (parts[0] / FOOLED).write_bytes(b"")
    with pytest.raises(AuditError, match=r"fooled.safetensors changed since"):
        merge(parts, out)
    (parts[0] / "manifest.json").unlink()
    with pytest.raises(AuditError, match=r"shard-1-of-3: this shard is unfinished; .*--resume"):
        merge(parts, out)
    with pytest.raises(RunError, match="a run folder was wanted"):
        merge([tmp_path / "absent"], out)
    with pytest.raises(AuditError, match="holds no folder shard-"):
        find_shards(tmp_path / "absent")


def test_a_folder_with_something_in_it_is_kept(audited: Audited, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="--force"):
        merge(find_shards(audited[1]), tmp_path)
    assert merge(find_shards(audited[1]), tmp_path, force=True).finished
    assert merge(find_shards(audited[1]), tmp_path, force=True).finished
    assert (tmp_path / "mine.txt").read_text() == "mine"


def write(folder: Path, record: dict[str, Any]) -> None:
    """Change a finished run's record, and its manifest with it."""
    write_json(folder / "run.json", json.loads(json.dumps(record)))
    (folder / "manifest.json").unlink()
    Run.open(folder).finish()
