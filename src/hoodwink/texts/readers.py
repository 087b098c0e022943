"""What a network reads of a text: its letters or its words, as the indices that it was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from hoodwink.texts.alphabet import Alphabet
from hoodwink.texts.read import TextError
from hoodwink.texts.tokens import CUTS


class Reader(Protocol):
    """Turns texts into indices from 1; 0 stands for no step."""

    @property
    def size(self) -> int:
        """How many indices there are, that of no step among them."""

    def read(self, text: str) -> list[str]:
        """The steps that are read of a text: letters or words; the others are passed over."""

    def encode(self, text: str) -> list[int]:
        """Their indices."""

    def write(self, steps: list[str]) -> str:
        """The text of such steps."""


@dataclass(frozen=True)
class LetterReader:
    """Reads letters, and passes over what is none; blanks at both ends, too. ends: a beginning and an end are put around them."""

    alphabet: Alphabet
    ends: bool = False

    @property
    def size(self) -> int:
        return self.alphabet.size + 2 * self.ends

    @property
    def begin(self) -> int:
        """The index of the beginning."""
        return self.alphabet.size

    @property
    def end(self) -> int:
        """The index of the end."""
        return self.alphabet.size + 1

    def read(self, text: str) -> list[str]:
        return list(self.alphabet.clean(text).strip())

    def encode(self, text: str) -> list[int]:
        found = self.alphabet.encode("".join(self.read(text)))
        return [self.begin, *found, self.end] if self.ends else found

    def write(self, steps: list[str]) -> str:
        return "".join(steps)


@dataclass(frozen=True)
class WordReader:
    """Reads the words that it knows. cut: how a text is made words, a name of CUTS."""

    words: tuple[str, ...]
    cut: str = "words"

    def __post_init__(self) -> None:
        if self.cut not in CUTS:
            raise TextError(f"cut: one of {', '.join(CUTS)} was wanted, not {self.cut!r}")
        if len(self.index) != len(self.words) or not self.words:
            raise TextError(f"words: one or more, each once, were wanted, {len(self.words)} came and {len(self.index)} differ")

    @cached_property
    def index(self) -> dict[str, int]:
        """Where each word is, from 1."""
        return {word: k for k, word in enumerate(self.words, 1)}

    @property
    def size(self) -> int:
        return len(self.words) + 1

    def read(self, text: str) -> list[str]:
        return [word for word in CUTS[self.cut](text) if word in self.index]

    def encode(self, text: str) -> list[int]:
        return [self.index[word] for word in self.read(text)]

    def write(self, steps: list[str]) -> str:
        return " ".join(steps)
