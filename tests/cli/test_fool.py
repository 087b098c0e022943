from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import bad_files
from hoodwink import fooling, runs
from hoodwink.evidence.judge import judge
from hoodwink.evidence.verify import verify
from hoodwink.models.load import load_model
from hoodwink.networks.table import NETWORKS
from hoodwink.pictures.read import read_picture
from hoodwink.runs import one_line

from .conftest import COLOURS, TINY, Paint, Run

QUICK = ("--steps", "40", *TINY)


def manifest(folder: str) -> bool:
    return (Path(folder) / "manifest.json").is_file()


def test_one_photo_becomes_a_run_folder_whose_claim_holds(run: Run, paint: Paint) -> None:
    result = run("fool", paint(), "--as", "green", *QUICK)
    assert result.exit_code == 0
    verdict = judge("hoodwink-out/fooled.png", load_model(COLOURS))
    assert verdict.label == "green"
    assert verdict.confidence("green") >= 0.9
    assert verify("hoodwink-out", trust_code=True).holds
    for part in ("red.png  fooled", "before", f"now      green {verdict.confidence('green'):.4f}", "L2", "levels", "gradient evaluations"):
        assert part in result.stdout
    assert "hoodwink-out/report.html" in result.stdout
    assert result.stderr == ""


def test_the_record_holds_the_command_line_and_what_was_asked(run: Run, paint: Paint) -> None:
    words = ["fool", str(paint()), "--as", "crimson", "--confidence", "0.99", *QUICK]
    run(*words)
    record = runs.read_json("hoodwink-out/run.json")
    assert record["arguments"] == words
    assert record["settings"]["target"] == "red"
    assert record["settings"]["confidence"] == 0.99
    assert record["models"][0]["spec"] == COLOURS


def test_the_record_names_a_file_of_weights_from_wherever_it_is_read(run: Run, paint: Paint) -> None:
    torch.save(NETWORKS["resnet2b"].make().state_dict(), "weights.pth")
    card = ("--network", "resnet2b", "--mean", "0.5,0.4,0.3", "--std", "0.25", "--classes", "10")
    run("fool", paint(), "--untargeted", "--steps", "2", "--weights", "weights.pth", *card)
    model = runs.read_json("hoodwink-out/run.json")["models"][0]
    assert model["spec"] == str(Path("weights.pth").resolve())
    assert model["options"] == {"network": "resnet2b", "mean": [0.5, 0.4, 0.3], "std": 0.25, "classes": 10}


def test_several_photos_get_a_folder_each_and_one_document(run: Run, paint: Paint) -> None:
    photos = paint("a/red.png"), paint("b/red.png"), paint("b/green.png", (100, 160, 100))
    result = run("fool", "a", "b", "--as", "blue", "--out", "many", "--json", *QUICK)
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert [one["file"] for one in document["pictures"]] == [str(photos[0]), str(photos[2]), str(photos[1])]
    assert [one["folder"] for one in document["pictures"]] == ["many/red", "many/green", "many/red-2"]
    assert all(one["fooled"] and manifest(one["folder"]) for one in document["pictures"])
    assert document["errors"] == []
    assert document["pictures"][0]["after"][0]["label"] == "blue"


def test_without_a_photo_the_packaged_cat(run: Run) -> None:
    result = run("fool", "--as", "green", *QUICK)
    assert result.exit_code == 0
    assert "the packaged cat" in result.stderr
    assert "the packaged cat  fooled" in result.stdout


def test_without_a_photo_and_a_class_a_strawberry(run: Run) -> None:
    result = run("fool", *QUICK)
    assert "no class: strawberry" in result.stderr
    assert "there is no class 'strawberry'" in result.stderr.splitlines()[-1]
    assert result.exit_code == 2


def test_photos_without_a_class_are_a_question(run: Run, paint: Paint) -> None:
    result = run("fool", paint(), *TINY)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "--as CLASS" in result.stderr
    assert "--untargeted" in result.stderr


def test_untargeted_takes_any_other_label(run: Run, paint: Paint) -> None:
    result = run("fool", paint(), "--untargeted", *QUICK)
    assert result.exit_code == 0
    assert judge("hoodwink-out/fooled.png", load_model(COLOURS)).label != "red"


