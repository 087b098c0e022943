"""What `hoodwink audit` and `hoodwink merge` say at the end: a table, signs in words, what was asked of the figures, and files for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hoodwink.cli.common import share
from hoodwink.cli.talk import NO, Talk
from hoodwink.runs import one_line, write_atomic

if TYPE_CHECKING:
    from rich.text import Text

Verb = TypeVar("Verb", bound=Callable[..., Any])
Result = Mapping[str, Any]
_GRADIENTS, _FALLS = 10, 5  # of a picture with fewer gradients the first digit after the point says something; notes that are shown


@dataclass(frozen=True)
class Wanted:
    """What is done with an audit's result. baseline: the record of an earlier audit."""

    fail_under: float | None = None
    baseline: Mapping[str, Any] | None = None
    junit: Path | None = None
    per_class: bool = False


def takes_wanted(verb: Verb) -> Verb:
    """Give a verb --fail-under, --baseline, --junit and --per-class, as arguments that `wanted` reads."""
    for option in reversed(_OPTIONS):
        verb = option(verb)
    return verb


def wanted(asked: dict[str, Any], force: bool) -> Wanted:
    """Take these options out of all, before the work, so that what is wrong with them is said before it."""
    from hoodwink.auditing.baseline import read_baseline

    fail_under, baseline, junit, per_class = (asked.pop(name) for name in ("fail_under", "baseline", "junit", "per_class"))
    if junit is not None:
        path = Path(junit)
        if path.is_dir() or not path.parent.is_dir():
            raise click.UsageError(f"--junit {one_line(path)}: a file in a folder that is there was wanted; name another")
        if path.exists() and not force:
            raise click.UsageError(f"--junit {one_line(path)}: there is such a file; name another, or type --force to overwrite it")
    earlier = None if baseline is None else read_baseline(baseline)
    return Wanted(fail_under, earlier, None if junit is None else Path(junit), per_class)


def conclude(record: Mapping[str, Any], folder: Path, asked: Wanted, talk: Talk) -> None:
    """Say what came of an audit, by its run's record; the threshold and the baseline count for how the verb ends."""
    from hoodwink.auditing.baseline import compare
    from hoodwink.auditing.junit import junit_xml, questions_of

    result, model = record["result"], record["models"][0]
    compared = () if asked.baseline is None else compare(asked.baseline, record)
    questions = questions_of(result, fail_under=asked.fail_under, comparisons=compared)
    title = f"{model['name']} on {called(record)}"
    if any(one.decides and not one.passed for one in questions):
        talk.code = max(talk.code, NO)
    _show(title, result, asked.per_class, talk)
    _show_questions([(one.passed, one.words) for one in questions if one.decides], talk)
    _show_files(folder, asked, talk)
    if asked.junit is not None:
        write_atomic(asked.junit, junit_xml(title, result, questions, facts={"folder": folder}))
    about = {key: value for key, value in record["inputs"][0].items() if key not in ("hashes", "members")}
    talk.document(
        {
            **result,
            "folder": str(folder),
            "model": {key: model[key] for key in ("name", "spec", "weights_sha256")},
            "data": about,
            "settings": record["settings"],
            "asked": [asdict(one) for one in questions],
            "baseline": [one.to_json() for one in compared],
            "errors": talk.errors,
            "interrupted": False,
        }
    )


def called(record: Mapping[str, Any]) -> str:
    """The data of an audit in words: "500 of cifar10:test"."""
    about = record["inputs"][0]
    name = ":".join(filter(None, (about.get("name", "pictures"), about.get("split"))))
    return f"{about['pictures']} of {name}"


