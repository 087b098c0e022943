from __future__ import annotations

from pathlib import Path

import click
import pytest

from hoodwink.cli import places


@pytest.mark.parametrize(
    ("photos", "wanted"),
    [
        (["a/cat.png"], [""]),
        (["a/cat.png", "dog.jpg"], ["cat", "dog"]),
        (["a/cat.png", "b/cat.jpg", "CAT.png"], ["cat", "cat-2", "CAT-3"]),
        (["cat-2.png", "cat.png", "x/cat.png"], ["cat-2", "cat", "cat-3"]),
        (["cat.png", "x/cat.png", "cat-2.png"], ["cat", "cat-2", "cat-2-2"]),
        (["..png", "...png", ".png"], ["photo", "photo-2", "png"]),
        (["line\nend.png", "a. .png"], ["line_end", "a"]),
    ],
)
def test_folders_differ_and_stay_inside(photos: list[str], wanted: list[str]) -> None:
    assert places.folders([Path(photo) for photo in photos], Path("out")) == [Path("out") / name for name in wanted]


@pytest.mark.parametrize(
    ("out", "picture"), [("a.png", True), ("A.JPG", True), ("a.heic", True), ("run.v2", False), ("out", False), (".png", False)]
)
def test_what_names_a_picture(out: str, picture: bool) -> None:
    assert places.is_picture_name(Path(out)) == picture


def test_one_picture_is_for_one_photo() -> None:
    with pytest.raises(click.UsageError, match="2 photos are named; give a folder"):
        places.check_picture(Path("a.png"), [Path("b.png"), Path("c.png")], force=True)


def test_an_unfinished_run(tmp_path: Path) -> None:
    assert not places.unfinished(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    assert places.unfinished(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    assert not places.unfinished(tmp_path)