def test_a_photo_that_is_not_fooled_leaves_its_best_file_named_so(run: Run, paint: Paint) -> None:
    result = run("fool", paint(), "--as", "green", "--model", "python:tiny_nets:constant")
    assert result.exit_code == 1
    assert "not fooled: the gradient is zero here" in result.stdout
    assert "hoodwink-out/not-fooled.png" in result.stdout
    assert Path("hoodwink-out/not-fooled.png").is_file()
    assert not Path("hoodwink-out/fooled.png").exists()


def test_one_that_is_not_fooled_among_others_ends_with_1(run: Run, paint: Paint) -> None:
    photos = paint(), paint("blue.png", (90, 90, 240))
    result = run("fool", *photos, "--as", "green", "--eps", "20/255", "--norm", "linf", *QUICK)
    assert result.exit_code == 1
    assert manifest("hoodwink-out/red")
    assert Path("hoodwink-out/blue/not-fooled.png").is_file()


def test_several_networks_are_all_fooled(run: Run, paint: Paint) -> None:
    result = run("fool", paint(), "--as", "green", *QUICK, "--model", "python:tiny_nets:others", "--json")
    assert result.exit_code == 0
    assert [one["model"] for one in json.loads(result.stdout)["pictures"][0]["after"]] == ["colours", "others"]
    assert all(judge("hoodwink-out/fooled.png", load_model(f"python:tiny_nets:{name}")).label == "green" for name in ("colours", "others"))


def test_a_ball_in_levels_and_a_mask_are_kept(run: Run, paint: Paint) -> None:
    mask = np.zeros((12, 16), np.uint8)
    mask[:, :9] = 255
    Image.fromarray(mask).save("mask.png")
    result = run("fool", paint(), "--untargeted", "--eps", "60/255", "--norm", "linf", "--mask", "mask.png", *QUICK)
    before, after = (read_picture(f"hoodwink-out/{name}.png").levels.astype(int) for name in ("original", "fooled"))
    assert result.exit_code == 0
    assert 0 < abs(after - before).max() <= 60
    assert (after == before)[:, 9:].all()


def test_at_model_size_the_file_is_what_the_network_sees(run: Run, paint: Paint) -> None:
    assert run("fool", paint(), "--as", "green", "--at-model-size", *QUICK).exit_code == 0
    assert read_picture("hoodwink-out/fooled.png").levels.shape == (8, 8, 3)


@pytest.mark.parametrize("name", ["new.png", "new.bmp", "new.tiff"])
def test_out_may_name_one_picture(run: Run, paint: Paint, name: str) -> None:
    result = run("fool", paint(), "--as", "green", "--out", name, *QUICK)
    assert result.exit_code == 0
    assert judge(name, load_model(COLOURS)).confidence("green") >= 0.9
    assert sorted(os.listdir()) == [name, "red.png"]
    again = run("fool", "red.png", "--as", "green", "--out", name, *QUICK)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert run("fool", "red.png", "--as", "green", "--out", name, "--force", *QUICK).exit_code == 0


def test_a_picture_that_is_not_fooled_gets_another_name(run: Run, paint: Paint) -> None:
    result = run("fool", paint(), "--as", "green", "--out", "new.png", "--model", "python:tiny_nets:constant")
    assert result.exit_code == 1
    assert sorted(os.listdir()) == ["new-not-fooled.png", "red.png"]


