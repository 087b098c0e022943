"""The data sets of texts that are had by name; a new one is a row here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hoodwink.data.cards import DataCard, DataFile
from hoodwink.data.formats import Labels
from hoodwink.data.made import MADE_NAMES, MADE_TWEETS, made_names, made_tweets
from hoodwink.data.subset import split as parts
from hoodwink.data.table import Read, Row
from hoodwink.texts.alphabet import to_ascii
from hoodwink.texts.read import parse_csv, parse_lines

Texts = tuple[str, ...]
_ONCE = "-once"  # splits without a name on both sides
_LEARNED = 0.7  # of names, as the course parts them


def part_once(names: Texts, labels: list[int], learned: float = _LEARNED) -> tuple[list[int], list[int]]:
    """Indices of names for training and tests: each once in a class, and, going by its ASCII letters, none on both sides."""
    written = [to_ascii(name) for name in names]
    first = {(name, label): index for index, (name, label) in reversed(list(enumerate(zip(written, labels, strict=True))))}
    distinct = list(dict.fromkeys(written))
    cut = round(learned * len(distinct))
    train = {distinct[k] for k in parts(len(distinct), cut, seed=0)[0].tolist()}
    kept = sorted(first.values())
    return [k for k in kept if written[k] in train], [k for k in kept if written[k] not in train]


def part_names(names: Texts, labels: list[int], split: str) -> tuple[Texts, Labels]:
    """The names of a split: "train" or "test", as the source parts them, repeated names and all, or these with "-once"."""
    if split.endswith(_ONCE):
        chosen = part_once(names, labels)[0 if split.startswith("train") else 1]
    else:
        cut = round(_LEARNED * len(names))
        chosen = parts(len(names), cut, len(names) - cut, seed=0)[0 if split == "train" else 1].tolist()
    return tuple(names[k] for k in chosen), np.array([labels[k] for k in chosen], np.int64)


def _names(files: Mapping[str, bytes], card: DataCard, split: str) -> tuple[Texts, Labels]:
    found = [(name, label) for label, file in enumerate(card.splits[split]) for name in parse_lines(files[file], file)]
    return part_names(tuple(name for name, _ in found), [label for _, label in found], split)


def _tweets(files: Mapping[str, bytes], card: DataCard, split: str) -> tuple[Texts, Labels]:
    file = card.splits[split][0]
    found = parse_csv(files[file], file)
    cut = card.counts["train"]  # the file is shuffled
    part = {"train": slice(cut), "test": slice(cut, None), "hand": slice(None)}[split]
    return found.texts[part], np.array(found.labels[part], np.int64)


_LANGUAGES = {
    "Arabic": (13190, "6f424a8dbe51cbbbabab7a57d38b617210125e4e3991f3c657cb79b8f104bafc"),
    "Chinese": (1246, "09ba8f1f7e38dbc99372d461b26ad4433b811fc6bfa6a3ecca6fe11a9a777465"),
    "Czech": (3916, "e17ab0ec47616a72c39cb85c783f70c3663ab64488721e5d8378f146d2226be7"),
    "Dutch": (2351, "924f32b635170eae561f84538632138fc07d4c8bbd70ba3fb980de1ecc4d2af3"),
    "English": (27125, "9cca037066d3d5989e24bc01801416162de506b5e28e15b7c092a47905d29bf2"),
    "French": (2178, "81e65b36c60ed5b89a17422f6edcadbb89546f38ad69e960e64e7ba682012a95"),
    "German": (5610, "7449cd590b97a733e18d613a4155decd77ec35dc5f8aadd7a82204dce4f051db"),
    "Greek": (1981, "3555b5186de7f401e6d991b088e9e644ca3099116477818c25ab5793801389e6"),
    "Irish": (1858, "cf8c7013256252a88d2503127b87282a11f21b2ff6db1bded68834c19a1ec058"),
    "Italian": (5657, "f88414c27d0606a11a678b4859277828c2565d6cc4d9ee932deef6e94f3b35e4"),
    "Japanese": (7622, "e0e717e114fec3e7eade4d9dabe0067c475f43147e36a22b47902ee76ad9e67f"),
    "Korean": (423, "cd54221ccb362a6cba4c78828838cf3268a0e59744767a37cf6ec4b74036b136"),
    "Polish": (1165, "45bab898af2f60ed3a728bbf6980e28821011a7caa53227553b5785903a40826"),
    "Portuguese": (554, "50a8735f41f4f73757c8ce5b16cb0275cd86b2b214bcbc8c9805f508cb131c53"),
    "Russian": (85168, "0cfe53ac18041e8f63666aa77313e0a3ff378facb132abee052d8ebdc8c3d62c"),
    "Scottish": (752, "78d0252711d87d948ea86fe34826c51d2d794a8e52d15b5d6f7b6244d45d62dd"),
    "Spanish": (2284, "1bcb462ed3316756a85781d68232bddae04498fdddd5d9219c53fd1fbdeba7a7"),
    "Vietnamese": (339, "f3f9e4164ab47601178a6e45b216464a64122f49d05541f24bf18a757253281d"),
}
_FILES = tuple(f"{language}.txt" for language in _LANGUAGES)

NAMES = Row(
    DataCard(
        name="names",
        source="https://github.com/spro/practical-pytorch, data/names",
        licence="MIT",
        files=tuple(DataFile(f"{language}.txt", size, sha256) for language, (size, sha256) in _LANGUAGES.items()),
        splits=dict.fromkeys(("train", "test", f"train{_ONCE}", f"test{_ONCE}"), _FILES),
        counts={"train": 14_035, "test": 6_015, f"train{_ONCE}": 12_585, f"test{_ONCE}": 5_401},
        shape=(),
        classes=tuple(_LANGUAGES),
    ),
    _names,
    (),  # it is not to be had from anywhere in one piece: whoever has it puts it into HOODWINK_DATA
)

TWEETS = Row(
    DataCard(
        name="tweets",
        source="sentiment140 (Go, Bhayani and Huang 2009): 20,000 of its training texts, drawn at random, and the 498 labelled by hand",
        licence="none stated: for study only, not to be published",
        files=(
            DataFile("sentiment140_20k.csv.gz", 1_211_511, "87fb0f06013e562e7796e28c750f2c8978d9dc6a3b3031e4788244f096a9c5bd"),
            DataFile("testdata.manual.2009.06.14.csv", 74_326, "c77669cc86ae85d3807d65fc13fed0c395266db518d4eaa0ff1f19bf6efbbdd3"),
        ),
        splits={
            "train": ("sentiment140_20k.csv.gz",),
            "test": ("sentiment140_20k.csv.gz",),
            "hand": ("testdata.manual.2009.06.14.csv",),
        },
        counts={"train": 16_000, "test": 4_000, "hand": 359},
        shape=(),
        classes=("negative", "positive"),
    ),
    _tweets,
    (),
)


def _made(name: str, classes: tuple[str, ...], counts: dict[str, int], read: Read) -> Row:
    """Texts that are made up by rules: what a study or a recipe is tried out with in seconds."""
    card = DataCard(
        name=name,
        source="made up by rules of hoodwink",
        licence="CC0",
        files=(),
        splits=dict.fromkeys(counts, ()),
        counts=counts,
        shape=(),
        classes=classes,
    )
    return Row(card, read, ())


def _made_names(files: Mapping[str, bytes], card: DataCard, split: str) -> tuple[Texts, Labels]:
    return part_names(*made_names(900), split)


def _made_tweets(files: Mapping[str, bytes], card: DataCard, split: str) -> tuple[Texts, Labels]:
    start = {"train": 0, "test": 400, "hand": 600}[split]
    texts, labels = made_tweets(700)
    part = slice(start, start + card.counts[split])
    return texts[part], np.array(labels[part], np.int64)


TEXT_SETS = {
    row.card.name: row
    for row in (
        NAMES,
        TWEETS,
        _made("made-names", MADE_NAMES, {"train": 630, "test": 270, "train-once": 272, "test-once": 117}, _made_names),
        _made("made-tweets", MADE_TWEETS, {"train": 400, "test": 200, "hand": 100}, _made_tweets),
    )
}
