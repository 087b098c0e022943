from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hoodwink.evidence.grade import find_pairs, grade, to_csv, to_html
from hoodwink.models.classes import ClassError
from hoodwink.models.model import Model
from hoodwink.pictures.read import PictureError
from hoodwink.pictures.write import write_picture

Paint = Callable[..., np.ndarray[Any, np.dtype[np.uint8]]]


@pytest.fixture
def hand_ins(tmp_path: Path, colours: Paint) -> Path:
    """Ann, Bob and Dot follow the names, Eve's is a JPEG, Flo's has another size, Gil's is broken, Hal's and Ivy's halves are missing."""
    red, green = colours(150, 130, 100), colours(130, 160, 100)
    for name in ("Ann.png", "Bob.png", "Eve.png", "Flo.png", "Gil.png", "Ivy.png", "Dot/original.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_picture(tmp_path / name, red)
    write_picture(tmp_path / "Ann-fooled.png", green)
    write_picture(tmp_path / "fooled_Bob.png", red)
    write_picture(tmp_path / "Dot" / "fooled.png", green)
    Image.fromarray(green).save(tmp_path / "Eve_fooled.jpg", quality=95)
    write_picture(tmp_path / "Flo-fooled.png", green[:8])
    (tmp_path / "Gil-fooled.png").write_bytes(b"")
    write_picture(tmp_path / "Hal-fooled.png", green)
    write_picture(tmp_path / "=Jo-fooled.png", green)
    write_picture(tmp_path / "=Jo.png", green)
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def test_a_folder_is_graded_hand_in_by_hand_in(hand_ins: Path, tiny: Model) -> None:
    grades = {one.name: one for one in grade(hand_ins, tiny, "green")}
    assert sorted(grades) == ["=Jo", "Ann", "Bob", "Dot", "Eve", "Flo", "Gil", "Hal"]
    assert [name for name, one in grades.items() if one.passed] == ["Ann", "Dot", "Eve"]
    assert grades["Ann"].why == "" and grades["Ann"].label == "green" and grades["Ann"].distances is not None
    assert grades["Ann"].confidence is not None and grades["Ann"].confidence >= 0.9
    assert grades["Bob"].label == "red" and "read as red, not as green" in grades["Bob"].why
    assert grades["Bob"].distances is not None and grades["Bob"].distances.l0 == 0
    assert "JPEG" in grades["Eve"].why and grades["Eve"].distances is not None
    assert "different size: 12 x 16 and 8 x 16" in grades["Flo"].why and grades["Flo"].distances is None and grades["Flo"].label == "green"
    assert grades["Gil"].label is None and "Gil-fooled.png" in grades["Gil"].why
    assert grades["Hal"].label == "green" and "Hal.png" in grades["Hal"].why
    assert "already" in grades["=Jo"].why
    assert json.dumps(grades["Ann"].to_json())


def test_pairs_may_be_given_as_files(hand_ins: Path, tiny: Model) -> None:
    pairs: list[tuple[str | Path, str | Path]] = [
        (hand_ins / "Ann.png", hand_ins / "Ann-fooled.png"),
        (str(hand_ins / "Bob.png"), str(hand_ins / "Dot" / "fooled.png")),
    ]
    assert [(one.name, one.passed) for one in grade(pairs, tiny, 1)] == [("Ann", True), ("fooled", True)]
    strict = grade(pairs, tiny, "green", confidence=0.99999)
    assert not any(one.passed for one in strict) and "wanted is 0.99999" in strict[0].why


def test_names_are_found_in_subfolders_and_run_folders(tmp_path: Path, colours: Paint) -> None:
    for name in ("ann/cat.jpg", "ann/cat.png", "ann/fooled-cat.png", "run/original.png", ".hidden/a.png", ".hidden/a-fooled.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(colours(1, 2, 3)).save(tmp_path / name)
    assert find_pairs(tmp_path) == [
        ("ann/cat", tmp_path / "ann/cat.png", tmp_path / "ann/fooled-cat.png"),
        ("run", tmp_path / "run/original.png", tmp_path / "run/fooled.png"),
    ]
    assert find_pairs(tmp_path / "run")[0][0] == "run"


def test_nothing_to_grade_and_bad_wishes_are_errors(tmp_path: Path, tiny: Model) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(PictureError, match=folder.name):
            grade(folder, tiny, "green")
    with pytest.raises(ClassError):
        grade([], tiny, "purple")
    with pytest.raises(ValueError, match="0.9 for 90 %"):
        grade([], tiny, "green", confidence=90)


def test_the_table_as_csv_holds_no_formula(hand_ins: Path, tiny: Model) -> None:
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(to_csv(grade(hand_ins, tiny, "green"))))}
    assert "'=Jo" in rows and rows["Ann"]["passed"] == "yes" and rows["Gil"]["passed"] == "no" and rows["Gil"]["l2"] == ""
    assert float(rows["Ann"]["l2"]) > 0 and rows["Ann"]["linf"].isdigit() and math.isinf(float(rows["Bob"]["psnr"]))


def test_the_page_stands_alone_and_escapes_names(hand_ins: Path, tiny: Model, browser: Any) -> None:
    evil = hand_ins / "<img src=x onerror=alert(1)>-fooled.png"
    evil.write_bytes((hand_ins / "Ann-fooled.png").read_bytes())
    text = to_html(grade(hand_ins, tiny, "green"), target="green", model="tiny")
    assert "<img src=x" not in text and text.count("data:image/png") == 8 and "script" not in text.replace("script-src", "")
    page = hand_ins / "grades.html"
    page.write_text(text, encoding="utf-8")
    browser.open(page)
    assert browser.complaints() == []
    assert browser.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert browser.evaluate("document.querySelector('h1').textContent") == "3 of 9 passed"
    assert browser.evaluate("getComputedStyle(document.querySelector('.badge')).borderRadius") == "99px"
