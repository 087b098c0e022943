"""The record of a training: all its settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

from hoodwink.data.augment import Augmentation
from hoodwink.texts.alphabet import LETTERS
from hoodwink.texts.tokens import CUTS

_RECORDS = ("augmentation", "reading")  # settings that are records of their own
SCHEDULES = ("constant", "step", "cosine", "triangle")
OPTIMISERS = ("sgd", "adam")
PRECISIONS = ("float32", "bfloat16")
LOSSES = ("cross-entropy", "squared-error", "elbo", "adversarial", "wasserstein")
_TAKEN = {"squared-error": "unit", "elbo": "unit", "adversarial": "signed", "wasserstein": "signed"}  # the input that a loss is of
_JUDGED = ("cross-entropy", "squared-error", "elbo")
# What a setting must be with any other loss, where it is without effect, and the losses with which it has one.
_EFFECTS: dict[str, tuple[object, tuple[str, ...]]] = {
    "smoothing": (0.0, ("cross-entropy",)),
    "flips": (False, ("cross-entropy",)),
    "rounds": (5, ("wasserstein",)),
    **dict.fromkeys(("lookahead", "validation", "patience"), (0, _JUDGED)),
    "accumulate": (1, _JUDGED),
    "precision": ("float32", _JUDGED),
}
_LEAST = {"epochs": 1, "batch": 1, "accumulate": 1, "rounds": 1, "subset": 0, "validation": 0, "lookahead": 0, "patience": 0}
_LEAST |= {"least": 0, "l1": 0, "l2": 0, "weight_decay": 0}
_SHARES = ("momentum", "second", "smoothing")  # in [0, 1)
_GAN = {"layers": "dense", "dropout": 0.0, "kernels": 0, "norms": True}  # where the arguments of a gan say nothing else
_MAY_BE_0 = ("kernels", "width", "dropout")  # arguments of networks
_MEASURES = {"squared-error": "squared_error", "elbo": "nats"}


class RecipeError(ValueError):
    """A recipe or a setting that there is not; the message is one line and says what there is."""


@dataclass(frozen=True)
class Reading:
    """How texts are read.

    unit: "letters" or "words", "" where there are pictures. letters: those that are known, "" for those of the training texts. cut: how a
    text is made words (see texts/tokens.py); vectors: of the words, as `data.words.load_vectors` takes it, "" where they are learned;
    vocabulary: how many words are known beside those of the training texts. once: no name on both sides, if the set has such splits.
    only: the texts of one class. grouping: which texts come into a batch, a name of texts/batches.py GROUPINGS.
    """

    unit: str = ""
    letters: str = LETTERS
    cut: str = "words"
    vectors: str = ""
    vocabulary: int = 20_000
    once: bool = False
    only: str = ""
    grouping: str = "shuffled"

    def __post_init__(self) -> None:
        _among("unit", self.unit, ("", "letters", "words"))
        _among("cut", self.cut, tuple(CUTS))
        _among("grouping", self.grouping, ("shuffled", "equal", "buckets"))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that the weights of a training depend on, the versions and the number of threads apart.

    task: "classify"; "generate": say at each step which letter comes next, or make pictures of noise; "reconstruct": make a picture of
    what a short code holds of it. loss: one of LOSSES; rounds: moves of Wasserstein's critic for each of the generator. data: a name or folder as `data.load` (or `load_texts`) takes
    it, without a split. network, arguments: as `models.build` takes them. backbone: a
    pretrained network as `load_model` takes it, without `layer` ("": the last linear one), whose features the network takes in the place of
    pixels; "" for none. validation: how
    many of the training pictures are held out, the last ones in file order, or those of the split called `split`. subset: so many
    training pictures, exactly balanced. input: how pictures in [0, 1] are shifted and scaled (see training/run.py): "standard" (mean
    and deviation of the training pictures), "unit" (as they are), "signed" ([-1, 1]). patience: epochs in a row in which the validation
    loss may fail to fall by more than `least` against the epoch before. keep: the weights of the "best" epoch, by validation accuracy,
    or of the "last". momentum: of SGD; of Adam the decay of the mean gradient (0: 0.9), and second that of the mean square. lookahead: steps between two pulls of the weights to their slow average (0: none). bias_rate: how many times faster the
    biases of norms learn. minutes, score: what to expect, on the machine that `recipes.MEASURED` names.
    """

    name: str
    help: str
    task: str = "classify"
    loss: str = "cross-entropy"
    data: str
    network: str
    arguments: dict[str, Any] = field(default_factory=dict)
    backbone: str = ""
    layer: str = ""
    subset: int = 0
    validation: int = 0
    split: str = ""
    input: str = "standard"
    epochs: int = 10
    batch: int = 64
    optimiser: str = "sgd"
    rate: float = 0.01
    momentum: float = 0.0
    second: float = 0.999
    rounds: int = 5
    nesterov: bool = False
    weight_decay: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    schedule: str = "constant"
    warmup: float = 0.0
    floor: float = 0.0
    accumulate: int = 1
    smoothing: float = 0.0
    bias_rate: float = 1.0
    lookahead: int = 0
    precision: str = "float32"
    augmentation: Augmentation = field(default_factory=Augmentation)
    reading: Reading = field(default_factory=Reading)
    flips: bool = False
    patience: int = 0
    least: float = 1e-4
    keep: str = "best"
    seed: int = 0
    minutes: float = 0.0
    score: float = 0.0

    def __post_init__(self) -> None:
        _among("task", self.task, ("classify", "generate", "reconstruct"))
        _among("loss", self.loss, LOSSES)
        _among("schedule", self.schedule, SCHEDULES)
        _among("optimiser", self.optimiser, OPTIMISERS)
        _among("precision", self.precision, PRECISIONS)
        _among("input", self.input, ("standard", "unit", "signed"))
        _among("keep", self.keep, ("best", "last"))
        _among("input", self.input, (_TAKEN.get(self.loss, self.input),))
        for name, least in _LEAST.items():
            if not getattr(self, name) >= least:
                raise RecipeError(f"{name}: {least} or more was wanted, not {getattr(self, name)}")
        for name in _SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(f"{name}: 0 or more, and less than 1, was wanted, not {getattr(self, name)}")
        for name in ("rate", "bias_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise RecipeError(f"{name}: a number above 0 was wanted, not {getattr(self, name)}")
        for name, value in self.arguments.items():
            _above(name, value, 0 if name in _MAY_BE_0 else 1)
        self._check_effects()

    def _check_effects(self) -> None:
        """Refuse settings that would be without effect, and those that contradict each other."""
        for name, (plain, losses) in _EFFECTS.items():
            if self.loss not in losses and getattr(self, name) != plain:
                raise RecipeError(
                    f"{name}: of a training with the loss {self.loss!r} it can only be {plain!r}, not {getattr(self, name)!r}"
                )
        if self.patience and not (self.validation or self.split):
            raise RecipeError("patience: examples held out to be patient with were wanted; type --set validation=N, or --set patience=0")
        if self.nesterov and self.optimiser == "sgd" and not self.momentum:
            raise RecipeError("nesterov: a momentum was wanted; type --set momentum=0.9, or --set nesterov=false")
        if self.layer and not self.backbone:
            raise RecipeError("layer: of a backbone, and there is none; type --set backbone=efficientnet-lite0, or leave layer away")
        if self.network == "gan":
            self._check_gan(**{**_GAN, **self.arguments})

    def _check_gan(self, *, layers: str, dropout: float, kernels: int, norms: bool, **rest: Any) -> None:
        if layers == "conv" and dropout:
            raise RecipeError("dropout: of linear layers, which a gan with layers=conv has none of; type --set dropout=0")
        if self.loss == "wasserstein" and (kernels or (norms and layers == "conv")):
            # Batch norm and minibatch discrimination couple a picture's score to the others of its batch.
            raise RecipeError("norms, kernels: the critic's slope is of each picture alone; type --set norms=false --set kernels=0")
        if self.loss == "adversarial" and layers == "dense" and not norms:
            raise RecipeError("norms: of convolutions, which a gan with layers=dense has none of; type --set norms=true")

    @property
    def measure(self) -> str:
        """What its networks are scored by, "" where examples cannot judge them."""
        if self.loss != "cross-entropy":
            return _MEASURES.get(self.loss, "")
        return "accuracy" if self.task == "classify" else "perplexity"

    @property
    def makes_pictures(self) -> bool:
        """Whether its networks make pictures."""
        return self.loss != "cross-entropy"

    @property
    def adversarial(self) -> bool:
        """Whether two networks are trained against each other."""
        return self.loss in ("adversarial", "wasserstein")

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Recipe:
        """Read what `to_json` made."""
        reading = Reading(**value.get("reading", {}))
        return Recipe(**{**value, "augmentation": Augmentation(**value["augmentation"]), "reading": reading})

    def changed(self, settings: Mapping[str, Any]) -> Recipe:
        """The same with some settings other; those of the augmentation, the reading and the network's arguments by their own names.

        Values may be texts ("0.1", "true"), as the command line gives them. RecipeError for a setting that there is not.
        """
        own = {
            key.name for key in fields(self) if key.name not in (*_RECORDS, "name", "help", "task", "loss", "arguments", "minutes", "score")
        }
        inner = {key.name: record for record in _RECORDS for key in fields(getattr(self, record)) if key.name not in own}
        new: dict[str, Any] = {}
        records, arguments = {record: getattr(self, record) for record in _RECORDS}, dict(self.arguments)
        for name, value in settings.items():
            if name in own:
                new[name] = _as(type(getattr(self, name)), name, value)
            elif name in arguments:
                if isinstance(value, str) and any(isinstance(one, (list, tuple)) for one in _listed(arguments[name])):
                    raise RecipeError(f"{name}: a list of lists, which only Python can give: hoodwink.train({self.name!r}, {name}=...)")
                arguments[name] = _as(type(arguments[name]), name, value)
            elif name in inner:
                record = records[inner[name]]
                given = {name: _as(type(getattr(record, name)), name, value)}
                try:
                    records[inner[name]] = replace(record, **given)
                except ValueError as error:  # of an augmentation
                    raise RecipeError(str(error)) from None
            else:
                known = [*own, *sorted(inner), *arguments]
                near = get_close_matches(name, known, n=3) or known
                raise RecipeError(f"{self.name} has no setting {name!r}; it has, for example, {', '.join(near)}")
        return replace(self, **new, **records, arguments=arguments)


def _among(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise RecipeError(f"{name}: one of {', '.join(known)} was wanted, not {value!r}")


def _above(name: str, value: object, least: int) -> None:
    """Refuse a whole number, or one of a list, that is too small."""
    for one in _listed(value):
        if type(one) is int and one < least:
            raise RecipeError(f"{name}: {least} or more was wanted, not {one}")


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _as(kind: type[Any], name: str, value: Any) -> Any:
    """A value of the kind that the setting has."""
    if kind is float and type(value) is int:
        return float(value)
    if not isinstance(value, str):
        return tuple(value) if kind is tuple else value
    try:
        if kind is bool:
            return {"true": True, "false": False}[value.lower()]
        if kind in (tuple, list):
            return [int(part) for part in value.split(",") if part]
        return kind(value)
    except (KeyError, ValueError):
        example = {bool: "true", int: "3", float: "0.1", tuple: "64,32", list: "64,32"}.get(kind, "text")
        raise RecipeError(f"{name}: a value such as {example} was wanted, not {value!r}") from None
