"""The data of a training on texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from hoodwink.data.cards import DataError
from hoodwink.data.fetch import Tell
from hoodwink.data.texts import TextSet, load_texts, only
from hoodwink.data.words import load_vectors
from hoodwink.models.card import TextInput
from hoodwink.texts.batches import pad
from hoodwink.texts.tokens import CUTS
from hoodwink.texts.vectors import Vectors
from hoodwink.training.feeds import TextFeed
from hoodwink.training.material import Material, parted
from hoodwink.training.recipe import Reading, Recipe, RecipeError

_OFTEN, _LETTERS = 10, 300  # how often a letter must occur to be known, and how many are at most
_TWICE = 2  # how often a word must, where it has no vector of its own


def gather_texts(recipe: Recipe, device: str, tell: Tell | None) -> Material:
    """Load a recipe's texts and part them; DataError, RecipeError, TextError."""
    reading, generates = recipe.reading, recipe.task == "generate"
    names = {name: f"{recipe.data}:{name}{'-once' * reading.once}" for name in filter(None, ("train", recipe.split, "test"))}
    sets = {name: only(load_texts(spec, tell=tell), reading.only) for name, spec in names.items()}
    if not generates and any(found.labels is None for found in sets.values()):
        raise DataError(f"{recipe.data}: texts with labels were wanted, these have none; text-generator learns without")
    vectors = load_vectors(reading.vectors, tell=tell) if reading.vectors else None
    given = make_input(reading, sets["train"].texts, vectors, generates)
    reader = given.reader

    def feed(found: TextSet) -> TextFeed:
        steps = [reader.encode(text) or [0] for text in found.texts]
        labels = None if generates else _labels(found).to(device)
        return TextFeed(pad(steps), labels, reading.grouping, device)

    ready = {name: feed(found) for name, found in sets.items()}
    learned, held = parted(recipe, _labels(sets["train"]), len(sets["train"].classes))
    train = ready["train"].part(learned)
    validation = ready["train"].part(held) if held is not None else ready.get(recipe.split)

    def start(network: nn.Module) -> None:
        """The words' vectors."""
        if vectors is not None:
            network.table.fill(_rows(vectors, given.words))  # type: ignore[union-attr, operator]

    return Material(
        train,
        validation,
        ready["test"],
        classes=() if generates else sets["train"].classes,
        hashes={name: found.sha256 for name, found in sets.items()},
        sets=names,
        input=given,
        arguments={"inputs": reader.size},
        start=start,
    )


def make_input(reading: Reading, texts: Iterable[str], vectors: Vectors | None, ends: bool) -> TextInput:
    """What a network reads, as training texts decide it.

    Letters: those that the recipe names, or those that occur often. Words: those of the texts that have a vector, and the most frequent
    others that have one; without vectors those that occur more than once.
    """
    if reading.unit == "letters":
        counts = Counter("".join(texts))
        often = [letter for letter, count in counts.most_common(_LETTERS) if count >= _OFTEN and letter.isprintable()]
        return TextInput(unit="letters", letters=reading.letters or "".join(sorted(often)), ends=ends)
    counts = Counter(word for text in texts for word in CUTS[reading.cut](text))
    if vectors is None:
        words = [word for word, count in counts.most_common(reading.vocabulary) if count >= _TWICE]
    else:
        words = [word for k, word in enumerate(vectors.words) if k < reading.vocabulary or word in counts]
    if not words:
        raise RecipeError(f"vocabulary: none of the {len(counts)} words is known; type --set vectors=glove-50, or a larger file")
    return TextInput(unit="words", words=tuple(words), cut=reading.cut)


def _labels(found: TextSet) -> Tensor:
    return torch.zeros(len(found), dtype=torch.int64) if found.labels is None else torch.from_numpy(found.labels)


def _rows(vectors: Vectors, words: Iterable[str]) -> Tensor:
    return torch.from_numpy(np.asarray(vectors.array[[vectors.index[word] for word in words]], np.float32))
