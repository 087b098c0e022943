"""Options that several verbs share, and the networks they ask for."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hoodwink.cli.talk import Talk
from hoodwink.runs import one_line, reason

if TYPE_CHECKING:
    from hoodwink.models.model import Model

DEFAULT_MODEL = "efficientnet-lite0"
MAX_PIXELS = 178_956_970  # as pictures.decode has it, which --help must not import

Verb = TypeVar("Verb", bound=Callable[..., Any])


@dataclass(frozen=True)
class Choice:
    """The networks asked for: specs as `load_model` takes them, and the card fields of a network that brings no card."""

    specs: tuple[str, ...]
    weights: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    threads: int | None = None

    @property
    def given(self) -> bool:
        """Whether a network was named."""
        return bool(self.specs or self.weights)

    def add(self, spec: str) -> Choice:
        """The same with one network more."""
        return replace(self, specs=(*self.specs, spec))

    def options(self) -> list[tuple[str, dict[str, Any]]]:
        """Each network's spec with the card fields given for it; paths are absolute, for a record of a run will hold them."""
        specs = [_absolute(spec) for spec in self.specs] or [DEFAULT_MODEL]
        if self.weights is not None:
            return [*((spec, {}) for spec in specs if self.specs), (_absolute(self.weights), self.fields)]
        if self.fields and len(specs) > 1:
            given = ", ".join(f"--{name}" for name in self.fields)
            raise click.UsageError(f"{given} may be about any of {len(specs)} networks; give the one that it is about as --weights FILE")
        return [(spec, self.fields) for spec in specs]

    def load(self, talk: Talk) -> list[Model]:
        """Load the networks; what is odd about one is said."""
        wanted = self.options()
        with talk.busy(f"loading {', '.join(one_line(spec) for spec, _ in wanted)}"):
            import torch

            if self.threads is not None:
                torch.set_num_threads(self.threads)
            return [_load(spec, self.device, fields, talk) for spec, fields in wanted]

    def classifiers(self, talk: Talk) -> list[Model]:
        """The same for a verb that asks for classes; ModelError for a network of another task says which verb takes it."""
        models = self.load(talk)
        for model in models:
            model.card.need("classify")
        return models


def _absolute(spec: str) -> str:
    return os.path.abspath(spec) if spec != DEFAULT_MODEL and os.path.exists(spec) else spec


def _load(spec: str, device: str, fields: dict[str, Any], talk: Talk) -> Model:
    from hoodwink.models.load import ModelWarning, load_model

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = load_model(spec, device=device, **fields)
    for warning in caught:
        if issubclass(warning.category, ModelWarning):  # of other libraries' warnings a user can make nothing
            talk.warn(str(warning.message))
    return model


def takes_talk(verb: Verb) -> Verb:
    """Give a verb --json, --quiet and --debug, as the argument `talk`, and end it as `talk.code` says."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
    @click.option("-q", "--quiet", is_flag=True, help="No talk and no progress on stderr; errors are still said.")
    @click.option("--debug", is_flag=True, help="Show where an error came from.")
    @wraps(verb)
    def talking(as_json: bool, quiet: bool, debug: bool, **rest: Any) -> int:
        talk = Talk(as_json=as_json, quiet=quiet, debug=debug)
        verb(talk=talk, **rest)
        return talk.code

    return talking  # type: ignore[return-value]


def takes_models(verb: Verb) -> Verb:
    """Give a verb the options that name networks, as the argument `choice`."""

    @wraps(verb)
    def choosing(model: tuple[str, ...], weights: str | None, device: str, threads: int | None, **rest: Any) -> Any:
        fields = {name: rest.pop(name) for name in _FIELDS}
        given = {name: value for name, value in fields.items() if value is not None}
        return verb(choice=Choice(model, weights, given, device, threads), **rest)

    for option in reversed((*_MODEL, *_CARD, *_MACHINE)):
        choosing = option(choosing)
    return choosing  # type: ignore[return-value]


takes_max_pixels = click.option(
    "--max-pixels", type=click.IntRange(1), default=MAX_PIXELS, show_default=True, metavar="N", help="Refuse photos of more."
)


def packaged_cat() -> Path:
    """The photo that is taken where none is named."""
    return Path(__file__).parent.parent / "assets" / "cat.png"


def called(photo: Path) -> str:
    """What a photo is called to people."""
    return "the packaged cat" if photo == packaged_cat() else str(photo)


def all_pictures(paths: tuple[str, ...], talk: Talk) -> list[Path]:
    """The files named, folders replaced by their pictures; a folder without any is said, and the others still count."""
    from hoodwink.pictures.read import find_pictures

    found: list[Path] = []
    talk.each(paths, lambda path: found.extend(find_pictures([path])))
    return found


def numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> float | tuple[float, ...] | None:
    """A number, or one for each channel: "0.5", "0.485,0.456,0.406"."""
    if value is None:
        return None
    try:
        found = tuple(_number(part) for part in value.split(","))
    except ValueError:
        example = f"type {param.opts[0]} 0.485,0.456,0.406"
        raise click.BadParameter(f"a number, or one for each channel, was wanted, not {value!r}; {example}") from None
    return found if len(found) > 1 else found[0]


def pairs(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """Settings: "rate=0.1"."""
    found = {}
    for text in value:
        name, equals, setting = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"a setting and its value were wanted, not {text!r}; type --set rate=0.1")
        found[name.replace("-", "_")] = setting
    return found


def sides(ctx: click.Context, param: click.Parameter, value: str | None) -> int | tuple[int, int] | None:
    """A side, or height and width, in pixels: "224", "224x192"."""
    if value is None:
        return None
    parts = value.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) for part in parts):
        example = f"type {param.opts[0]} 224, or {param.opts[0]} 224x192"
        raise click.BadParameter(f"a side, or height x width, in pixels was wanted, not {value!r}; {example}")
    found = tuple(map(int, parts))
    return found[0] if len(found) == 1 else (found[0], found[1])


def fraction(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A number or a fraction: "0.5", "8/255"."""
    if value is None:
        return None
    above, slash, below = value.partition("/")
    try:
        return _number(above) / _number(below) if slash else _number(above)
    except (ValueError, ZeroDivisionError):
        raise click.BadParameter(f"a number or a fraction was wanted, not {value!r}; type {param.opts[0]} 8/255") from None


