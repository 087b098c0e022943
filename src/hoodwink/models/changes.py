"""What may be changed in a text that a network reads: its letters one by one, or its words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from hoodwink.models.card import ModelError, TextInput
from hoodwink.models.model import Model
from hoodwink.texts.edits import KINDS, Passage, Spelling, WordEdits, changed_words, letter_distance
from hoodwink.texts.vectors import Vectors

Space = Spelling | Passage


@dataclass(frozen=True)
class Changes:
    """The changes that count as one. unit: "letters" (replaced, inserted, deleted or swapped with a neighbour) or "words".

    letters: those that may be put in. kinds, count, least: what may stand for a word (see `WordEdits`).
    """

    unit: str
    letters: str = ""
    kinds: tuple[str, ...] = ()
    count: int = 8
    least: float = 0.5

    @staticmethod
    def of(model: Model, kinds: tuple[str, ...] = KINDS) -> Changes:
        """Those that fit a network: the small letters that it reads, or words; ModelError for one that reads no texts."""
        wanted = model.card.input
        if not isinstance(wanted, TextInput):
            model.card.reader  # noqa: B018  says what it takes
        if isinstance(wanted, TextInput) and wanted.unit == "letters":
            letters = "".join(c for c in wanted.letters if c.isalpha() and c.islower() and c.upper() in wanted.letters)
            if not letters:
                raise ModelError(f"{model.card.name} reads no letters that could be put in; name another network")
            return Changes("letters", letters=letters)
        return Changes("words", kinds=kinds)

    def to_json(self) -> dict[str, Any]:
        """The changes as JSON values."""
        return asdict(self) | {"kinds": list(self.kinds)}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Changes:
        """Read what `to_json` made."""
        return Changes(**{**value, "kinds": tuple(value["kinds"])})

    def count_of(self, one: str, other: str) -> int:
        """How many changes lead from one text to another; TextError where these changes cannot."""
        return letter_distance(one, other) if self.unit == "letters" else changed_words(one, other)


class Changer:
    """Makes what may be changed of each text for one network."""

    def __init__(self, model: Model, changes: Changes) -> None:
        self.changes = changes
        self._words = None
        if changes.unit == "words":
            vectors = _vectors(model) if "neighbours" in changes.kinds else None
            self._words = WordEdits(vectors, changes.kinds, changes.count, changes.least)

    def of(self, text: str) -> Space:
        """A text and all that may be changed in it."""
        return Spelling(text, self.changes.letters) if self._words is None else self._words.of(text)


def _vectors(model: Model) -> Vectors:
    """The words that a network knows with the vectors that it has for them: where they are fixed, GloVe's own."""
    table = getattr(model.network, "table", None)
    rows = getattr(table, "rows", None)
    wanted = model.card.input
    if not isinstance(rows, Tensor) or not isinstance(wanted, TextInput) or len(rows) != len(wanted.words) + 1:
        raise ModelError(f"{model.card.name} has no vectors of words, so none has neighbours; type --kinds typos,lookalikes")
    return Vectors(wanted.words, np.ascontiguousarray(rows[1:].detach().cpu().numpy(), np.float32))
