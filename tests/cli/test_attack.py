from __future__ import annotations

import json
from pathlib import Path

import pytest

from hoodwink.attacks.pgd import pgd
from hoodwink.attacks.shrink import shrink
from hoodwink.attacks.table import ATTACKS, Row
from hoodwink.evidence.judge import judge
from hoodwink.evidence.verify import verify
from hoodwink.models.load import load_model
from hoodwink.pictures.levels import distances
from hoodwink.pictures.read import read_picture

from .conftest import COLOURS, TINY, Paint, Run

EPS = ("--eps", "20/255")


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two rows that the tests name, whatever else the table has."""
    monkeypatch.setitem(ATTACKS, "pgd", Row(pgd, "budget", ("linf", "l2", "l1"), "gradient", ""))
    monkeypatch.setitem(ATTACKS, "shrink", Row(shrink, "minimal", ("linf", "l2", "l1", "l0"), "gradient", ""))


def test_one_photo(run: Run, paint: Paint) -> None:
    result = run("attack", "pgd", paint(), *EPS, *TINY)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("1 of 1 fooled, median distance ")
    assert lines[1].split() == ["picture", "before", "now", "linf", "gradients", "forwards"]
    assert lines[2].split()[:4] == ["fooled", "red.png", "red", "green"]
    assert result.stderr == ""
    assert list(Path().iterdir()) == [Path("red.png")]


def test_photos_of_any_size_and_one_that_stands(run: Run, paint: Paint) -> None:
    photos = paint("a.png"), paint("b.png", (60, 60, 250), (20, 9))
    result = run("attack", "pgd", *photos, *EPS, *TINY, "--json")
    assert result.exit_code == 1
    rows = json.loads(result.stdout)["pictures"]
    assert [(one["file"], one["before"], one["success"]) for one in rows] == [("a.png", "red", True), ("b.png", "blue", False)]
    assert rows[0]["distance"] <= 20 / 255 + 1e-9
    assert all(one["gradients"] > 0 for one in rows)


def test_a_folder_by_class_is_a_data_set(run: Run, paint: Paint) -> None:
    paint("data/red/a.png")
    paint("data/green/b.png")  # red, so wrong to begin with
    paint("data/crimson/c.png")
    result = run("attack", "pgd", "data", *EPS, *TINY, "--json")
    rows = json.loads(result.stdout)["pictures"]
    assert sorted(one["before"] for one in rows) == ["green", "red", "red"]
    assert "3 of 3 fooled" in run("attack", "pgd", "data", *EPS, *TINY).stdout
    assert ", 1 without a change" in run("attack", "pgd", "data", *EPS, *TINY).stdout
    assert len(json.loads(run("attack", "pgd", "data", *EPS, *TINY, "--limit", "2", "--json").stdout)["pictures"]) == 2


def test_files_are_written_and_judged(run: Run, paint: Paint) -> None:
    photos = paint("a.png"), paint("in/a.png"), paint("b.png", (60, 60, 250))
    result = run("attack", "pgd", *photos, *EPS, *TINY, "--out", "out")
    assert result.exit_code == 1
    assert sorted(path.name for path in Path("out").glob("*.png")) == [
        "a-2-fooled.png",
        "a-2.png",
        "a-fooled.png",
        "a.png",
        "b-not-fooled.png",
        "b.png",
    ]
    model = load_model(COLOURS)
    before, after = (read_picture(f"out/{name}.png").levels for name in ("a", "a-fooled"))
    assert judge("out/a-fooled.png", model).label != "red"
    assert judge("out/b-not-fooled.png", model).label == "blue"
    assert 0 < distances(before, after).linf <= 20
    found = verify("out", trust_code=True)
    assert found.holds
    assert len(found.checks) == 2
    assert run("attack", "pgd", photos[0], *EPS, *TINY, "--out", "out").exit_code == 2
    assert run("attack", "pgd", photos[0], *EPS, *TINY, "--out", "out", "--force").exit_code == 0
    assert not Path("out/b.png").exists()


def test_a_target_and_a_minimal_attack(run: Run, paint: Paint) -> None:
    result = run("attack", "shrink", paint(), "--as", "blue", "--steps", "60", *TINY, "--out", "out", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["pictures"][0]["after"] == "blue"
    assert json.loads(result.stdout)["norm"] == "l2"
    assert verify("out", trust_code=True).holds


def test_options_of_the_attack(run: Run, paint: Paint) -> None:
    photo = paint("a.png", (60, 60, 250))
    line = ("attack", "pgd", photo, *EPS, *TINY, "--json", "--steps", "5")
    first = json.loads(run(*line).stdout)["pictures"][0]
    more = json.loads(run(*line, "-o", "restarts=3", "-o", "random-start=true", "-o", "step_size=2/255").stdout)["pictures"][0]
    assert (first["gradients"], more["gradients"]) == (5, 15)
    for words, part in (
        (("-o", "restarts"), "NAME=VALUE"),
        (("-o", "colour=1"), "no option 'colour'; its options are"),
        (("-o", "loss=none"), "loss: one of"),
    ):
        result = run(*line, *words)
        assert result.exit_code == 2
        assert part in result.stderr


def test_what_is_refused_in_one_line(run: Run, paint: Paint) -> None:
    photo = paint()
    for words, part in (
        (("pdg", photo, *EPS), "the nearest is 'pgd'"),
        (("pgd", photo), "an eps was wanted"),
        (("pgd", photo, "--eps", "8"), "8/255"),
        (("pgd", photo, *EPS, "--norm", "l0"), "linf, l2, l1"),
        (("pgd", photo, *EPS, "--as", "purple"), "purple"),
        (("pgd", photo, *EPS, "--free", "--out", "out"), "leave out --free or --out"),
        (("pgd", "absent.png", photo, *EPS), "absent.png: cannot be read"),
        (("pgd", "absent", *EPS), "absent"),
        (("pgd", photo, *EPS, "--model", "python:tiny_nets:others"), "--model once"),
    ):
        result = run("attack", *words, *TINY)
        assert result.exit_code == 2, words
        assert len(result.stderr.splitlines()) == 1, result.stderr
        assert part in result.stderr
        assert not Path("out").exists()


def test_many_are_summed_up(run: Run, paint: Paint) -> None:
    for k in range(22):
        paint(f"in/{k:02d}.png", (150, 130 - k, 100), (8, 8))
    result = run("attack", "pgd", "in", *EPS, *TINY, "--free")
    assert "and 2 more; --json lists all" in result.stdout
    assert len(result.stdout.splitlines()) == 23