def share(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """A probability; click's range lets through what is no number."""
    if value is not None and math.isnan(value):
        raise click.BadParameter(f"a probability was wanted, not {value}; type {param.opts[0]} 0.9")
    return value


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def class_names(ctx: click.Context, param: click.Parameter, value: str | None) -> int | str | tuple[str, ...] | None:
    """How many classes there are, a word list, a file of names (one a line, or a JSON list), or the names themselves with commas."""
    if value is None or value == "imagenet-1k":
        return value
    if value.isdecimal():
        return int(value)
    path = Path(value)
    if path.is_file():
        return _names_in(path)
    if "," not in value:
        wanted = "a file with a name a line, how many there are, or names with commas"
        raise click.BadParameter(f"{wanted} was wanted, there is no file {one_line(value)!r}")
    return tuple(name.strip() for name in value.split(","))


def _names_in(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if text.lstrip().startswith("[") else [line.strip() for line in text.splitlines() if line.strip()]
    except OSError as error:
        raise click.BadParameter(f"{one_line(path)}: cannot be read: {reason(error)}") from None
    except ValueError as error:
        raise click.BadParameter(f"{one_line(path)}: a name a line, or a JSON list of names, was wanted: {one_line(error)}") from None
    if not all(isinstance(name, str) for name in found):
        raise click.BadParameter(f"{one_line(path)}: a JSON list of names was wanted, it holds other things too")
    return tuple(found)


_FIELDS = ("network", "mean", "std", "classes", "size", "resize", "filter")
_MODEL = (
    click.option(
        "--model",
        multiple=True,
        metavar="NAME",
        help=f"A packaged network, a model folder, a file of weights, or timm:NAME, torchvision:NAME, python:MODULE:FUNCTION "
        f"(default: {DEFAULT_MODEL}). May be repeated.",
    ),
)
_CARD = (
    click.option("--weights", metavar="FILE", help="A bare file of weights; the next options say the rest."),
    click.option("--network", metavar="NAME", help="The network that they are for, such as resnet2b."),
    click.option(
        "--mean", metavar="NUMBERS", callback=numbers, help="Subtracted from pictures in [0, 1]: a number, or one for each channel."
    ),
    click.option("--std", metavar="NUMBERS", callback=numbers, help="Divided by, likewise."),
    click.option("--classes", metavar="NAMES", callback=class_names, help="A file with a name a line, how many there are, or imagenet-1k."),
    click.option("--size", metavar="PIXELS", callback=sides, help="What the network sees: a side, or height x width, such as 224."),
    click.option("--resize", metavar="PIXELS", callback=sides, help="First the shorter side is brought to this, or all to height x width."),
    click.option("--filter", type=click.Choice(["bilinear", "bicubic", "lanczos"]), help="How pictures are resized."),
)
_MACHINE = (
    click.option("--device", default="cpu", show_default=True, metavar="NAME", help="Where the network runs: cpu, cuda, cuda:1, mps."),
    click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads of the CPU."),
)
