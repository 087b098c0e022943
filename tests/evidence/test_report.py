from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hoodwink.evidence import report
from hoodwink.evidence.report import render_report, report_html
from hoodwink.runs import RunError, read_json

MakeRun = Callable[..., Path]


class Page(HTMLParser):
    """The elements of a page with their attributes, and the text of its style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline: dict[str, str] = {}
        self.text: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in ("style", "script"):
            self.inline[self._inside] = self.inline.get(self._inside, "") + data
        else:
            self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def find(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def decode(address: str | None) -> bytes:
    assert address is not None and address.startswith("data:image/png;base64,")
    return base64.b64decode(address.partition(",")[2])


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_the_files_exact_bytes_are_inside(tmp_path: Path, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    images = {one["id"]: one for one in Page(report_html(folder)).find("img")}
    assert decode(images["after"]["src"]) == (folder / "fooled.png").read_bytes()
    assert decode(images["before"]["src"]) == (folder / "original.png").read_bytes()
    assert decode(images["difference"]["src"]) == (folder / "difference.png").read_bytes()
    assert all(one["alt"] for one in images.values())


def test_the_policy_forbids_all_but_the_pages_own(tmp_path: Path, make_run: MakeRun) -> None:
    page = Page(report_html(make_run(tmp_path / "run")))
    policy = next(str(meta["content"]) for meta in page.find("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    hashes = {tag: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for tag, text in page.inline.items()}
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert f"style-src 'sha256-{hashes['style']}'" in policy and f"script-src 'sha256-{hashes['script']}'" in policy
    attributes = {name for _, found in page.elements for name in found}
    assert "style" not in attributes and not any(name.startswith("on") for name in attributes)
    assert not page.find("a") and all(str(link["href"]) == "data:," for link in page.find("link"))


def test_it_says_what_happened(tmp_path: Path, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "my run")
    words, record = Page(report_html(folder)).words(), read_json(folder / "run.json")
    weights = record["models"][0]["weights_sha256"]
    share = f"{record['result']['after'][0]['top'][0]['probability']:.4f}"
    for wanted in (
        "red is read as green",
        share,
        "30 levels",
        "hoodwink verify 'my run'",
        weights,
        "at least 0.9",
        "20 forward",
        "1.5 s",
        "L2",
    ):
        assert wanted in words, wanted
    assert "/somewhere" not in words


def test_a_picture_that_was_not_fooled_says_so(tmp_path: Path, make_run: MakeRun) -> None:
    page = Page(report_html(make_run(tmp_path / "run", fooled=False)))
    assert "Not fooled: still read as red" in page.words() and "the budget is spent" in page.words()


def test_a_label_without_the_confidence_says_so(tmp_path: Path, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    record = read_json(folder / "run.json")
    record["result"] |= {"fooled": False, "stall": "no step of one level helps"}
    words = Page(render_report(record, files_of(folder), name="run")).words()
    assert re.search(r"red is read only with 9\d\.\d % as green", words) and "Asked for: \u201cgreen\u201d, at least 0.9" in words


def test_several_networks_are_each_shown(tmp_path: Path, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    record = read_json(folder / "run.json")
    for when in ("before", "after"):
        record["result"][when].append(record["result"][when][0] | {"model": "other"})
    record["models"].append(record["models"][0] | {"name": "other"})
    words = Page(render_report(record, files_of(folder), name="run")).words()
    assert "What tiny sees" in words and "What other sees" in words and "Each of 2 networks reads" in words


def test_bare_verdicts_and_no_history_will_do(tmp_path: Path, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    record = read_json(folder / "run.json")
    record["result"] |= {when: record["result"][when][0] for when in ("before", "after")} | {"history": []}
    record["settings"] |= {"target": None, "confidence": None}
    record["result"]["distances"]["psnr"] = None
    words = Page(render_report(record, files_of(folder), name="run")).words()
    assert "The search" not in words and "\u221e" in words


def test_names_from_outside_stay_text(tmp_path: Path, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    record = read_json(folder / "run.json")
    record["result"]["after"][0]["label"] = record["settings"]["target"] = "<script>alert(1)</script>"
    page = Page(render_report(record, files_of(folder), name="</style><script>"))
    assert len(page.find("script")) == 1 and "<script>alert(1)</script>" in page.words()


def test_a_large_picture_is_not_embedded_a_third_time(tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run(tmp_path / "run")
    monkeypatch.setattr(report, "LARGE", 12 * 16 - 1)
    page = Page(report_html(folder))
    assert [one["id"] for one in page.find("img")] == ["before", "after"]
    assert "difference.png in the run folder" in page.words()


def test_another_file_than_was_judged_gets_no_report(tmp_path: Path, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    record, files = read_json(folder / "run.json"), files_of(folder)
    with pytest.raises(RunError, match="not the file that the record's verdict is about"):
        render_report(record, files | {"fooled.png": files["original.png"]}, name="run")
    with pytest.raises(RunError, match="needs original.png"):
        render_report(record, {"fooled.png": files["fooled.png"]}, name="run")


@pytest.fixture
def page(tmp_path: Path, make_run: MakeRun, colours: Callable[..., np.ndarray[Any, Any]]) -> Path:
    folder = make_run(tmp_path / "run", before=colours(150, 130, 100, height=60, width=80))
    (folder / "report.html").write_text(report_html(folder), encoding="utf-8")
    return folder / "report.html"


def mean(png: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=float).mean(axis=(0, 1)))


def shown(browser: Any) -> str:
    """Which of the layers is visible, as the browser computes it."""
    return str(
        browser.evaluate(
            "[...document.querySelectorAll('#layers > *')].filter(e => e.checkVisibility({visibilityProperty: true})).map(e => e.id).join()"
        )
    )


@pytest.mark.parametrize("scripts", [True, False])
def test_the_picture_flips_with_and_without_script(page: Path, browser: Any, scripts: bool) -> None:
    browser.open(page, scripts=scripts)
    after = mean(browser.picture("#layers"))
    assert shown(browser) == "after"
    browser.click("label:has(#v-before)")
    before = mean(browser.picture("#layers"))
    assert shown(browser) == "before" and np.allclose(after - before, [-12, 30, 0], atol=2)
    browser.click("label:has(#v-difference)")
    assert shown(browser) == ("amplified" if scripts else "difference")
    browser.click("label:has(#v-blink)")
    assert "before" in shown(browser)
    browser.click("label:has(#z-8)")
    assert browser.evaluate("document.querySelector('#layers').offsetWidth") == 8 * 80
    assert browser.complaints() == []


def test_the_slider_amplifies_what_is_drawn(page: Path, browser: Any) -> None:
    browser.open(page)
    browser.click("label:has(#v-difference)")
    browser.evaluate("document.querySelector('#gain').focus()")
    for key, code, expected in (("Home", 36, [116, 158, 128]), ("End", 35, [0, 255, 128])):
        browser.press(key, code)
        assert np.allclose(mean(browser.picture("#layers")), expected, atol=2)
    assert browser.evaluate("document.querySelector('#gain-shown').textContent") == "\u00d7128"
    assert browser.complaints() == []


def test_keys_mouse_and_wheel(page: Path, browser: Any) -> None:
    browser.open(page)
    browser.click("#stage")
    assert shown(browser) == "before"
    browser.press(" ", 32)
    assert shown(browser) == "after"
    browser.press("+")
    browser.press("+")
    assert browser.evaluate("document.querySelector('#z-4').checked && document.querySelector('#layers').offsetWidth") == 4 * 80
    x, y = browser.centre("#stage")
    for _ in range(2):
        browser.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=-120, modifiers=2)
    browser.settle()
    assert (
        browser.evaluate("document.querySelector('#z-16').checked && getComputedStyle(document.querySelector('#after')).imageRendering")
        == "pixelated"
    )
    left = browser.evaluate("document.querySelector('#stage').scrollLeft")
    for kind, shift in (("mousePressed", 0), ("mouseMoved", -50), ("mouseReleased", -50)):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x + shift, y=y, button="left", buttons=1, clickCount=1)
    browser.settle()
    assert browser.evaluate("document.querySelector('#stage').scrollLeft") == pytest.approx(left + 50, abs=1)
    assert shown(browser) == "after"
    browser.point("#stage")
    assert "change \u221212 +30 0" in browser.evaluate("document.querySelector('#readout').textContent")
    assert browser.complaints() == []


def test_save_gives_the_exact_bytes(page: Path, browser: Any, tmp_path: Path) -> None:
    browser.open(page)
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), eventsEnabled=True)
    browser.click("#save")
    browser.wait("Browser.downloadProgress", state="completed")
    assert (tmp_path / "fooled.png").read_bytes() == (page.parent / "fooled.png").read_bytes()


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_window(page: Path, browser: Any, width: int) -> None:
    browser.open(page, width=width, phone=width < 600)
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_large_picture_still_shows_its_difference(page: Path, browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "LARGE", 1)
    page.write_text(report_html(page.parent), encoding="utf-8")
    browser.open(page)
    browser.click("label:has(#v-difference)")
    assert shown(browser) == "amplified" and browser.complaints() == []
    browser.open(page, scripts=False)
    browser.click("label:has(#v-difference)")
    assert shown(browser) == "nodifference"


def test_the_browser_would_complain(page: Path, browser: Any) -> None:
    page.write_text(
        page.read_text(encoding="utf-8").replace("<main>", '<main style="color: red"><img src="http://127.0.0.1:9/x.png">'),
        encoding="utf-8",
    )
    browser.open(page)
    assert any("style" in one for one in browser.complaints()) and any("127.0.0.1" in one for one in browser.complaints())