def _show(title: str, result: Result, per_class: bool, talk: Talk) -> None:
    from hoodwink.cli.show import heading, listing, notes

    balls = result["by_eps"]
    columns = {name: [cell(ball) for ball in balls] for name, cell in _COLUMNS.items()}
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    talk.show(heading(title), listing(*columns, rows=list(zip(*columns.values(), strict=True))), "")
    if per_class:
        talk.show(_classes(balls), "")
    talk.show(*(_sign(sign) for sign in result["signs"] if sign["found"]))
    if result["notes"]:
        more = len(result["notes"]) - _FALLS
        talk.show(notes([*result["notes"][:_FALLS], *([f"and {more} notes more in run.json"] if more > 0 else [])]))


def _sentinels(ball: Result) -> str:
    sample = ball["sample"]
    if not sample or not sample["chosen"]:
        return ""
    fell = f"{sample['felled']} of {len(sample['chosen'])} fell"
    if sample["below"] == sample["above"]:
        return f"{fell}: all who stood were asked"
    least = f"{sample['below']:.1%} to" if sample["felled"] else "below"
    return f"{fell}: {least} {sample['above']:.1%}"


def _gradients(ball: Result) -> str:
    spent = sum(stage["gradients"] for stage in ball["stages"] if not stage["sentinel"] and not stage["free"]) / ball["all"]
    return f"{spent:.1f}" if spent < _GRADIENTS else f"{spent:.0f}"


def _standing(ball: Result) -> str:
    late = f", {ball['unfinished']} unfinished" if ball["unfinished"] else ""
    return f"{ball['robust_accuracy']:.2%} ({ball['robust']} of {ball['all']}{late})"


def _share(ball: Result, name: str) -> str:
    return "" if ball[name] is None else f"{ball[name]:.2%}"


_COLUMNS: dict[str, Callable[[Result], str]] = {
    "ball": lambda ball: str(ball["name"]),
    "clean": lambda ball: _share(ball, "clean_accuracy"),
    "stand as files": _standing,
    "off the grid": lambda ball: _share(ball, "free_accuracy"),
    "certified": lambda ball: _share(ball, "certified_accuracy"),
    "sentinels": _sentinels,
    "gradients a picture": _gradients,
    "seconds": lambda ball: f"{ball['seconds']:.1f}",
}


def _classes(balls: list[Result]) -> Any:
    """A row for each class: pictures, right, and standing in each ball."""
    from hoodwink.cli.show import listing

    rows = [
        [row["class"], str(row["pictures"]), str(row["right"]), *(str(ball["per_class"][k]["standing"]) for ball in balls)]
        for k, row in enumerate(balls[0]["per_class"])
    ]
    return listing("class", "pictures", "right", *(f"{ball['name']} standing" for ball in balls), rows=rows)


def _sign(sign: Result) -> Text:
    from rich.text import Text

    from hoodwink.cli.show import BAD

    word = "no figure to vouch for" if sign["grave"] else "sign"
    return Text.assemble((f"{word}: {sign['name']}", BAD if sign["grave"] else "bold"), f" ({sign['what']}). {sign['means']} {sign['do']}")


def _show_questions(answers: list[tuple[bool, str]], talk: Talk) -> None:
    from rich.text import Text

    from hoodwink.cli.show import BAD, GOOD, facts

    talk.show(facts((Text("holds", GOOD) if passed else Text("FAILS", BAD), one_line(words)) for passed, words in answers))


def _show_files(folder: Path, asked: Wanted, talk: Talk) -> None:
    from hoodwink.cli.show import facts

    junit = [] if asked.junit is None else [("junit", one_line(asked.junit))]
    talk.show(facts([("report", one_line(folder / "report.html")), *junit]))


_OPTIONS = (
    click.option(
        "--fail-under",
        type=click.FloatRange(0, 1),
        metavar="SHARE",
        callback=share,
        help="End with 1 where fewer stand, such as 0.4; the unfinished do not count.",
    ),
    click.option("--baseline", metavar="RUN", help="An earlier audit's folder or run.json: end with 1 on a real drop from it."),
    click.option("--junit", metavar="FILE", help="Write what was asked of the figures as JUnit XML."),
    click.option("--per-class", is_flag=True, help="Show the counts of each class."),
)
