"""An audit as tests that passed or failed, and as the JUnit XML that build servers read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from hoodwink.auditing.baseline import Comparison
from hoodwink.runs import one_line

Result = Mapping[str, Any]
_FIGURES = ("clean_accuracy", "robust_accuracy", "free_accuracy", "certified_accuracy", "all", "felled", "robust", "unfinished", "seconds")


@dataclass(frozen=True)
class Question:
    """One thing that was asked of an audit. ball: in words, or "audit" for all of it. decides: whether the command fails with it."""

    ball: str
    name: str
    passed: bool
    words: str
    decides: bool = False
    seconds: float = 0.0


def questions_of(result: Result, *, fail_under: float | None = None, comparisons: Sequence[Comparison] = ()) -> list[Question]:
    """What is asked of an audit's result, as `AuditResult.to_json` has it.

    Of each ball the threshold, the baseline, and whether the search was finished; of all, whether it can be vouched for.
    """
    asked = [] if fail_under is None else [_threshold(ball, fail_under) for ball in result["by_eps"]]
    asked += [Question(one.case.name, "no real drop from the baseline", not one.real, one.words, decides=True) for one in comparisons]
    asked += [_finished(ball) for ball in result["by_eps"]]
    return [*asked, _vouched(result)]


def junit_xml(title: str, result: Result, questions: Sequence[Question], *, facts: Mapping[str, object] | None = None) -> bytes:
    """The questions as test cases of JUnit XML, with the figures of each ball as properties; facts: more properties."""
    failures = sum(not one.passed for one in questions)
    counts = {"tests": str(len(questions)), "failures": str(failures), "errors": "0", "skipped": "0", "time": f"{result['seconds']:.3f}"}
    root = ElementTree.Element("testsuites", {"name": "hoodwink audit", **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": one_line(title), **counts})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in {**(facts or {}), **_figures(result)}.items():
        ElementTree.SubElement(properties, "property", {"name": one_line(name), "value": one_line(value)})
    for one in questions:
        _add(suite, one)
    ElementTree.indent(root)
    data: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _add(suite: ElementTree.Element, asked: Question) -> None:
    about = {"classname": f"hoodwink.audit.{one_line(asked.ball).replace('.', ',')}", "name": one_line(asked.name)}  # "." begins a class
    case = ElementTree.SubElement(suite, "testcase", {**about, "time": f"{asked.seconds:.3f}"})
    if asked.passed:
        ElementTree.SubElement(case, "system-out").text = one_line(asked.words)
    else:
        ElementTree.SubElement(case, "failure", {"message": one_line(asked.words), "type": "audit"}).text = one_line(asked.words)


def _threshold(ball: Result, wanted: float) -> Question:
    """What was not finished is not known to stand, so it does not help to pass."""
    sure = (ball["robust"] - ball["unfinished"]) / ball["all"]
    words = f"{ball['name']}: {ball['robust_accuracy']:.2%} stand as files, {wanted:.2%} were wanted"
    if ball["unfinished"]:
        words += f"; {ball['unfinished']} of them are unfinished and do not count here"
    return Question(ball["name"], f"at least {wanted:g} stand as files", sure >= wanted, words, decides=True, seconds=ball["seconds"])


def _finished(ball: Result) -> Question:
    left = ball["unfinished"]
    words = f"{ball['name']}: {left} pictures stand only because the time was up" if left else f"{ball['name']}: every search was finished"
    return Question(ball["name"], "no picture is unfinished", not left, words)


def _vouched(result: Result) -> Question:
    grave = [f"{sign['name']} ({sign['what']})" for sign in result["signs"] if sign["found"] and sign["grave"]]
    words = "the figure is a bound from above and no more: " + "; ".join(grave) if grave else "no sign that the figure says too much"
    return Question("audit", "the figure can be vouched for", not grave, words)


def _figures(result: Result) -> dict[str, object]:
    found: dict[str, object] = {}
    for ball in result["by_eps"]:
        found |= {f"{ball['name']} {name}": ball[name] for name in _FIGURES if ball[name] is not None}
        if ball["sample"]:
            found[f"{ball['name']} sentinels"] = len(ball["sample"]["chosen"])
            found |= {f"{ball['name']} sentinels {name}": ball["sample"][name] for name in ("felled", "below", "above")}
    return found