@pytest.mark.parametrize("name", ["new.jpg", "new.webp", "new.gif", "new.heic"])
def test_lossy_names_are_refused_before_the_work(run: Run, paint: Paint, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("hoodwink.models.load.load_model", None)  # the work would begin with it
    result = run("fool", paint(), "--as", "green", "--out", name, *TINY)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {name}: ")
    assert "type new.png" in result.stderr
    assert os.listdir() == ["red.png"]


def test_a_folder_with_something_in_it_is_kept_without_force(run: Run, paint: Paint) -> None:
    photo = paint()
    Path("hoodwink-out").mkdir()
    Path("hoodwink-out/mine.txt").write_text("mine")
    line = ("fool", photo, "--as", "green", *QUICK)
    refused = run(*line)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert os.listdir("hoodwink-out") == ["mine.txt"]
    assert run(*line, "--force").exit_code == 0
    assert Path("hoodwink-out/mine.txt").read_text() == "mine"
    assert run(*line, "--force").exit_code == 0


def test_resume_keeps_what_is_finished_and_does_the_rest(run: Run, paint: Paint) -> None:
    photos = paint("a.png"), paint("b.png")
    line = ("fool", *photos, "--as", "green", *QUICK)
    assert run(*line).exit_code == 0
    Path("hoodwink-out/b/manifest.json").unlink()
    before = Path("hoodwink-out/a/run.json").stat().st_mtime_ns
    result = run(*line, "--resume", "--json")
    assert result.exit_code == 0
    assert [one["kept"] for one in json.loads(result.stdout)["pictures"]] == [True, False]
    assert "a.png: kept, finished in hoodwink-out/a (fooled)" in result.stderr
    assert Path("hoodwink-out/a/run.json").stat().st_mtime_ns == before
    assert manifest("hoodwink-out/b")


def test_resume_does_not_take_another_run_for_its_own(run: Run, paint: Paint) -> None:
    photo = paint()
    assert run("fool", photo, "--as", "green", *QUICK).exit_code == 0
    for words in (
        ("red.png", "--as", "blue"),
        ("red.png", "--as", "green", "--confidence", "0.8"),
        (paint("other.png", size=(9, 9)), "--as", "green"),
    ):
        result = run("fool", *words, "--resume", *QUICK)
        assert result.exit_code == 2
        assert "another photo or with other settings" in result.stderr


def test_every_bad_file_is_one_line_and_the_good_one_is_done(run: Run, paint: Paint, tmp_path: Path) -> None:
    files = bad_files.make_bad_files(tmp_path / "bad")
    bad = [file for file in files if not file.opens]
    assert len(bad) >= 25
    (tmp_path / "empty").mkdir()
    good = paint("bad/good/red.png")
    paths = [str(file.path) for file in bad if file.name != "folder.png"]
    result = run("fool", *paths[:20], good, *paths[20:], "empty", "--as", "green", "--out", "out", "--json", *QUICK)
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert [one["file"] for one in document["pictures"]] == [str(good)]
    assert document["pictures"][0]["fooled"]
    assert sorted(error["file"] for error in document["errors"]) == sorted([*paths, "empty"])
    lines = result.stderr.splitlines()
    assert len(lines) == len(paths) + 1
    for path in [*paths, "empty"]:
        assert len([line for line in lines if line.startswith(f"error: {one_line(path)}: ")]) == 1


def test_what_is_wrong_for_every_photo_is_said_once(run: Run, paint: Paint) -> None:
    photos = paint("a.png"), paint("b.png")
    for words, part in (
        (("--as", "purple"), "there is no class 'purple'"),
        (("--as", "green", "--mask", "absent.png"), "absent.png: cannot be read"),
        (("--as", "green", "--eps", "8", "--norm", "linf"), "8/255"),
        (("--as", "green", "--eps", "8/0"), "'8/0'"),
        (("--as", "green", "--eps=-1"), "eps"),
        (("--as", "green", "--confidence", "1"), "--confidence"),
        (("--as", "green", "--confidence", "90%"), "--confidence"),
        (("--as", "green", "--confidence", "nan"), "--confidence 0.9"),
        (("--as", "green", "--eps", "inf"), "--eps 8/255"),
        (("--as", "green", "--seed", "1e9"), "--seed"),
        (("--as", "green", "--threads", "0"), "--threads"),
        (("--as", "green", "--untargeted"), "--untargeted"),
        (("--as", "green", "--out", "one.png"), "give a folder"),
        (("--as", "green", "--norm", "l3"), "--norm"),
        (("--as", "green", "--device", "toaster"), "toaster"),
        (("--as", "green", "--model", "absent"), "absent"),
        (("--as", "green", "--esp", "1"), "--eps"),
    ):
        result = run("fool", *photos, *words, *TINY)
        assert result.exit_code == 2, words
        assert len(result.stderr.splitlines()) == 1, result.stderr
        assert part in result.stderr
        assert not Path("hoodwink-out").exists()


def test_what_is_wrong_for_one_photo_names_it(run: Run, paint: Paint) -> None:
    Image.fromarray(np.full((12, 16), 255, np.uint8)).save("mask.png")
    photos = paint("a.png"), paint("b.png", size=(9, 9)), paint("c.png", (90, 190, 90))
    result = run("fool", *photos, "--as", "green", "--mask", "mask.png", *QUICK)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0].startswith("error: b.png: the mask must have the picture's size")
    assert result.stderr.splitlines()[1].startswith("error: c.png: the network already calls")
    assert manifest("hoodwink-out/a")


