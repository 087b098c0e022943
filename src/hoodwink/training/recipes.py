"""Recipes: one training each, with all its settings, as a row of a table."""

from __future__ import annotations

from collections.abc import Mapping
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
_OF_CLASSES = ("smoothing", "flips")
_PLAIN = {"smoothing": 0.0, "flips": False, "precision": "float32", "accumulate": 1, "lookahead": 0, "validation": 0, "patience": 0}
_MEASURES = {"squared-error": "squared_error", "elbo": "nats"}
MEASURED = "two cores of a server CPU of 2023 with bfloat16 matrix units"


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
    biases of norms learn. minutes, score: what to expect, on the machine that MEASURED names.
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
        for name in ("epochs", "batch", "accumulate", "rounds"):
            if getattr(self, name) < 1:
                raise RecipeError(f"{name}: 1 or more was wanted, not {getattr(self, name)}")
        for name, plain in _PLAIN.items():
            if getattr(self, name) != plain and (self.adversarial or (self.makes_pictures and name in _OF_CLASSES)):
                raise RecipeError(
                    f"{name}: of a training with the loss {self.loss!r} it can only be {plain!r}, not {getattr(self, name)!r}"
                )
        if not self.rate > 0:
            raise RecipeError(f"rate: a number above 0 was wanted, not {self.rate}")

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
                arguments[name] = _as(type(arguments[name]), name, value)
            elif name in inner:
                record = records[inner[name]]
                records[inner[name]] = replace(record, **{name: _as(type(getattr(record, name)), name, value)})
            else:
                known = [*own, *sorted(inner), *arguments]
                near = get_close_matches(name, known, n=3) or known
                raise RecipeError(f"{self.name} has no setting {name!r}; it has, for example, {', '.join(near)}")
        return replace(self, **new, **records, arguments=arguments)


