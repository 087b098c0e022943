"""The card of a network: what it takes, what it says, whose it is. Records only; this module does not import torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import Any

from hoodwink.models.classes import Classes, imagenet
from hoodwink.runs import sha256_bytes
from hoodwink.texts.alphabet import Alphabet
from hoodwink.texts.read import TextError
from hoodwink.texts.readers import LetterReader, Reader, WordReader

FILTERS = ("bilinear", "bicubic", "lanczos")
WORDLISTS = {"imagenet-1k": imagenet}
TASKS = ("classify", "embed", "reconstruct", "generate")
_VERBS = {
    "classify": "look, fool and audit take it",
    "embed": "hoodwink search takes it",
    "reconstruct": "hoodwink model join puts a classifier behind it",
    "generate": "hoodwink sample takes it",
}
DRAWS = ("normal", "uniform")
_MAX_PIXELS = 178_956_970  # a sliver of a picture grows without bound when its shorter side is enlarged


class ModelError(ValueError):
    """A network, its weights or its card cannot be used; the message is one line and says what to type instead."""


@dataclass(frozen=True)
class Geometry:
    """Where the network looks: a picture is resized to `resized`, then cut to `size` from (top, left); all in pixels, height first."""

    resized: tuple[int, int]
    top: int
    left: int
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class PictureInput:
    """What is done to a picture before the network sees it.

    resize: the shorter side in pixels, or (height, width) exactly, or None for as it is; filter: see FILTERS; size: the crop
    from the centre (height, width), or None; mean and std: for each channel, of pictures in [0, 1].
    """

    kind: str = "picture"
    channels: int = 3
    resize: int | tuple[int, int] | None = None
    filter: str = "bicubic"
    size: tuple[int, int] | None = None
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        _need(self.kind == "picture", "input.kind", "'picture'", self.kind)
        _need(self.channels in (1, 3), "input.channels", "1 (grey) or 3 (RGB)", self.channels)
        _need(
            self.resize is None or _is_side(self.resize) or _is_size(self.resize),
            "input.resize",
            "a side, (height, width) or null",
            self.resize,
        )
        _need(self.filter in FILTERS, "input.filter", f"one of {', '.join(FILTERS)}", self.filter)
        _need(self.size is None or _is_size(self.size), "input.size", "(height, width) or null", self.size)
        wanted = f"{self.channels} numbers, one for each channel"
        _need(_is_numbers(self.mean, self.channels), "input.mean", wanted, self.mean)
        _need(_is_numbers(self.std, self.channels), "input.std", wanted, self.std)
        _need(all(value > 0 for value in self.std), "input.std", "numbers above 0", self.std)

    def geometry(self, height: int, width: int) -> Geometry:
        """Say how a picture of this size (pixels) is resized and cropped; ModelError where the crop does not fit in it."""
        resized = self._resized(height, width)
        if resized[0] * resized[1] > _MAX_PIXELS:
            raise ModelError(
                f"the network wants a shorter side of {self.resize} pixels, which makes the {height} x {width} picture "
                f"{resized[0]} x {resized[1]}; give a picture that is less narrow"
            )
        size = self.size or resized
        if size[0] > resized[0] or size[1] > resized[1]:
            raise ModelError(
                f"the network looks at {size[0]} x {size[1]} pixels (height x width), the picture has {resized[0]} x {resized[1]} "
                f"when it is cropped; give a larger picture or a card whose resize is at least {max(size)}"
            )
        return Geometry(resized, round((resized[0] - size[0]) / 2), round((resized[1] - size[1]) / 2), size)

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        if self.resize is None:
            return height, width
        if isinstance(self.resize, tuple):
            return self.resize
        long = int(self.resize * max(height, width) / min(height, width))
        return (self.resize, long) if height <= width else (long, self.resize)


@dataclass(frozen=True, kw_only=True)
class TextInput:
    """What a network reads of a text.

    unit: "letters", those of `letters` (each index its place in them, from 1; with ends: a beginning and an end around them), or
    "words", those of `words`, made by `cut` (see texts/tokens.py); what is not known is passed over.
    """

    kind: str = "text"
    unit: str
    letters: str = ""
    ends: bool = False
    words: tuple[str, ...] = ()
    cut: str = "words"

    def __post_init__(self) -> None:
        _need(self.kind == "text", "input.kind", "'text'", self.kind)
        _need(self.unit in ("letters", "words"), "input.unit", "'letters' or 'words'", self.unit)
        _need(
            isinstance(self.letters, str) and isinstance(self.ends, bool),
            "input.letters and ends",
            "a text and true or false",
            self.letters,
        )
        _need(_is_texts(self.words), "input.words", "a list of words", "something else")

    @cached_property
    def reader(self) -> Reader:
        """What turns a text into indices; ModelError where the letters or words cannot be told apart."""
        try:
            return LetterReader(Alphabet(self.letters), self.ends) if self.unit == "letters" else WordReader(self.words, self.cut)
        except TextError as error:
            raise ModelError(f"the card's input: {error}") from error


@dataclass(frozen=True, kw_only=True)
class NoiseInput:
    """What a network makes pictures of: `size` numbers, each from N(0, 1) ("normal") or from [-1, 1] ("uniform")."""

    kind: str = "noise"
    size: int
    draw: str = "normal"

    def __post_init__(self) -> None:
        _need(self.kind == "noise", "input.kind", "'noise'", self.kind)
        _need(_is_side(self.size), "input.size", "a number of 1 or more", self.size)
        _need(self.draw in DRAWS, "input.draw", f"one of {', '.join(DRAWS)}", self.draw)


Input = PictureInput | TextInput | NoiseInput
_INPUTS: dict[object, type[Input]] = {"text": TextInput, "noise": NoiseInput}


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known of a network: enough to build it, to feed it, and to read its answers.

    network: {"name", "arguments"} as `networks.build` takes them; weights_sha256: of the weights' file, or of the weights in
    memory where there is no file; classes and synonyms (by class name), or instead of both the name of a word list (see
    WORDLISTS); scores: records such as {"set", "value", "date"}.
    """

    name: str
    task: str = "classify"
    network: dict[str, Any]
    source: str = ""
    licence: str = ""
    weights_sha256: str
    input: Input
    classes: tuple[str, ...] = ()
    synonyms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    wordlist: str | None = None
    scores: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        for key in ("name", "source", "licence", "weights_sha256"):
            _need(isinstance(getattr(self, key), str), key, "a text", getattr(self, key))
        _need(self.task in TASKS, "task", f"one of {', '.join(TASKS)}", self.task)
        _need(_is_network(self.network), "network", "{name: text, arguments: {...}}", self.network)
        _need(_is_texts(self.classes), "classes", "a list of names", self.classes)
        _need(
            isinstance(self.synonyms, dict) and all(map(_is_texts, self.synonyms.values())), "synonyms", "{class: [names]}", self.synonyms
        )
        strangers = sorted(set(self.synonyms) - set(self.classes))
        _need(not strangers, "synonyms", "only names that are in classes", strangers[:3])
        _need(self.wordlist is None or self.wordlist in WORDLISTS, "wordlist", f"one of {', '.join(WORDLISTS)}", self.wordlist)
        _need(
            self.task != "classify" or bool(self.classes) != bool(self.wordlist),
            "classes",
            "names, or else a word list",
            f"{len(self.classes)} names, {self.wordlist}",
        )
        _need(isinstance(self.scores, tuple) and all(isinstance(s, dict) for s in self.scores), "scores", "a list of records", self.scores)

    @property
    def picture(self) -> PictureInput:
        """What is done to a picture; ModelError for a network that takes something else."""
        if isinstance(self.input, NoiseInput):
            raise ModelError(f"{self.name} takes noise, not pictures; {_VERBS[self.task]}")
        if not isinstance(self.input, PictureInput):
            raise ModelError(f"{self.name} reads texts, not pictures; type --text TEXT (look, fool), or name a network of pictures")
        return self.input

    @property
    def reader(self) -> Reader:
        """What turns a text into indices; ModelError for a network that takes something else."""
        if not isinstance(self.input, TextInput):
            raise ModelError(
                f"{self.name} sees pictures, not texts; name a file, or a network of texts, such as one of hoodwink train names-lstm"
            )
        return self.input.reader

    def need(self, task: str) -> None:
        """Raise ModelError for a network of another task, and say what fits."""
        if self.task != task:
            raise ModelError(f"{self.name}: a network to {task} was wanted, this one is to {self.task}; {_VERBS[self.task]}")

    def find_classes(self) -> Classes:
        """The classes with their synonyms, in the order of the network's outputs."""
        if self.wordlist:
            return WORDLISTS[self.wordlist]()
        return Classes(self.classes, tuple(self.synonyms.get(name, ()) for name in self.classes))

    def to_json(self, *, brief: bool = False) -> dict[str, Any]:
        """The card as JSON values (lists, no tuples); brief: for a list of words their number and the SHA-256 of their lines."""
        card = {key.name: _plain(getattr(self, key.name)) for key in fields(self)}
        given = {key.name: _plain(getattr(self.input, key.name)) for key in fields(self.input)}
        if brief and given.get("words"):
            given["words"] = {"count": len(given["words"]), "sha256": sha256_bytes("\n".join(given["words"]).encode())}
        return card | {"input": given}

    @staticmethod
    def from_json(value: object) -> ModelCard:
        """Read what `to_json` made; unknown, missing or unfit entries are a ModelError that names them."""
        card = _entries(ModelCard, value, "the card")
        kind = card["input"].get("kind") if isinstance(card["input"], Mapping) else None
        record = _INPUTS.get(kind, PictureInput)
        card["input"] = record(**{key: _tuple(entry) for key, entry in _entries(record, card["input"], "the card's input").items()})
        if isinstance(card.get("synonyms"), dict):
            card["synonyms"] = {name: _tuple(others) for name, others in card["synonyms"].items()}
        return ModelCard(**card | {key: _tuple(card[key]) for key in ("classes", "scores") if key in card})


def _entries(record: type[ModelCard | Input], value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ModelError(f"{what} must be a JSON object, it is {type(value).__name__}")
    known = [key.name for key in fields(record)]
    unknown = [str(key) for key in value if key not in known]
    missing = [k.name for k in fields(record) if k.default is MISSING and k.default_factory is MISSING and k.name not in value]
    if unknown:
        raise ModelError(f"{what} has unknown entries: {', '.join(unknown)}; known are {', '.join(known)}")
    if missing:
        raise ModelError(f"{what} lacks entries: {', '.join(missing)}")
    return dict(value)


def _need(holds: bool, entry: str, wanted: str, came: object) -> None:
    if not holds:
        raise ModelError(f"the card's {entry} must be {wanted}; it is {came!r}")


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_size(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_side, value))


def _is_numbers(values: object, count: int) -> bool:
    return isinstance(values, tuple) and len(values) == count and all(type(value) in (int, float) for value in values)


def _is_network(value: object) -> bool:
    if not isinstance(value, dict) or set(value) != {"name", "arguments"}:
        return False
    return isinstance(value["name"], str) and isinstance(value["arguments"], dict)


def _is_texts(values: object) -> bool:
    return isinstance(values, tuple) and all(isinstance(value, str) for value in values)


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
