"""Texts as words."""

from __future__ import annotations

import re

_PARTS = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[^\sa-z0-9]", re.ASCII)


def split_blanks(text: str) -> list[str]:
    """The words between blanks, as they are: the course's way."""
    return text.split()


def split_words(text: str) -> list[str]:
    """Lower case, punctuation apart: words (an apostrophe's ending is a word of its own, as in GloVe: "don't" is "do", "n't")."""
    return [part for found in _PARTS.findall(text.lower()) for part in _clitic(found)]


def _clitic(word: str) -> list[str]:
    if word.endswith("n't") and len(word) > 3:
        return [word[:-3], "n't"]
    stem, apostrophe, ending = word.partition("'")
    return [stem, apostrophe + ending] if stem and ending else [word]


CUTS = {"blanks": split_blanks, "words": split_words}
