from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from hoodwink.auditing.baseline import Comparison
from hoodwink.auditing.junit import junit_xml, questions_of
from hoodwink.auditing.records import Case


def result(robust: int = 40, unfinished: int = 0, grave: bool = False) -> dict[str, Any]:
    """As much of an audit's result as the tests read."""
    ball = {
        "name": "linf 8/255",
        "all": 100,
        "felled": 50,
        "robust": robust,
        "unfinished": unfinished,
        "clean_accuracy": 0.9,
        "robust_accuracy": robust / 100,
        "free_accuracy": None,
        "certified_accuracy": 0.1,
        "seconds": 2.5,
        "sample": {"chosen": [1, 2], "felled": 0, "free": 0, "below": 0.0, "above": 0.5},
    }
    sign = {"name": "zero gradients", "found": True, "what": "all <of> them & more", "grave": grave}
    return {"by_eps": [ball], "signs": [sign], "seconds": 3.0}


def drop(p: float) -> Comparison:
    return Comparison(Case("linf", 8 / 255), 100, 50, 40, 10, 0, p, 0.05, 0.2)


def failed(found: dict[str, Any], **asked: Any) -> list[str]:
    return [test.name for test in questions_of(found, **asked) if not test.passed]


@pytest.mark.parametrize(("unfinished", "wanted", "passes"), [(0, 0.4, True), (0, 0.41, False), (1, 0.4, False), (40, 0.0, True)])
def test_what_is_unfinished_does_not_help_to_pass(unfinished: int, wanted: float, passes: bool) -> None:
    first = questions_of(result(unfinished=unfinished), fail_under=wanted)[0]
    assert first.passed == passes
    assert first.decides
    assert ("unfinished" in first.words) == bool(unfinished)


def test_each_thing_asked_is_a_test() -> None:
    assert failed(result()) == []
    assert [test.name for test in questions_of(result())] == ["no picture is unfinished", "the figure can be vouched for"]
    assert failed(result(), comparisons=[drop(0.04)]) == ["no real drop from the baseline"]
    assert failed(result(), comparisons=[drop(0.06)]) == []
    assert failed(result(unfinished=3)) == ["no picture is unfinished"]
    assert failed(result(grave=True)) == ["the figure can be vouched for"]


def test_the_file_is_well_formed_and_counts() -> None:
    asked = questions_of(result(grave=True), fail_under=0.5, comparisons=[drop(0.5)])
    data = junit_xml('net "a" <b>\x00 on 100 of data', result(grave=True), asked, facts={"folder": "out\n"})
    root = ElementTree.fromstring(data)
    suite = root.find("testsuite")
    assert suite is not None
    assert suite.get("name") == 'net "a" <b>\\x00 on 100 of data'
    cases = suite.findall("testcase")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "time")] == ["4", "2", "0", "3.000"]
    assert len(cases) == 4
    assert [case.get("name") for case in cases if case.find("failure") is not None] == [
        "at least 0.5 stand as files",
        "the figure can be vouched for",
    ]
    assert "zero gradients (all <of> them & more)" in (cases[3].findtext("failure") or "")
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert properties["folder"] == "out\\n"
    assert properties["linf 8/255 robust_accuracy"] == "0.4"
    assert properties["linf 8/255 sentinels"] == "2"
    assert "linf 8/255 free_accuracy" not in properties
