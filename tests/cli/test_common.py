from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from hoodwink.cli import common
from hoodwink.cli.common import Choice

OPTION = click.Option(["--it"])


def _read(parse: Callable[..., Any], text: str | None) -> Any:
    return parse(click.Context(click.Command("it")), OPTION, text)


@pytest.mark.parametrize(
    ("parse", "text", "wanted"),
    [
        (common.numbers, "0.5", 0.5),
        (common.numbers, "0.485, 0.456,0.406", (0.485, 0.456, 0.406)),
        (common.sides, "224", 224),
        (common.sides, "224x192", (224, 192)),
        (common.fraction, "8/255", 8 / 255),
        (common.fraction, "0.03", 0.03),
        (common.class_names, "10", 10),
        (common.class_names, "imagenet-1k", "imagenet-1k"),
        (common.class_names, "cat, dog", ("cat", "dog")),
    ],
)
def test_what_options_read(parse: Callable[..., Any], text: str, wanted: object) -> None:
    assert _read(parse, text) == wanted
    assert _read(parse, None) is None


@pytest.mark.parametrize(
    ("parse", "text", "part"),
    [
        (common.numbers, "a,b", "--it 0.485,0.456,0.406"),
        (common.numbers, "", "one for each channel"),
        (common.sides, "0", "--it 224"),
        (common.sides, "224,192", "--it 224x192"),
        (common.sides, "1x2x3", "height x width"),
        (common.fraction, "8/0", "--it 8/255"),
        (common.fraction, "nan", "--it 8/255"),
        (common.numbers, "0.5,inf", "one for each channel"),
        (common.fraction, "eight", "'eight'"),
        (common.class_names, "names.txt", "there is no file 'names.txt'"),
    ],
)
def test_what_they_refuse(parse: Callable[..., Any], text: str, part: str) -> None:
    with pytest.raises(click.BadParameter, match=part):
        _read(parse, text)


def test_class_names_from_a_file() -> None:
    Path("names.txt").write_text("cat\n\n  dog \n")
    assert _read(common.class_names, "names.txt") == ("cat", "dog")
    Path("names.json").write_text(' ["cat", "dog"]')
    assert _read(common.class_names, "names.json") == ("cat", "dog")
    for text in ('["cat", 3]', '["cat"', "[1"):
        Path("names.json").write_text(text)
        with pytest.raises(click.BadParameter, match="names.json"):
            _read(common.class_names, "names.json")
    Path("names.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(click.BadParameter, match="names.txt"):
        _read(common.class_names, "names.txt")


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (Choice(()), [("efficientnet-lite0", {})]),
        (Choice(("a", "b")), [("a", {}), ("b", {})]),
        (Choice(("a",), fields={"mean": 0.5}), [("a", {"mean": 0.5})]),
        (Choice((), "/w.pth", {"mean": 0.5}), [("/w.pth", {"mean": 0.5})]),
        (Choice(("a",), "/w.pth", {"mean": 0.5}), [("a", {}), ("/w.pth", {"mean": 0.5})]),
    ],
)
def test_card_fields_go_to_the_network_they_are_about(choice: Choice, wanted: list[tuple[str, dict[str, Any]]]) -> None:
    assert choice.options() == wanted


def test_card_fields_that_may_be_about_either() -> None:
    with pytest.raises(click.UsageError, match="--mean, --std may be about any of 2 networks"):
        Choice(("a", "b"), fields={"mean": 0.5, "std": 0.5}).options()


def test_a_path_is_absolute_and_a_name_is_not() -> None:
    Path("efficientnet-lite0").mkdir()
    Path("folder").mkdir()
    assert [spec for spec, _ in Choice(("folder", "efficientnet-lite0", "timm:x")).options()] == [
        str(Path("folder").resolve()),
        "efficientnet-lite0",
        "timm:x",
    ]
