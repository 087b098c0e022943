from __future__ import annotations

import io
import json
import sys

import pytest
from rich.console import Console

from hoodwink.attacks.trail import Step
from hoodwink.cli.outcome import watching
from hoodwink.cli.show import Bars, facts, heading, listing
from hoodwink.cli.talk import BAD, DONE, FAULT, Talk, in_options


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "weights w.pth does not say its mean and std; give mean=, std=",
            "weights w.pth does not say its mean and std; give --mean, --std",
        ),
        ("load that with network=", "load that with --network"),
        ("hand it over again as model=", "hand it over again as --model"),
        ("allow it with trust_code if you know", "allow it with --trust-code if you know"),
        ("raise it (max_pixels=9)", "raise it (max_pixels=9)"),
        ("resnet(size=3)", "resnet(size=3)"),
    ],
)
def test_messages_name_options(text: str, wanted: str) -> None:
    assert in_options(text) == wanted


def test_the_worst_error_counts_and_the_others_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    def work(item: str) -> None:
        if item == "fault":
            raise ZeroDivisionError("by zero")
        if item != "good":
            raise FileNotFoundError(2, "No such file or directory", item)
        done.append(item)

    done: list[str] = []
    talk = Talk()
    talk.each(["bad", "good", "fault", "worse", "good"], work)
    assert done == ["good", "good"]
    assert talk.code == FAULT
    assert [error["file"] for error in talk.errors] == ["bad", "fault", "worse"]
    assert capsys.readouterr().err.splitlines()[0] == "error: bad: no such file or directory"


def test_results_and_the_document_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        talk = Talk(as_json=as_json)
        talk.show("a [red] result")
        talk.document({"a": 1})
        said = capsys.readouterr().out
        assert json.loads(said) == {"a": 1} if as_json else said == "a [red] result\n"
        assert talk.code == DONE


def test_long_lines_of_talk_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    talk = Talk()
    talk.say("word " * 99)
    talk.error(OSError(28, "No space left on device", "long/" * 99))
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert talk.code == BAD


def test_names_are_no_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    talk = Talk(as_json=False, quiet=False, debug=False)
    talk.say("dogs:train: 3 pictures")
    talk.show("dogs:train: 3 pictures")
    said = capsys.readouterr()
    assert said.err == said.out == "dogs:train: 3 pictures\n"


def test_quiet_says_only_what_matters(capsys: pytest.CaptureFixture[str]) -> None:
    talk = Talk(quiet=True)
    talk.say("by the way")
    talk.warn("beware")
    talk.warn("beware")
    assert capsys.readouterr().err == "warning: beware\n"


@pytest.mark.parametrize("width", [30, 60, 200])
def test_bars_fit_and_are_as_long_as_their_share(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as captured:
        console.print(Bars([("a" * 50, 1.0), ("b", 0.5), ("c", 0.0)]))
    lines = captured.get().splitlines()
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)
    lengths = [line.count("\u2501") for line in lines]
    assert lengths[0] > 0
    assert abs(lengths[1] - lengths[0] / 2) <= 0.5
    assert lengths[2] == 0


def test_bars_where_there_are_only_letters() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=file, width=60).print(Bars([("a", 0.5)]))
    file.seek(0)
    assert "####" in file.read()


def test_nothing_that_comes_from_outside_is_markup() -> None:
    console = Console(file=io.StringIO(), width=60)
    with console.capture() as captured:
        console.print(heading("[red]\x1b[31m.png"), facts([("[b]", "[/b]")]), listing("[i]", rows=[["[/i]\n"]]))
    text = captured.get()
    assert "\x1b" not in text
    for part in (r"[red]\x1b[31m.png", "[/b]", r"[/i]\n"):
        assert part in text


@pytest.mark.parametrize(("width", "colour"), [("60", True), ("120", True), ("80", False)])
def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch, width: str, colour: bool) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    with watching("cat.png", {"steps": 300, "target": "strawberry", "confidence": None, "norm": "l2"}, Talk()) as watch:
        assert watch is not None
        watch(Step("climb", 57, 0.0, 0.8765))
    text = terminal.getvalue()
    for part in ("cat.png", "57/300", "climb p 0.500 L2 0.876"):
        assert part in text
    assert ("\x1b[3" in text) == colour


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        ({"target": None, "confidence": None, "norm": "linf"}, "shrink margin -1.50 4 levels"),
        ({"target": None, "confidence": 0.5, "norm": "l0"}, "shrink p 0.182 0 subpixels"),
        ({"target": "a", "confidence": 0.9, "norm": "l1"}, "shrink p 0.182 L1 0.0157"),
    ],
)
def test_where_the_search_stands(monkeypatch: pytest.MonkeyPatch, asked: dict[str, object], state: str) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    with watching("cat.png", {"steps": 300, **asked}, Talk()) as watch:
        assert watch is not None
        watch(Step("shrink", 1, -1.5, 4 / 255))
    assert state in terminal.getvalue()


def test_no_progress_where_nobody_sees_it() -> None:
    with watching("cat.png", {}, Talk()) as watch:
        assert watch is None
