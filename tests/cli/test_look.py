from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bad_files
from hoodwink.evidence.judge import judge
from hoodwink.models.load import load_model
from hoodwink.runs import one_line

from .conftest import COLOURS, TINY, Paint, Run


def test_the_most_probable_classes_and_their_probabilities(run: Run, paint: Paint) -> None:
    photo = paint()
    result = run("look", photo, "-k", "2", *TINY)
    assert result.exit_code == 0
    head, first, second = result.stdout.splitlines()[:3]
    assert head == "red.png  as colours sees it"
    top = judge(photo, load_model(COLOURS)).top(2)
    assert first.split()[::2] == ["red", f"{top[0][1]:.4f}"]
    assert second.split()[::2] == ["green", f"{top[1][1]:.4f}"]
    assert len(result.stdout.splitlines()) == 4


def test_json_holds_the_verdicts_of_every_network(run: Run, paint: Paint) -> None:
    photos = paint("a.png"), paint("b.png", (90, 90, 200))
    result = run("look", *photos, "-k", "1", "--json", *TINY, "--model", "python:tiny_nets:others")
    document = json.loads(result.stdout)
    assert result.stderr == ""
    assert [one["file"] for one in document["pictures"]] == ["a.png", "b.png"]
    for one, label in zip(document["pictures"], ("red", "blue"), strict=True):
        assert [(verdict["model"], verdict["label"], len(verdict["top"])) for verdict in one["verdicts"]] == [
            ("colours", label, 1),
            ("others", label, 1),
        ]


def test_what_was_done_to_read_a_picture_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "turned.jpg").write_bytes(bad_files.encoded("JPEG", bad_files.photo("L"), exif=bad_files.turned(6)))
    result = run("look", "turned.jpg", *TINY)
    assert "  turned by its EXIF orientation (6)\n  grey copied to three channels\n" in result.stdout


def test_every_file_of_the_table(run: Run, tmp_path: Path) -> None:
    files = [file for file in bad_files.make_bad_files(tmp_path / "bad") if file.name != "folder.png"]
    result = run("look", *(file.path for file in files), "--json", *TINY)
    assert result.exit_code == 2
    assert [one["file"] for one in json.loads(result.stdout)["pictures"]] == [str(file.path) for file in files if file.opens]
    lines = result.stderr.splitlines()
    assert len(lines) == len([file for file in files if not file.opens])
    for file in files:
        named = [line for line in lines if line.startswith(f"error: {one_line(file.path)}: ")]
        assert len(named) == (0 if file.opens else 1), file.why
        assert file.error in "".join(named)


def test_a_folder_gives_its_pictures_and_an_empty_one_an_error(run: Run, paint: Paint, tmp_path: Path) -> None:
    paint("some/b.png")
    paint("some/a.png")
    (tmp_path / "none").mkdir()
    result = run("look", "none", "some", *TINY)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: none: a folder with pictures was wanted")
    assert [line for line in result.stdout.splitlines() if "as colours" in line] == [
        "some/a.png  as colours sees it",
        "some/b.png  as colours sees it",
    ]


def test_at_model_size_a_picture_must_have_it(run: Run, paint: Paint) -> None:
    assert run("look", paint("small.png", size=(8, 8)), "--at-model-size", *TINY).exit_code == 0
    result = run("look", paint(), "--at-model-size", *TINY)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: red.png: at model size 8 x 8")
    assert "--at-model-size" in result.stderr


def test_without_a_photo_the_packaged_cat(run: Run) -> None:
    result = run("look", *TINY)
    assert result.stdout.startswith("the packaged cat  as colours")
    assert result.stderr == "no photo is named: the packaged cat\n"
    assert run("look", "-q", *TINY).stderr == ""


def test_a_warning_about_the_network_is_said(run: Run, paint: Paint) -> None:
    result = run("look", paint(), "-q", "--model", "python:tiny_nets:probabilities")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: probabilities: its outputs look like probabilities")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_it_knows_no_attack(paint: Paint) -> None:
    code = (
        "import sys; from hoodwink.cli.main import cli\n"
        f"try: cli.main(['look', 'red.png', '--model', {COLOURS!r}])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print([name for name in sys.modules if name.startswith(('hoodwink.attacks', 'hoodwink.fooling', 'matplotlib'))])"
    )
    paint()
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": f"{root}/src:{root}/tests"}
    )
    assert answer.stdout.splitlines()[-1] == "[]"
