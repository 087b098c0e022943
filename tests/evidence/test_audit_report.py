from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from audit_records import CASES, MOVED, audit_record, ball, felled, result, sign, stage, write_audit
from hoodwink.auditing.records import AuditResult, Case, EpsResult, Sample, Sign, Stage
from hoodwink.evidence import audit_report
from hoodwink.evidence.audit_report import audit_report_html, render_audit
from hoodwink.evidence.audits import FOOLED, Felled
from hoodwink.models.model import Model
from hoodwink.pictures.draw import difference
from hoodwink.pictures.write import encode_png
from hoodwink.runs import RunError


class Page(HTMLParser):
    """The elements of a page with their attributes, its words, its style, and the rows of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.style, self.text, self.rows = "", [""], [[""]]
        self._inside = ""
        self.feed(text)
        self.words = " ".join(" ".join(self.text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.style += data
            return
        self.text.append(data)
        if self.rows[-1]:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""
        if tag == "tr":
            self.rows.append([])

    def find(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def row(self, start: str) -> list[list[str]]:
        return [[" ".join(cell.split()) for cell in row] for row in self.rows if row and " ".join(row[0].split()) == start]


def page_of(model: Model, found: Felled | None = None, **others: Any) -> Page:
    return Page(render_audit(audit_record(model, **others), felled() if found is None else found, name="run"))


def both(**others: Any) -> list[dict[str, Any]]:
    """The two balls of the record, with these entries changed in both."""
    return [one | others for one in result()["by_eps"]]


def test_the_headline_and_the_bracket(tiny: Model) -> None:
    words = page_of(tiny).words
    assert "50.0 % stand at L\u221e 2/255, 30.0 % at 4/255" in words and "At most" not in words
    assert "tiny was shown 10 pictures of reds and names 8 of them rightly (80.0 %)" in words
    for wanted in ("not felled 50.0 % (5)", "not felled 30.0 % (3)", "felled 3", "wrong from the start 2", "nothing proven (--certify)"):
        assert wanted in words, wanted
    assert "off the grid, as papers count" not in words and "cannot be vouched for" not in words


def test_many_balls_are_said_by_the_first_and_the_last(tiny: Model) -> None:
    cases = [{"norm": norm, "eps": size / 255} for norm in ("linf", "l2") for size in (1, 2, 3)]
    balls = [ball(case, {}, []) for case in cases]
    page = page_of(tiny, by_eps=balls)
    assert "80.0 % stand at L\u221e 1/255, 80.0 % at 3/255; 80.0 % stand at L2 0.00392157, 80.0 % at 0.0117647" in page.words
    assert len([svg for svg in page.find("svg") if svg["class"] == "stack"]) == 6
    assert "L2 0.00784314" in page.words


def test_proven_free_and_unfinished_are_in_the_bracket(tiny: Model) -> None:
    first, second = result()["by_eps"]
    first = ball(CASES[0], {1: "search", 3: "search", 4: "search"}, [], free=4, certified=2)
    second = ball(CASES[1], dict.fromkeys(MOVED, "search"), [], free=6, certified=1, unfinished=3, sample=None)
    page = page_of(tiny, by_eps=[first, second])
    for wanted in (
        "At most 50.0 %",
        "proven 20.0 % (2)",
        "proven 10.0 % (1)",
        "as papers count 40.0 % (4)",
        "not searched to the end 3",
        "Unfinished",
    ):
        assert wanted in page.words, wanted
    assert "because the time was up" in page.words
    bars = [[float(str(rect["width"])[:-1]) for rect in rects] for rects in stacks(page)]
    assert bars == [[20, 30, 30, 20], [10, 20, 50, 20]]
    assert "polygon" in [name for name, _ in page.elements]


def stacks(page: Page) -> list[list[dict[str, str | None]]]:
    """The parts of each bar of the bracket."""
    found: list[list[dict[str, str | None]]] = []
    inside = False
    for name, attributes in page.elements:
        if name == "svg":
            inside = attributes["class"] == "stack"
            found += [[]] if inside else []
        elif name == "rect" and inside:
            found[-1].append(attributes)
    return found


def test_a_grave_sign_is_said_first_in_words_and_in_red(tiny: Model) -> None:
    seen = [sign("budget unspent", found=True, grave=False), sign("random outputs"), sign("queries beat gradients", found=True)]
    page = page_of(tiny, signs=seen, vouched=False)
    assert "Bound from above only" in page.words and "This figure cannot be vouched for: it is a bound from above only." in page.words
    assert "misled: queries beat gradients: what of" in page.words and "At most 50.0 % stand" in page.words
    order = [page.words.rindex(f"what of {name}") for name in ("queries beat gradients", "budget unspent", "random outputs")]
    assert order == sorted(order)
    for part in ("means of", "do of", "what of"):
        assert all(f"{part} {one['name']}" in page.words for one in seen)
    assert {"badge grave", "grave"} <= {str(attributes.get("class")) for _, attributes in page.elements}
    assert not {"badge grave", "grave"} & {str(attributes.get("class")) for _, attributes in page_of(tiny).elements}


def test_signs_that_were_not_looked_for_are_not_called_unseen(tiny: Model) -> None:
    page = page_of(tiny, signs=[sign("transfer") | {"what": "not tried: give --transfer MODEL"}, sign("random outputs")])
    assert page.row("transfer not looked for") and page.row("random outputs not seen") and "None was seen." in page.words


def test_what_the_sentinels_imply(tiny: Model) -> None:
    words = page_of(tiny).words
    assert "Of the 5 that stood, 2 drawn at random got the full budget of every attack: none fell as files." in words
    assert "between 0.0 % and 77.6 % of the survivors (95 % confidence for each bound) and left between 10.0 % and 50.0 %" in words
    fallen = {"chosen": [7, 8], "felled": 1, "free": 1, "below": 0.0253, "above": 0.9747, "count": 2}
    words = page_of(tiny, by_eps=[result()["by_eps"][0], result()["by_eps"][1] | {"sample": fallen}]).words
    assert "Of the 4 that stood, 2 drawn at random" in words and "1 fell as a file, 1 off the grid only" in words
    assert "between 2.5 % and 97.5 % of the survivors" in words and "left between 0.0 % and 30.0 %" in words
    every = {"chosen": [2, 5, 8], "felled": 0, "free": 0, "below": 0.0, "above": 0.0}
    assert "All 4 that stood got the full budget" in page_of(tiny, by_eps=both(sample=every)).words
    nobody = {"chosen": [], "felled": 0, "free": 0, "below": 0.0, "above": 0.0}
    assert "nothing to sample" in page_of(tiny, by_eps=both(sample=nobody)).words


def test_no_sentinels_is_said(tiny: Model) -> None:
    record = audit_record(tiny, by_eps=both(sample=None))
    assert "this ball got none" in Page(render_audit(record, felled(), name="run")).words
    record["settings"]["sentinels"] = 0
    assert "(--sentinels 0)" in Page(render_audit(record, felled(), name="run")).words


def test_every_stage_has_its_row(tiny: Model) -> None:
    page = page_of(tiny)
    assert page.row("Short search") == [
        ["Short search", "pgd", "8", "3", "", "80", "16", "0.25"],
        ["Short search", "pgd", "5", "1", "", "50", "10", "0.25"],
    ]
    assert page.row("Reading the originals")[0][1:4] == ["", "10", "0"]
    assert page.row("apgd targets sentinels")[0][2:4] == ["4", "1"]
    assert "3 pictures had fallen in the ball L\u221e 2/255 already." in page.words


@pytest.mark.parametrize(
    ("name", "words"),
    [("aims linf", "Weighing targets"), ("all: square", "square (felled a sentinel, so sent to all)"), ("own: mine.py:f", "mine.py:f (attack of one's own)"),
     ("large ball linf", "A ball that should fell all"), ("long", "Long passes toward targets"), ("a new stage", "a new stage")],
)  # fmt: skip
def test_stages_have_words(tiny: Model, name: str, words: str) -> None:
    page = page_of(tiny, by_eps=both(stages=[stage(name, "f", 1, 0)]))
    assert page.row(words)


def test_classes_have_their_shares(tiny: Model) -> None:
    assert page_of(tiny).row("red") == [["red", "10", "8 (80.0 %)", "5 (50.0 %)", "3 (30.0 %)"]]
    many = [{"class": f"class {k}", "pictures": 1, "right": 1, "standing": 0} for k in range(30)]
    page = page_of(tiny, by_eps=both(per_class=many))
    assert "30 classes" in page.words and page.row("class 29")


def test_costs_are_with_and_without_sentinels(tiny: Model) -> None:
    words = page_of(tiny).words
    assert "Gradients a picture 24.0 median 20, most 50" in words
    assert "with the sentinels' 30.0 60 more in all" in words  # two stages met two and four pictures, ten gradients each
    assert "Forward evaluations 10 and 12 of the sentinels" in words
    assert "Search 0.8 s 0.5 s of sentinels; 12.5 s in all" in words


def test_the_pictures_are_the_exact_bytes(tiny: Model) -> None:
    page, found = page_of(tiny), felled()
    images = page.find("img")
    shown = [1, 3, 4, 7, 6]  # by distance
    assert [one["alt"] for one in images[::3]] == [f"Picture {index}, the original: red" for index in shown]
    for place, index in enumerate(shown):
        k = found.index.tolist().index(index)
        wanted = [found.originals[k], found.pictures[k], difference(found.originals[k], found.pictures[k])]
        assert [decode(one["src"]) for one in images[3 * place : 3 * place + 3]] == list(map(encode_png, wanted))
    for text in ("red, picture 1: 1 level by short search", "picture 7: 3 levels by apgd targets 2 (sentinels)", "change \u00d7 127"):
        assert text in page.words.replace(" ,", ","), text


def decode(address: str | None) -> bytes:
    assert address is not None and address.startswith("data:image/png;base64,")
    return base64.b64decode(address.partition(",")[2])


def test_no_more_than_twelve_pictures_and_none_of_another_norm(tiny: Model) -> None:
    many = 40
    one = felled()
    found = Felled([one.pictures[0]] * many, [one.originals[0]] * many, np.arange(many), np.zeros(many, np.int64), np.arange(many) % 2)
    cases = [{"norm": "linf", "eps": 2 / 255}, {"norm": "l2", "eps": 0.5}]
    balls = [ball(case, {}, []) | {"easiest": list(range(many)), "by": {str(k): "search" for k in range(many)}} for case in cases]
    images = page_of(tiny, found, by_eps=balls).find("img")
    assert [str(image["alt"]).partition(",")[0] for image in images[::3]] == [f"Picture {k}" for k in (*range(0, 12, 2), *range(1, 12, 2))]
    twice = Felled(one.pictures[:2], one.originals[:2], np.array([3, 3]), np.zeros(2, np.int64), np.array([0, 1]))
    page = page_of(tiny, twice, by_eps=balls)
    captions = re.findall(r"picture 3: (.*?) by", page.words)
    assert captions == ["1 level", f"L2 {np.sqrt(2 * 4 * 64) / 255:.4g}"]


def test_large_pictures_are_scaled_down(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_report, "LARGEST", 10)
    page = page_of(tiny, felled(size=25))
    sizes = {Image.open(io.BytesIO(decode(one["src"]))).size for one in page.find("img")}
    assert sizes == {(10, 10)} and "Large pictures are scaled down" in page.words
    amplified = np.asarray(Image.open(io.BytesIO(decode(page.find("img")[2]["src"]))))
    assert set(np.unique(amplified)) == {1, 128, 255}  # a change keeps its size
    whole = felled(size=25)
    grey = replace(whole, pictures=[one[..., :1] for one in whole.pictures], originals=[one[..., :1] for one in whole.originals])
    assert len(page_of(tiny, grey).find("img")) == 15


def test_without_the_file_the_numbers_stay(tiny: Model) -> None:
    page = Page(render_audit(audit_record(tiny), None, name="run"))
    assert not page.find("img") and "fooled.safetensors is not in the run folder" in page.words
    assert "L\u221e 2/255: 8, 7, 6, 5, 2" in page.words
    nothing = [ball(case, {}, []) for case in CASES]
    words = Page(render_audit(audit_record(tiny, by_eps=nothing), None, name="run")).words
    assert "not in the run folder" not in words and "How far the felled had to go" not in words


def test_distances_and_charts(tiny: Model) -> None:
    page = page_of(tiny)
    assert "L\u221e 4/255: least 1 level, median 2 levels, of 5." in page.words
    assert len([svg for svg in page.find("svg") if svg["class"] == "chart"]) == 2
    one = page_of(tiny, by_eps=result()["by_eps"][:1])
    assert len([svg for svg in one.find("svg") if svg["class"] == "chart"]) == 1 and "Accuracy against eps" not in one.words


def test_what_was_prepared_and_disputed(tiny: Model) -> None:
    words = page_of(
        tiny, disputed=1, prepared={"steps": ["folded: 3"], "left": ["head: it is random"], "largest": 3e-7}, notes=["a note"]
    ).words
    assert (
        "3e-07" in words and "folded: 3" in words and "head: it is random" in words and "1 find of the copy" in words and "a note" in words
    )
    assert "asked the original network itself" in page_of(tiny, prepared={}).words


def test_settings_hashes_and_the_command(tiny: Model, tmp_path: Path) -> None:
    page = Page(audit_report_html(write_audit(tmp_path / "my run", tiny)))
    for wanted in ("hoodwink verify 'my run'", tiny.card.weights_sha256, "ab" * 32, "torch", "budget"):
        assert wanted in page.words, wanted
    assert page.row("cases") == [["cases", "L\u221e 2/255, L\u221e 4/255"]]
    assert "/somewhere" not in page.words and "cd" * 32 not in page.words


def test_a_shard_says_so(tiny: Model) -> None:
    record = audit_record(tiny)
    record["inputs"] = [{"name": "cifar10", "split": "test", "shard": [2, 4], "members": list(range(10)), "pictures": 10}]
    assert "10 pictures of shard 2 of 4 of cifar10:test" in Page(render_audit(record, felled(), name="run")).words


def test_classes_of_a_word_list(tiny: Model) -> None:
    record = audit_record(tiny)
    record["models"][0]["card"] |= {"classes": [], "wordlist": "imagenet-1k"}
    assert "tench, picture 1" in Page(render_audit(record, felled(), name="run")).words.replace(" ,", ",")
    record["models"][0]["card"]["wordlist"] = None
    assert "class 0, picture 1" in Page(render_audit(record, felled(), name="run")).words.replace(" ,", ",")


def test_names_from_outside_stay_text(tiny: Model) -> None:
    evil = "<script>alert(1)</script>"
    record = audit_record(tiny, notes=[evil], signs=[sign(evil, found=True)])
    record["models"][0]["name"] = record["models"][0]["card"]["classes"][0] = evil
    record["inputs"][0]["name"] = evil
    page = Page(render_audit(record, felled(), name="</style><script>"))
    assert not page.find("script") and page.words.count(evil) >= 5


def test_the_policy_allows_the_style_only(tiny: Model) -> None:
    page = page_of(tiny)
    policy = next(str(meta["content"]) for meta in page.find("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    attributes = {name for _, found in page.elements for name in found}
    assert "style" not in attributes and not any(name.startswith("on") for name in attributes)
    assert not page.find("a") and not page.find("script") and all(one["alt"] for one in page.find("img"))


def test_records_that_are_no_finished_audit(tiny: Model, tmp_path: Path) -> None:
    record = audit_record(tiny)
    del record["result"]
    with pytest.raises(RunError, match="run: the record of a finished audit was wanted"):
        render_audit(record, None, name="run")
    folder = write_audit(tmp_path / "run", tiny)
    (folder / FOOLED).write_bytes(b"other bytes")
    with pytest.raises(RunError, match="cannot be read"):
        audit_report_html(folder)


def test_it_reads_what_an_audit_writes(tiny: Model) -> None:
    """The records of auditing, as JSON, and not the hand-made ones."""
    found = EpsResult(
        case=Case("l2", 0.5),
        all=3,
        wrong=1,
        felled=1,
        robust=1,
        unfinished=0,
        free=1,
        certified=0,
        survivors=(2,),
        by={1: "search"},
        distances={1: 0.25},
        stages=(Stage("clean", "-", 3, 0, 0, 3, 0.1), Stage("search", "pgd", 2, 1, 20, 4, 0.2)),
        sample=Sample(chosen=(2,), felled=0, free=0, below=0.0, above=0.0),
        hardest=(2,),
        easiest=(1,),
        per_class=({"class": "red", "pictures": 3, "right": 2, "standing": 1},),
    )
    answer = AuditResult(
        by_eps=(found,),
        signs=(Sign("random outputs", False, "two calls differ by 0", "One draw is not the network.", "Fix the seed.", grave=True),),
        gradients=np.array([0, 10, 10]),
        forwards=np.array([1, 3, 3]),
        pictures=np.zeros((3, 8, 8, 3), np.uint8),
        seconds=1.0,
        prepared={"steps": [], "left": [], "largest": 0.0},
    )
    written = json.loads(json.dumps(answer.to_json()))
    words = Page(render_audit(audit_record(tiny, **written), None, name="run")).words
    for wanted in ("33.3 % stand at L2 0.5", "All 1 that stood", "least L2 0.25", "as papers count 33.3 % (1)", "proven 0.0 % (0)"):
        assert wanted in words, wanted


@pytest.fixture
def page(tmp_path: Path, tiny: Model) -> Path:
    seen = [sign("queries beat gradients", found=True), *(sign(f"sign {k}") for k in range(10))]
    balls = [
        one | {"free": one["felled"], "free_accuracy": one["robust_accuracy"], "certified": 1, "certified_accuracy": 0.1} for one in both()
    ]
    folder = write_audit(tmp_path / "run", tiny, by_eps=balls, signs=seen, vouched=False, notes=["a note " * 30])
    (folder / "report.html").write_text(audit_report_html(folder), encoding="utf-8")
    return folder / "report.html"


@pytest.mark.parametrize("width", [340, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_the_window_and_nothing_complains(page: Path, browser: Any, width: int, dark: bool) -> None:
    browser.open(page, width=width, dark=dark, phone=width < 600)
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.evaluate("[...document.images].every(one => one.complete && one.naturalWidth === 8)")
    assert browser.complaints() == []


def test_the_figure_that_cannot_be_vouched_for_is_red(page: Path, browser: Any, tiny: Model) -> None:
    def colour() -> list[int]:
        browser.open(page)
        found = browser.evaluate("getComputedStyle(document.querySelector('.ball-head b')).color")
        return [int(part) for part in re.findall(r"\d+", found)]

    red, green, blue = colour()
    assert red > 2 * green and red > 2 * blue
    write_audit(page.parent.parent / "other", tiny)
    page.write_text(audit_report_html(page.parent.parent / "other"), encoding="utf-8")
    assert max(colour()) < 60
