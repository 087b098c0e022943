from __future__ import annotations

import json
from pathlib import Path

import pytest

from hoodwink.evidence.verify import verify
from hoodwink.runs import read_json

from .conftest import COLOURS, Paint, Run

LINE = ("--eps", "8/255", "--sentinels", "0", "--budget", "quick")


@pytest.fixture
def shards(run: Run, paint: Paint) -> str:
    """The folder of two finished shards of six pictures, of which three fall."""
    for k, lead in enumerate((4, 6, 8, 60, 61, 62)):
        paint(f"data/red/{k}.png", (100 + lead, 100, 100), (8, 8))
    for part in ("1/2", "2/2"):
        assert run("audit", COLOURS, "data", *LINE, "--out", "many", "--shard", part).exit_code == 0
    return "many"


def test_a_folder_of_shards(run: Run, shards: str) -> None:
    result = run("merge", shards)
    assert result.exit_code == 0, result.stderr
    assert "colours on 6 of data" in " ".join(result.stdout.split())
    assert "50.00% (3 of 6)" in result.stdout
    assert "many/merged/report.html" in result.stdout
    assert verify("many/merged", trust_code=True).holds
    assert read_json("many/merged/run.json")["arguments"] == ["merge", shards]


def test_shards_by_name_a_threshold_and_one_document(run: Run, shards: str) -> None:
    assert run("audit", COLOURS, "data", *LINE, "--out", "whole").exit_code == 0
    asked = ("--fail-under", "0.6", "--baseline", "whole", "--junit", "junit.xml", "--json")
    result = run("merge", "all", "many/shard-2-of-2", "many/shard-1-of-2", *asked)
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["folder"] == "all"
    assert (document["by_eps"][0]["all"], document["by_eps"][0]["robust"]) == (6, 3)
    assert [(one["lost"], one["won"]) for one in document["baseline"]] == [(0, 0)]
    assert Path("junit.xml").is_file()


def test_what_cannot_be_merged(run: Run, shards: str) -> None:
    Path("empty").mkdir()
    for words, part in (
        (("empty",), "holds no folder shard-*"),
        (("out", "many/shard-1-of-2"), "shard 2 of 2 missing"),
        (("out", "many/shard-1-of-2", "absent"), "absent: a run folder was wanted"),
        (("many", "--baseline", "absent"), "absent"),
    ):
        result = run("merge", *words)
        assert result.exit_code == 2
        assert part in result.stderr
        assert len(result.stderr.splitlines()) == 1
    Path("many/shard-1-of-2/manifest.json").unlink()
    unfinished = run("merge", "many")
    assert unfinished.exit_code == 2
    assert "--resume" in unfinished.stderr


def test_what_is_there_is_kept_without_force(run: Run, shards: str) -> None:
    assert run("merge", shards).exit_code == 0
    refused = run("merge", shards)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert run("merge", shards, "--force").exit_code == 0