def test_a_pixel_cap_can_be_lowered(run: Run, paint: Paint) -> None:
    result = run("fool", paint(), "--as", "green", "--max-pixels", "100", *QUICK)
    assert result.exit_code == 2
    assert "--max-pixels" in result.stderr


def test_a_full_disk_is_one_line_and_leaves_no_half_a_file(run: Run, paint: Paint, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    photo = paint()
    monkeypatch.setattr(runs, "_write_all", full)
    for out in ("hoodwink-out", "new.png"):
        result = run("fool", photo, "--as", "green", "--out", out, *QUICK)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
        assert "no space left on device" in result.stderr
    assert [path for path in Path().rglob("*") if path.is_file()] == [photo]


def test_our_own_fault_in_one_photo_is_said_and_the_others_are_done(run: Run, paint: Paint, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fooling.fool_into

    def fail(folder: Path, photo: Path, **options: object) -> fooling.Fooled:
        if photo.name == "a.png":
            raise IndexError("list index\nout of range")
        return whole(folder, photo, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(fooling, "fool_into", fail)
    line = ("fool", paint("a.png"), paint("b.png"), "--as", "green", *QUICK)
    result = run(*line)
    assert result.exit_code == 3
    assert result.stderr == "error: a.png: IndexError: list index: a fault of hoodwink; type --debug to see where\n"
    assert manifest("hoodwink-out/b")
    assert "Traceback" in run(*line, "--debug", "--force").stderr


def test_an_interrupt_keeps_what_is_finished(run: Run, paint: Paint, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fooling._search

    def stop(job: object, watch: object) -> fooling.Fooled:
        if Path("hoodwink-out/b").exists():
            raise KeyboardInterrupt
        return whole(job, watch)  # type: ignore[arg-type]

    monkeypatch.setattr(fooling, "_search", stop)
    result = run("fool", paint("a.png"), paint("b.png"), "--as", "green", "--json", *QUICK)
    assert result.exit_code == 130
    assert "1 of 2" in result.stderr
    assert "--resume" in result.stderr
    document = json.loads(result.stdout)
    assert document["interrupted"]
    assert [one["folder"] for one in document["pictures"]] == ["hoodwink-out/a"]
    assert not manifest("hoodwink-out/b")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
def test_ctrl_c_in_a_program_of_its_own(paint: Paint) -> None:
    for name in ("a.png", "b.png"):
        paint(name)
    root = Path(__file__).resolve().parents[2]
    words = ["fool", "a.png", "b.png", "--as", "green", "--steps", "99999", "--model", "python:tiny_nets:slow"]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root / 'tests'}"}
    # A shell's background jobs ignore the signal, and so would the program: it takes over what is ignored here.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [sys.executable, "-m", "hoodwink", *words], env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        signal.signal(signal.SIGINT, before)
        deadline = time.monotonic() + 60
        while not Path("hoodwink-out/a/events.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=60)
    assert program.returncode == 130
    assert b"Traceback" not in err
    assert b"0 of 2" in err
    assert sorted(os.listdir("hoodwink-out/a")) == ["events.jsonl", "run.json"]
    assert [json.loads(line)["phase"] for line in Path("hoodwink-out/a/events.jsonl").read_bytes().splitlines()]


def test_quiet_leaves_only_the_results(run: Run) -> None:
    result = run("fool", "--as", "green", "--quiet", *QUICK)
    assert result.stderr == ""
    assert "fooled" in result.stdout
