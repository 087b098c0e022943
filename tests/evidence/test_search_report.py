from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.evidence.search_report import SIDE, Tile, contact_sheet, fitted, make_tile, render_search_report
from hoodwink.pictures.write import encode_png
from hoodwink.runs import sha256_file

RESULT = {
    "file": "photos/<b>asked</b>.png",
    "sha256": "ab" * 32,
    "store": "/kept",
    "pictures": 1234,
    "k": 3,
    "how": "every picture is compared",
    "exact": 3,
    "answers": [{"rank": k, "path": f"/photos/deep/{k}.png", "sha256": "cd" * 32, "cosine": 1 - k / 10} for k in (1, 2, 3)],
}
RECORD: dict[str, Any] = {
    "hoodwink": "1.2.3",
    "settings": {"store": "/kept", "k": 3, "layer": None},
    "models": [{"name": "tiny", "card": {}}],
    "versions": {"torch": "2"},
    "result": RESULT,
}


def grey(value: int, height: int = 8, width: int = 8, channels: int = 3) -> Any:
    return np.full((height, width, channels), value, np.uint8)


def test_thumbnails_fit_and_small_ones_show_their_pixels() -> None:
    assert fitted(grey(7, 400, 100), 160).shape == (160, 40, 3)
    assert fitted(grey(7, 1, 2000, 1), 160).shape == (1, 160, 3)
    checker = np.indices((4, 4)).sum(0)[..., None].repeat(3, 2) % 2 * 255
    large = fitted(checker.astype(np.uint8), 160)
    assert large.shape == (160, 160, 3) and set(np.unique(large).tolist()) == {0, 255}
    assert np.array_equal(large[::40, ::40], checker)


def test_tiles_say_what_became_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(grey(9)))
    good = make_tile(str(path), sha256_file(path))
    assert good.thumbnail is not None and good.note == "" and good.thumbnail.shape == (SIDE, SIDE, 3)
    changed = make_tile(str(path), "ef" * 32)
    assert changed.thumbnail is not None and changed.note == "changed since it was indexed"
    path.write_bytes(b"none")
    assert make_tile(str(path), "ef" * 32) == Tile(None, "can no longer be read")
    path.unlink()
    assert make_tile(str(path), "ef" * 32) == Tile(None, "gone from disk")


def test_the_sheet_begins_with_the_asked_picture() -> None:
    drawn = contact_sheet(grey(10), [Tile(fitted(grey(20 * k), SIDE)) for k in range(1, 7)] + [Tile(None, "gone from disk")])
    first = drawn[8 : 8 + SIDE + 8, 8 : 8 + SIDE + 8]
    assert (first[0, 0] == (47, 102, 179)).all() and (first[SIDE // 2, SIDE // 2] == 10).all()
    middle = 8 + (SIDE + 8) // 2
    lefts = [8 + SIDE + 8 + 8 + k * (SIDE + 8) + SIDE // 2 for k in range(6)]
    assert [int(drawn[middle, left, 0]) for left in lefts] == [20, 40, 60, 80, 100, 120]
    assert drawn.shape[0] == 8 + (SIDE + 8) + 8 + SIDE + 8 and (drawn[-8 - SIDE // 2, 8 + (SIDE + 8) // 2] == 235).all()


def test_a_page_of_answers() -> None:
    tiles = [Tile(fitted(grey(50), SIDE)), Tile(fitted(grey(60), SIDE), "changed since it was indexed"), Tile(None, "gone from disk")]
    page = render_search_report(RECORD, grey(10), tiles, name="my answers")
    assert page.count("data:image/png;base64,") == 3 and "hoodwink verify &#39;my answers&#39;" in page
    assert "<b>asked</b>" not in page and "&lt;b&gt;asked" in page
    assert "In /photos/deep" in page and ">1.png<" in page and "0.9000" in page
    assert "1,234 pictures" in page and "changed since the store saw them: 2 of the files" in page
    again = render_search_report(RECORD, grey(10), [Tile(fitted(grey(50), SIDE))] * 3, name="x")
    assert "changed since the store" not in again


def test_a_browser_opens_it_without_a_complaint(browser: Any, tmp_path: Path) -> None:
    tiles = [Tile(fitted(grey(50), SIDE)), Tile(fitted(grey(60, 40, 400), SIDE)), Tile(None, "gone from disk")]
    path = tmp_path / "report.html"
    path.write_text(render_search_report(RECORD, grey(10), tiles, name="answers"), encoding="utf-8")
    for width, scripts in ((1200, True), (380, False)):
        browser.open(path, width=width, scripts=scripts)
        assert browser.complaints() == []
        if scripts:
            loaded = browser.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
            assert loaded and browser.evaluate("document.images.length") == 3
            assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
            colour = browser.evaluate("getComputedStyle(document.querySelector('.asked > img')).borderTopColor")
            assert colour == "rgb(47, 102, 179)"  # the style is let through by its hash


@pytest.mark.parametrize("paths", [["/a/x.png", "/b/y.png", "/c/z.png"]])
def test_answers_of_several_folders(paths: list[str]) -> None:
    answers = [{**one, "path": path} for one, path in zip(RESULT["answers"], paths, strict=True)]  # type: ignore[call-overload]
    page = render_search_report({**RECORD, "result": {**RESULT, "answers": answers}}, grey(1), [Tile(None, "gone from disk")] * 3, name="x")
    assert ">a/x.png<" in page and ">c/z.png<" in page
