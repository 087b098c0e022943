from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import numpy as np
import pytest
from safetensors.numpy import save_file

from hoodwink.cli.main import cli
from hoodwink.evidence.verify import verify
from hoodwink.models.load import load_model
from hoodwink.runs import read_json, write_json

from .conftest import COLOURS, Paint, Run

QUICK = ("--eps", "8/255", "--sentinels", "0", "--budget", "quick")
COLOUR = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}
OWN = """
def nothing(queries, pictures, labels, *, norm, eps, generator):
    return pictures

def failing(queries, pictures, labels, **asked):
    return [][1]

def loss(logits, up, down):
    return logits.softmax(1).amax(1)
"""


@pytest.fixture(autouse=True)
def few_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentinels ask thousands of queries; that they do is tested where they are."""
    monkeypatch.setattr("hoodwink.auditing.sentinels.QUERIES", 10)


@pytest.fixture
def data(paint: Paint) -> str:
    """For each class two pictures that lead by 6 levels, and fall at 8/255, and two that lead by 60; and one of the wrong class."""
    for name, colour in COLOUR.items():
        for k, lead in enumerate((6, 6, 60, 60)):
            paint(f"data/{name}/{k}.png", tuple(100 + k + lead * one for one in colour), (8, 8))
    paint("data/red/wrong.png", (100, 200, 100), (8, 8))
    return "data"


def document(result: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_folder_by_class_becomes_a_table_and_a_run_that_holds(run: Run, data: str) -> None:
    result = run("audit", COLOURS, data, *QUICK)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == "colours on 13 of data"
    assert lines[1].split()[:2] == ["ball", "clean"]
    assert "off the grid" not in result.stdout
    assert "certified" not in result.stdout
    assert lines[2].startswith("linf 8/255  92.31%  46.15% (6 of 13)")
    assert "report  hoodwink-audit/report.html" in result.stdout
    assert verify("hoodwink-audit", trust_code=True).holds
    record = read_json("hoodwink-audit/run.json")
    assert record["command"] == "audit"
    assert record["arguments"][:3] == ["audit", COLOURS, data]
    assert record["inputs"][0]["name"] == "data"
    assert record["inputs"][0]["count"] == 13
    assert len(record["inputs"][0]["hashes"]) == 13


def test_everything_asked_arrives(run: Run, data: str) -> None:
    line = ("--eps", "2/255", "--eps", "8/255", "--norm", "linf", "--norm", "l2", "--budget", "quick", "--sentinels", "3", "--free")
    more = ("--precision", "bfloat16", "--batch", "4", "--seed", "7", "--out", "there", "--limit", "5", "--per-class", "--json", "-q")
    result = run("audit", COLOURS, data, *line, *more)
    assert result.exit_code == 0, result.stderr
    found = document(result)
    assert [ball["name"] for ball in found["by_eps"]] == ["linf 2/255", "linf 8/255", "l2 0.00784314", "l2 0.0313725"]
    asked = {"budget": "quick", "sentinels": 3, "free": True, "precision": "bfloat16", "batch": 4, "seed": 7}
    assert {name: found["settings"][name] for name in asked} == asked
    assert found["folder"] == "there"
    assert found["data"]["pictures"] == 5
    assert found["data"]["limit"] == 5
    assert found["model"]["name"] == "colours"
    assert found["errors"] == []
    assert not found["interrupted"]
    assert found["by_eps"][0]["free_accuracy"] is not None
    assert len(found["by_eps"][1]["sample"]["chosen"]) <= 3
    assert read_json("there/run.json")["result"]["by_eps"] == found["by_eps"]


def test_more_columns_where_there_is_more(run: Run, data: str) -> None:
    result = run("audit", COLOURS, data, "--eps", "1/255", "--sentinels", "2", "--free", "--per-class", "--budget", "quick")
    assert result.exit_code == 0, result.stderr
    assert "off the grid" in result.stdout
    assert "0 of 2 fell: below 77.6%" in result.stdout
    every = run("audit", COLOURS, data, "--eps", "1/255", "--sentinels", "59", "--budget", "quick", "--force")
    assert "0 of 12 fell: all who stood were asked" in every.stdout
    assert [line.split() for line in result.stdout.splitlines() if line.startswith("blue")] == [["blue", "4", "4", "4"]]
    assert [line.split() for line in result.stdout.splitlines() if line.startswith("red")] == [["red", "5", "4", "4"]]


@pytest.mark.parametrize(("wanted", "code", "word"), [("0.46", 0, "holds"), ("0.47", 1, "FAILS")])
def test_a_threshold_decides(run: Run, data: str, wanted: str, code: int, word: str) -> None:
    result = run("audit", COLOURS, data, *QUICK, "--fail-under", wanted, "--junit", "junit.xml")
    assert result.exit_code == code
    assert f"{word}  linf 8/255: 46.15% stand as files, {float(wanted):.2%} were wanted" in result.stdout
    suite = ElementTree.parse("junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert suite.get("failures") == str(code)
    assert len(suite.findall("testcase")) == 3


def test_a_baseline_decides(run: Run, data: str) -> None:
    assert run("audit", COLOURS, data, "--eps", "2/255", "--eps", "8/255", "--sentinels", "0", "--out", "before").exit_code == 0
    same = run("audit", COLOURS, data, *QUICK, "--baseline", "before", "--json")
    assert same.exit_code == 0
    assert [(one["ball"], one["lost"], one["won"], one["real"]) for one in document(same)["baseline"]] == [("linf 8/255", 0, 0, False)]
    record = read_json("before/run.json")
    record["result"]["by_eps"][1]["survivors"] = record["result"]["by_eps"][0]["survivors"]  # as if they had stood at 8/255, too
    write_json("better.json", record)
    worse = run("audit", COLOURS, data, *QUICK, "--baseline", "better.json", "--force")
    assert worse.exit_code == 1
    assert "FAILS  linf 8/255: of 13 pictures 12 stood then, 6 now (6 lost, 0 won): a real drop" in worse.stdout


def test_a_baseline_of_other_things_is_refused_before_the_work(run: Run, data: str, paint: Paint, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("audit", COLOURS, data, *QUICK, "--out", "before").exit_code == 0
    monkeypatch.setattr("hoodwink.auditing.audit.audit", None)  # the work would begin with it
    paint("others/one.png", size=(8, 8))
    for words, part in (
        (("others", *QUICK, "--baseline", "before"), "the baseline is of other pictures (13 of data) than these (1 of others)"),
        ((data, "--eps", "4/255", "--baseline", "before"), "the baseline has the balls linf 8/255; asked are linf 4/255"),
        ((data, *QUICK, "--baseline", "absent"), "absent: cannot be read"),
        ((data, *QUICK, "--baseline", "data/red/0.png"), "not JSON"),
    ):
        result = run("audit", COLOURS, *words, "--out", "now")
        assert result.exit_code == 2
        assert part in result.stderr
        assert not Path("now").exists()


def test_classes_are_matched_by_name_and_synonym(run: Run, data: str, paint: Paint) -> None:
    Path("data/red").rename("data/crimson")
    shutil.rmtree("data/green")
    result = run("audit", COLOURS, data, *QUICK, "--json")
    assert document(result)["by_eps"][0]["wrong"] == 1
    assert document(result)["by_eps"][0]["per_class"][0]["class"] == "red"
    Path("data/crimson").rename("data/yellow")
    other = run("audit", COLOURS, data, *QUICK, "--force")
    assert other.exit_code == 2
    assert "the data has a class 'yellow' that the network's 3 classes (red, green, blue) lack" in other.stderr
    assert len(other.stderr.splitlines()) == 1


def test_a_folder_without_labels_is_labelled_by_the_network(run: Run, paint: Paint) -> None:
    paint("plain/a.png", (100, 160, 100), (8, 8))
    paint("plain/b.png", (100, 100, 104), (12, 16))
    result = run("audit", COLOURS, "plain", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert "plain has no labels: what the network calls each picture now is taken for its label" in result.stderr
    assert "100.00%  50.00% (1 of 2)" in result.stdout
    assert "own first answers" in result.stdout
    assert verify("hoodwink-audit", trust_code=True).holds


def test_a_file_that_is_no_picture_is_left_out_and_said(run: Run, data: str) -> None:
    Path("data/red/broken.png").write_bytes(b"no picture")
    result = run("audit", COLOURS, data, *QUICK, "--json")
    assert result.exit_code == 0
    assert "warning: red/broken.png: left out: " in result.stderr
    assert document(result)["by_eps"][0]["all"] == 13


def test_what_is_wrong_is_said_before_the_network_is_loaded(run: Run, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoodwink.models.load.load_model", None)  # the work would begin with it
    for words, part in (
        (("--eps", "8"), "for levels type 8/255"),
        (("--eps", "-1"), "a number from 0"),
        (("--eps", "8/0"), "--eps 8/255"),
        (("--eps", "8/255", "--norm", "l0"), "--norm"),
        (("--eps", "8/255", "--fail-under", "nan"), "--fail-under"),
        (("--eps", "8/255", "--fail-under", "40"), "--fail-under"),
        (("--eps", "8/255", "--budget", "huge"), "--budget"),
        (("--eps", "8/255", "--shard", "3/2"), "--shard 2/8"),
        (("--eps", "8/255", "--shard", "auto"), "neither torchrun (RANK, WORLD_SIZE) nor SLURM"),
        (("--eps", "8/255", "--junit", "absent/file.xml"), "a file in a folder that is there"),
        (("--eps", "8/255", "--junit", "data/red/0.png"), "--force"),
        ((), "--eps"),
    ):
        result = run("audit", COLOURS, data, *words)
        assert result.exit_code == 2, words
        assert len(result.stderr.splitlines()) == 1, result.stderr
        assert part in result.stderr
        assert not Path("hoodwink-audit").exists()


def test_what_is_wrong_with_what_is_named(run: Run, data: str) -> None:
    Path("own.py").write_text(OWN)
    np.save("few.npy", np.zeros((2, 8, 8, 3), np.uint8))
    for words, part in (
        (("absent", data), "model 'absent'"),
        ((COLOURS, "absent"), "'absent'"),
        ((COLOURS, "data/red/0.png"), "a folder of pictures"),
        ((COLOURS, data, "--attack", "own"), "package.module:function"),
        ((COLOURS, data, "--attack", "own:absent"), "cannot be imported"),
        ((COLOURS, data, "--attack", "own:failing"), "attack own:failing: failed (IndexError"),
        ((COLOURS, data, "--objective", "own:absent"), "objective own:absent"),
        ((COLOURS, data, "--adversarials", "few.npy"), "13 x 3 x 8 x 8"),
        ((COLOURS, data, "--transfer", "absent"), "model 'absent'"),
        ((COLOURS, data, "--device", "toaster"), "toaster"),
    ):
        result = run("audit", *words, *QUICK, "--force")
        assert result.exit_code == 2, (words, result.stderr)
        assert part in result.stderr.splitlines()[-1]


def test_attacks_of_ones_own_and_pictures_of_others(run: Run, data: str) -> None:
    Path("own.py").write_text(OWN)
    np.save("made.npy", np.zeros((13, 8, 8, 3)))
    save_file({"x": np.zeros((13, 3, 8, 8), np.uint8)}, "made.safetensors")
    given = ("--adversarials", "made.npy", "--adversarials", "made.safetensors")
    own = ("--attack", "own:nothing", "--objective", "own:loss", "--transfer", "python:tiny_nets:others")
    result = run("audit", COLOURS, data, *QUICK, *given, *own, "--json")
    assert result.exit_code == 0, result.stderr
    stages = {stage["name"]: stage for stage in document(result)["by_eps"][0]["stages"]}
    assert {"given: made.npy", "given: made.safetensors", "own: own:nothing"} <= stages.keys()
    assert stages["own: own:nothing"]["attack"] == "nothing"
    assert stages["own: own:nothing"]["met"] == 6
    assert document(result)["settings"]["attacks"] == ["own:nothing"]
    assert document(result)["settings"]["objective"] == "own:loss"


def test_others_pictures_count_like_ours(run: Run, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoodwink.auditing.plan.Plan.run", lambda *given, **asked: None)  # our own search finds nothing
    from hoodwink.data.load import load

    found = load(data)
    levels = np.asarray(found.pictures).astype(int)
    levels[np.arange(13), :, :, np.array([("red", "green", "blue").index(found.classes[k]) for k in found.labels])] -= 200
    np.save("made.npy", (levels.clip(0, 255) / 255).transpose(0, 3, 1, 2))
    result = run("audit", COLOURS, data, *QUICK, "--adversarials", "made.npy", "--json")
    assert document(result)["by_eps"][0]["felled"] == 6
    assert set(document(result)["by_eps"][0]["by"].values()) == {"given: made.npy"}


def test_interrupted_and_resumed_ends_as_in_one_go(run: Run, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from hoodwink.auditing.journal import Journal

    write, left = Journal.write, [3]

    def interrupted(self: Journal, *given: Any, **asked: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return write(self, *given, **asked)

    line = ("audit", COLOURS, data, *QUICK, "--batch", "4")
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "write", interrupted)
        result = run(*line, "--json")
    assert result.exit_code == 130
    assert document(result)["interrupted"]
    assert "what is finished is kept in hoodwink-audit; the same line with --resume goes on" in result.stderr
    assert not Path("hoodwink-audit/manifest.json").exists()
    again = run(*line)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    resumed = run(*line, "--resume", "--json")
    assert resumed.exit_code == 0
    whole = run(*line, "--out", "whole", "--json")
    for name in ("survivors", "by", "distances", "per_class"):
        assert document(resumed)["by_eps"][0][name] == document(whole)["by_eps"][0][name]


def test_resume_of_what_is_finished_says_it_again(run: Run, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = ("audit", COLOURS, data, *QUICK)
    first = run(*line)
    with monkeypatch.context() as patched:
        patched.setattr("hoodwink.auditing.audit.audit", None)
        again = run(*line, "--resume", "--fail-under", "0.9")
    assert again.exit_code == 1
    assert "finished already" in again.stderr
    assert first.stdout.splitlines()[:3] == again.stdout.splitlines()[:3]
    other = run(*line, "--resume", "--seed", "1")
    assert other.exit_code == 2
    assert "finished" in other.stderr


def test_shards_and_a_worker_that_knows_which_it_is(run: Run, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("audit", COLOURS, data, *QUICK, "--shard", "1/2").exit_code == 0
    for name, value in {"RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    result = run("audit", COLOURS, data, *QUICK, "--shard", "auto", "--json")
    assert result.exit_code == 0
    assert document(result)["folder"] == "hoodwink-audit/shard-2-of-2"
    inputs = [read_json(f"hoodwink-audit/shard-{k}-of-2/run.json")["inputs"][0] for k in (1, 2)]
    assert sorted(inputs[0]["members"] + inputs[1]["members"]) == list(range(13))
    assert [one["shard"] for one in inputs] == [[1, 2], [2, 2]]
    assert all(one["count"] == 13 and len(one["hashes"]) == one["pictures"] == len(one["members"]) for one in inputs)
    too_many = run("audit", COLOURS, data, *QUICK, "--shard", "99/99")
    assert too_many.exit_code == 2
    assert "only 13 pictures" in too_many.stderr


def test_each_shard_posts_its_part_of_the_sentinels(run: Run, data: str) -> None:
    line = ("audit", COLOURS, data, "--eps", "1/255", "--budget", "quick", "--sentinels", "3", "--shard", "1/2", "--json")
    assert document(run(*line))["settings"]["sentinels"] == 2


def test_every_process_of_a_machine_takes_a_gpu_of_its_own(run: Run, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "5"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    asked: list[object] = []

    def load(name: str, *, device: object, **card: object) -> object:
        asked.append(device)
        return load_model(name, **card)

    monkeypatch.setattr("hoodwink.models.load.load_model", load)
    run("audit", COLOURS, data, *QUICK, "--shard", "auto", "--device", "cuda")
    run("audit", COLOURS, data, *QUICK, "--shard", "1/2", "--device", "cuda")
    assert asked == ["cuda:1", "cuda"]


def test_signs_are_said_in_words(run: Run, data: str) -> None:
    result = run("audit", "python:tiny_nets:constant", data, *QUICK)
    assert result.exit_code == 0
    assert "no figure to vouch for: zero or non-finite gradients (100% of the probed pictures have no gradient)" in " ".join(
        result.stdout.split()
    )


def test_minutes_end_it(run: Run, data: str) -> None:
    result = run("audit", COLOURS, data, *QUICK, "--minutes", "1e-9", "--fail-under", "0.3")
    assert "unfinished" in result.stdout
    assert result.exit_code == 1


@pytest.mark.parametrize("name", ["audit-in-ci.md", "audit-on-many-machines.md"])
def test_the_lines_in_the_documents_have_options_that_there_are(name: str) -> None:
    text = (Path(__file__).parents[2] / "docs/how-to" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    text = re.sub(r"run: >\n((?: {10}\S.*\n)+)", lambda found: " ".join(found[1].split()) + "\n", text)
    lines = [found[0].partition(" > ")[0].split() for found in re.finditer(r"hoodwink (audit|merge) [^`\n]+", text)]
    assert len(lines) >= 2
    for _, verb, *words in lines:
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--") and word.lstrip("-")} <= known, words
