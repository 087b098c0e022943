from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.models.embed import as_embedder
from hoodwink.pictures.read import read_picture
from hoodwink.studies import fool_search
from hoodwink.studies.desk import Desk
from hoodwink.studies.fool_search import FOOL_SEARCH, answers, as_seen, attempt, find_photo, measured, stocked
from hoodwink.studies.photos import photo
from small_stores import embedder

SETTINGS = {"data": "digits-32", "limit": 10, "side": 0, "k": 4, "share": 0.75, "steps": 80, "pairs": "cat>3"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(autouse=True)
def cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features are kept in a folder of these tests'."""
    monkeypatch.setenv("HOODWINK_CACHE", str(place / "cache"))


def desk_of(place: Path, way: str = "whole levels") -> Desk:
    folder = place / "line"
    folder.mkdir(exist_ok=True)
    return Desk("line", SETTINGS | {"way": way}, 0, folder)


@pytest.mark.parametrize("way", ["rounded", "whole levels", "photo"])
def test_what_is_measured_is_read_from_the_file(place: Path, way: str) -> None:
    desk, model = desk_of(place, way), embedder()
    found = attempt(desk, model, stocked(desk, model, ["cat"]), "cat", "3")
    row = measured(found, 0.75)
    assert np.array_equal(read_picture(desk.folder / "cat-as-3.png").levels, found.saved)
    size = photo("cat").shape if way == "photo" else (16, 16, 3)
    assert found.saved.shape == found.original.shape == size
    assert row["L2"] == pytest.approx(np.linalg.norm(found.saved.astype(float) - found.original) / 255)
    wanted = {one.sha256 for one in found.other.answers}
    assert row["answers shared"] == len({one.sha256 for one in found.after.answers} & wanted)
    assert row["gradient evaluations"] <= 80
    assert way == "rounded" or (row["fools"] == row["in memory"] == 1 and row["answers shared"] >= 3)
    assert found.after.answers[0].path == found.other.answers[0].path or not row["fools"]


def test_the_store_is_made_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, model = desk_of(place), embedder()
    first = stocked(desk, model, ["cat"])

    def again(*asked: Any, **more: Any) -> Any:
        raise AssertionError("embedded again")

    monkeypatch.setattr(fool_search, "find_features", again)
    assert stocked(desk, model, ["cat"]) == first
    assert len(list((first / "pictures").glob("*.png"))) == 31  # ten of each split, and the cat


def test_at_its_own_size_the_network_sees_the_picture_as_it_is() -> None:
    model = embedder()
    found, levels = as_embedder(model), photo("cat")
    assert np.array_equal(as_seen(found)([model.see(levels)]), found([levels]))


def test_the_answers_are_three_rows(place: Path) -> None:
    desk, model = desk_of(place), embedder()
    found = attempt(desk, model, stocked(desk, model, ["cat"]), "cat", "3")
    shown = answers(found)
    assert shown.shape[0] == 3 * fool_search.SIDE + 4 * 4
    assert shown.shape[1] == 5 * fool_search.SIDE + fool_search.SIDE // 4 + 7 * 4


def test_a_photo_of_the_folder_goes_before_scikit_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    (tmp_path / "photos").mkdir()
    Image.new("RGB", (9, 7), (1, 2, 3)).save(tmp_path / "photos" / "pizza.jpg")
    monkeypatch.setenv("HOODWINK_DATA", str(tmp_path))
    assert find_photo("pizza").shape == (7, 9, 3) and np.array_equal(find_photo("cat"), photo("cat"))


def test_the_lines_on_whole_levels_must_fool_from_the_file() -> None:
    floors = {line.name: [mark.floor for mark in line.marks if mark.measure == "files that fool, share"] for line in FOOL_SEARCH.lines}
    assert floors == {"rounded-once": [], "whole-levels": [1.0], "photo": [1.0]}