def _among(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise RecipeError(f"{name}: one of {', '.join(known)} was wanted, not {value!r}")


def _as(kind: type[Any], name: str, value: Any) -> Any:
    """A value of the kind that the setting has."""
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


_MNIST_CODED: dict[str, Any] = {
    "data": "mnist",
    "input": "unit",
    "optimiser": "adam",
    "rate": 0.001,
    "batch": 64,
    "validation": 0,
    "keep": "last",
}
_GAN = {"channels": 1, "side": 28, "noise": 100, "widths": [32, 64, 128], "layers": "dense", "dropout": 0.3, "kernels": 0, "norms": True}
_DCGAN = _GAN | {"widths": [64, 32], "layers": "conv", "dropout": 0.0}
_MNIST_GAN = _MNIST_CODED | {"task": "generate", "loss": "adversarial", "network": "gan", "input": "signed"}
_DIGITS = {"data": "digits", "batch": 32}

_HEAD: dict[str, Any] = {
    "backbone": "efficientnet-lite0",
    "network": "head",
    "arguments": {"hidden": [], "dropout": 0.5},
    "optimiser": "adam",
    "rate": 0.0003,
    "weight_decay": 3.0,
    "schedule": "cosine",
    "batch": 32,
    "epochs": 30,
}
_MNIST_CNN = {"channels": 1, "side": 28, "layers": [[5, 5, 1, 0, 2], [10, 5, 1, 0, 2]], "hidden": [32], "classes": 10, "softmax": False}
_CIFAR_CNN = {
    "channels": 3,
    "side": 32,
    "layers": [[32, 3, 1, 1, 2], [64, 3, 1, 1, 2], [64, 3, 1, 1, 2]],
    "hidden": [64],
    "classes": 10,
    "softmax": False,
}
_DOGS_CNN = {"channels": 3, "side": 64, "layers": [[6, 5, 2, 0, 1], [10, 5, 2, 0, 1]], "hidden": [], "classes": 10, "softmax": False}

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="digits-mlp",
            help="An MLP on scikit-learn's digits: seconds, for trying things out.",
            data="digits",
            network="mlp",
            arguments={"inputs": 64, "hidden": [64], "classes": 10, "dropout": 0.0},
            validation=297,
            epochs=20,
            batch=32,
            rate=0.1,
            momentum=0.9,
            minutes=0.02,
            score=0.903,
        ),
        Recipe(
            name="mnist-mlp",
            help="The course's MLP 784-128-64-10 on MNIST.",
            data="mnist",
            network="mlp",
            arguments={"inputs": 784, "hidden": [128, 64], "classes": 10, "dropout": 0.0},
            validation=10_000,
            batch=10,
            epochs=10,
            minutes=0.6,
            score=0.977,
        ),
        Recipe(
            name="mnist-cnn",
            help="The course's CNN with two convolutions on MNIST.",
            data="mnist",
            network="convnet",
            arguments=_MNIST_CNN,
            validation=10_000,
            momentum=0.9,
            epochs=10,
            minutes=0.5,
            score=0.987,
        ),
        Recipe(
            name="fashion-cnn",
            help="The same CNN on Fashion-MNIST.",
            data="fashion-mnist",
            network="convnet",
            arguments=_MNIST_CNN,
            validation=10_000,
            momentum=0.9,
            epochs=10,
            minutes=0.5,
            score=0.879,
        ),
        Recipe(
            name="cifar-cnn",
            help="The course's CNN with three convolutions on CIFAR-10.",
            data="cifar10",
            network="convnet",
            arguments=_CIFAR_CNN,
            validation=10_000,
            optimiser="adam",
            rate=0.001,
            batch=32,
            epochs=10,
            precision="bfloat16",
            minutes=2.0,
            score=0.73,
        ),
        Recipe(
            name="cifar-fast",
            help="The fastest road to 94 % on CIFAR-10: whitened patches, wide stages, bfloat16.",
            data="cifar10",
            network="fast",
            arguments={"widths": [64, 256, 256], "classes": 10},
            epochs=10,
            batch=1024,
            rate=1.5,
            momentum=0.85,
            nesterov=True,
            weight_decay=0.00133,
            schedule="triangle",
            warmup=0.23,
            floor=0.07,
            smoothing=0.2,
            bias_rate=64.0,
            lookahead=5,
            precision="bfloat16",
            augmentation=Augmentation(crop=2, flip=True),
            flips=True,
            keep="last",
            minutes=10.0,
            score=0.933,
        ),
        Recipe(
            name="dogs-cnn",
            help="The course's CNN with two convolutions on dogs of ten breeds.",
            data="dogs",
            split="valid",
            network="convnet",
            arguments=_DOGS_CNN,
            rate=0.001,
            batch=32,
            epochs=100,
            patience=3,
            minutes=0.3,
            score=0.218,
        ),
        Recipe(
            name="dogs-transfer",
            help="A linear layer on the packaged network's features of dogs of ten breeds, computed once.",
            data="dogs",
            split="valid",
            **_HEAD,
            minutes=2.0,
            score=0.852,
        ),
        Recipe(
            name="cifar-transfer",
            help="The same on 50 pictures of each class of CIFAR-10.",
            data="cifar10",
            subset=500,
            **_HEAD | {"keep": "last"},
        ),
        Recipe(
            name="made-names",
            help="An LSTM on made-up names of three languages: seconds, for trying things out.",
            data="made-names",
            network="sequence",
            arguments={"cell": "lstm", "hidden": 32, "layers": 1, "read": "last", "width": 0, "fixed": True, "dropout": 0.0},
            reading=Reading("letters"),
            validation=60,
            optimiser="adam",
            rate=0.01,
            batch=30,
            epochs=5,
            minutes=0.02,
            score=1.0,
        ),
        Recipe(
            name="made-writer",
            help="A GRU that writes made-up messages letter by letter: seconds, for trying things out.",
            task="generate",
            data="made-tweets",
            network="letter-generator",
            arguments={"hidden": 64, "layers": 1, "width": 16},
            reading=Reading("letters", letters="", only="positive"),
            validation=40,
            optimiser="adam",
            rate=0.01,
            batch=16,
            epochs=20,
            minutes=0.05,
            score=1.36,
        ),
        Recipe(
            name="names-lstm",
            help="An LSTM that says from which of 18 languages a surname comes, letter by letter.",
            data="names",
            network="sequence",
            arguments={"cell": "lstm", "hidden": 128, "layers": 1, "read": "last", "width": 64, "fixed": False, "dropout": 0.3},
            reading=Reading("letters"),
            optimiser="adam",
            rate=0.003,
            schedule="cosine",
            batch=30,
            epochs=15,
            keep="last",
            minutes=1.2,
            score=0.838,
        ),
        Recipe(
            name="tweets-lstm",
            help="An LSTM that says whether a tweet is negative or positive, over GloVe's vectors of its words.",
            data="tweets",
            network="sequence",
            arguments={"cell": "lstm", "hidden": 64, "layers": 1, "read": "max+mean", "width": 50, "fixed": True, "dropout": 0.1},
            reading=Reading("words", vectors="glove-50", grouping="buckets"),
            validation=2_000,
            optimiser="adam",
            rate=0.002,
            schedule="cosine",
            batch=32,
            epochs=10,
            keep="last",
            minutes=0.4,
            score=0.75,
        ),
        Recipe(
            name="text-generator",
            help="A GRU that writes positive tweets letter by letter; --set data=FILE for any text, one a line.",
            task="generate",
            data="tweets",
            network="letter-generator",
            arguments={"hidden": 256, "layers": 1, "width": 64},
            reading=Reading("letters", letters="", only="positive", grouping="buckets"),
            validation=500,
            optimiser="adam",
            rate=0.004,
            schedule="cosine",
            batch=32,
            epochs=10,
            minutes=4.0,
            score=6.1,
        ),
        Recipe(
            name="digits-vae",
            help="A variational autoencoder of scikit-learn's digits: seconds, for trying things out.",
            task="reconstruct",
            loss="elbo",
            network="vae",
            arguments={"channels": 1, "side": 8, "hidden": 64, "code": 8},
            epochs=40,
            minutes=0.07,
            score=24.6,
            **_MNIST_CODED | _DIGITS | {"rate": 0.005},
        ),
        Recipe(
            name="digits-gan",
            help="A generator of scikit-learn's digits and its discriminator: seconds, for trying things out.",
            arguments=_GAN | {"side": 8, "widths": [128, 128], "dropout": 0.0},
            epochs=60,
            minutes=0.2,
            **_MNIST_GAN | _DIGITS | {"rate": 0.0005, "momentum": 0.5},
        ),
        Recipe(
            name="mnist-autoencoder",
            help="The course's autoencoder 784-32-784 of MNIST.",
            task="reconstruct",
            loss="squared-error",
            network="autoencoder",
            arguments={"channels": 1, "side": 28, "code": 32},
            l2=1e-5,
            epochs=5,
            **_MNIST_CODED,
        ),
        Recipe(
            name="mnist-conv-autoencoder",
            help="The course's convolutional autoencoder of MNIST, with a code of 64.",
            task="reconstruct",
            loss="squared-error",
            network="conv-autoencoder",
            arguments={"channels": 1, "side": 28, "code": 64},
            l2=1e-5,
            epochs=5,
            **_MNIST_CODED,
        ),
        Recipe(
            name="mnist-vae",
            help="The course's variational autoencoder of MNIST, with a code of 25, for 20 epochs.",
            task="reconstruct",
            loss="elbo",
            network="vae",
            arguments={"channels": 1, "side": 28, "hidden": 350, "code": 25},
            epochs=20,
            minutes=2.5,
            score=104.0,
            **_MNIST_CODED,
        ),
        Recipe(
            name="mnist-gan",
            help="The course's generator of MNIST's digits and its discriminator, linear layers alone.",
            arguments=_GAN,
            epochs=20,
            minutes=3.5,
            **_MNIST_GAN | {"rate": 0.002},
        ),
        Recipe(
            name="mnist-dcgan",
            help="The same with convolutions (DCGAN).",
            arguments=_DCGAN,
            epochs=10,
            minutes=9.0,
            **_MNIST_GAN | {"rate": 0.0002, "momentum": 0.5, "batch": 128},
        ),
        Recipe(
            name="mnist-wgan",
            help="The same as Wasserstein's critic, its slope held near 1 (WGAN-GP).",
            arguments=_DCGAN | {"norms": False},
            epochs=10,
            minutes=10.0,
            **_MNIST_GAN | {"loss": "wasserstein", "rate": 0.0002, "momentum": 0.5, "second": 0.9, "batch": 320},
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of a name; RecipeError lists those there are."""
    if name not in RECIPES:
        near = get_close_matches(name, RECIPES, n=3) or list(RECIPES)
        raise RecipeError(f"there is no recipe {name!r}; there are {', '.join(near)}: hoodwink recipes lists all")
    return RECIPES[name]
