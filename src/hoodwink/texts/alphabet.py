"""Letters as numbers, and any name in ASCII letters."""

from __future__ import annotations

import string
import unicodedata
from dataclasses import dataclass
from functools import cached_property

from hoodwink.texts.read import TextError

LETTERS = string.ascii_letters + " .,;'-"
PAD = 0  # the index of no letter

# Letters that are no letter and a mark together, and what they are written as where there is no key for them.
_WRITTEN = str.maketrans(
    {
        "\u00df": "ss", "\u1e9e": "SS", "\u00e6": "ae", "\u00c6": "AE", "\u0153": "oe", "\u0152": "OE", "\u00f8": "o", "\u00d8": "O",
        "\u0142": "l", "\u0141": "L", "\u0111": "d", "\u0110": "D", "\u00f0": "d", "\u00d0": "D", "\u00fe": "th", "\u00de": "Th",
        "\u0131": "i", "\u2019": "'", "\u02bc": "'", "\u2010": "-", "\u2011": "-", "\u2013": "-",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Alphabet:
    """The letters that a network knows; index 0 stands for none, those of the letters follow in their order."""

    letters: str = LETTERS

    def __post_init__(self) -> None:
        if len(set(self.letters)) != len(self.letters) or not self.letters:
            raise TextError(f"letters: one or more, each once, were wanted, not {self.letters!r}")

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.letters)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {letter: k for k, letter in enumerate(self.letters, 1)}

    @property
    def size(self) -> int:
        """How many indices there are, that of no letter among them."""
        return len(self.letters) + 1

    def clean(self, text: str) -> str:
        """The text in these letters alone.

        The rule: a letter that is known stays. Of the others, letters such as sharp s, o with a stroke or a ligature become what they are
        written as (ss, o, ae), every other is parted from its marks (NFKD) and the marks are dropped; what is then not known, Chinese
        characters of a Latin alphabet among it, is dropped.
        """
        known = self._known
        if known.issuperset(text):
            return text
        whole = unicodedata.normalize("NFC", text)
        return "".join(c if c in known else "".join(part for part in _parted(c) if part in known) for c in whole)

    def encode(self, text: str) -> list[int]:
        """The index of each letter; TextError for one that is not known, which names it."""
        indices = [self._index.get(c, PAD) for c in text]
        if PAD in indices:
            raise TextError(
                f"{text!r}: letters of {self.letters!r} were wanted, {text[indices.index(PAD)]!r} is none; to_ascii takes it away"
            )
        return indices

    def decode(self, indices: list[int]) -> str:
        """The text of such indices; those of no letter are left out."""
        return "".join(self.letters[k - 1] for k in indices if k != PAD)


_ASCII = Alphabet()


def to_ascii(name: str) -> str:
    """A name in the letters of LETTERS, by the rule of `Alphabet.clean`, blanks at both ends dropped; "" where nothing is left of it."""
    return _ASCII.clean(name).strip()


def _parted(letter: str) -> str:
    return unicodedata.normalize("NFKD", letter.translate(_WRITTEN))
