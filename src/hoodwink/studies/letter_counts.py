"""What can be counted of letters: how well counts alone guess the next one, and how much texts repeat, copy and make up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hoodwink.texts.tokens import split_words

BEGIN, END = "\x02", "\x03"  # stand in no text
SHORTEST = 3  # letters of a word that is counted
REPEATED, WORDS, COPIED, NEW, LENGTH = "repeated", "known words", "copied", "new texts", "letters"


@dataclass(frozen=True, eq=False)
class Counts:
    """How often each letter comes behind the letters before it.

    grams: of some letters and the next one together; seen, kinds: how many letters came behind some letters, and how many different ones.
    letters: how many there are, the end among them; context: how many letters before the next one are known at most.
    """

    grams: Counter[str]
    seen: Counter[str]
    kinds: Counter[str]
    letters: int
    context: int

    @classmethod
    def of(cls, texts: Sequence[str], letters: int, context: int) -> Counts:
        """Count texts."""
        grams = Counter[str]()
        for text in texts:
            whole = BEGIN + text + END
            grams.update(whole[k - m : k + 1] for k in range(1, len(whole)) for m in range(min(context, k) + 1))
        seen, kinds = Counter[str](), Counter[str]()
        for gram, count in grams.items():
            seen[gram[:-1]] += count
            kinds[gram[:-1]] += 1
        return cls(grams, seen, kinds, letters, context)

    def shares(self, before: str, letter: str) -> list[float]:
        """The probability of a letter behind those before it, by how many of these are known, 0 to `context`.

        p(x | h) = (n(hx) + k(h) p(x | h without its first letter)) / (n(h) + k(h)), where n(hx) of the n(h) letters behind h were x and k(h)
        were different: the more of them differed, the more the shorter h counts (Witten and Bell 1991, doi:10.1109/18.87000).
        """
        share, found = 1 / self.letters, list[float]()
        for m in range(self.context + 1):
            tail = before[max(0, len(before) - m) :]
            if m <= len(before) and (seen := self.seen[tail]):
                share = (self.grams[tail + letter] + self.kinds[tail] * share) / (seen + self.kinds[tail])
            found.append(share)
        return found


def perplexities(counts: Counts, texts: Sequence[str]) -> list[float]:
    """exp(mean of -log p) of each next letter, the end among them, by how many letters before it are known."""
    sums, steps = [0.0] * (counts.context + 1), 0
    for text in texts:
        whole = BEGIN + text + END
        for k in range(1, len(whole)):
            shares = counts.shares(whole[max(0, k - counts.context) : k], whole[k])
            sums = [total - math.log(share) for total, share in zip(sums, shares, strict=True)]
        steps += len(whole) - 1
    return [math.exp(total / steps) for total in sums]


def sequences(text: str, length: int) -> Iterator[str]:
    """All sequences of so many letters of a text."""
    return (text[k : k + length] for k in range(len(text) - length + 1))


def words(text: str) -> list[str]:
    """Its words of SHORTEST letters or more, lower case; shorter ones are hit upon by chance."""
    return [word for word in split_words(text) if len(word) >= SHORTEST and word.isalpha()]


@dataclass(frozen=True, eq=False)
class Learned:
    """What a network could have copied: texts, their `words`, and their sequences of so many letters."""

    texts: frozenset[str]
    words: frozenset[str]
    pieces: frozenset[str]
    length: int

    @classmethod
    def of(cls, texts: Sequence[str], length: int) -> Learned:
        """Of the texts that it learned."""
        found = frozenset(word for text in texts for word in words(text))
        return cls(frozenset(texts), found, frozenset(piece for text in texts for piece in sequences(text, length)), length)


def repeated(texts: Iterable[str], length: int) -> float:
    """The share of all sequences of so many letters that stood in the same text before."""
    found = [list(sequences(text, length)) for text in texts]
    total = sum(map(len, found))
    return 1 - sum(len(set(one)) for one in found) / total if total else 0.0


def habits(texts: Sequence[str], learned: Learned, length: int) -> dict[str, float]:
    """How texts are written: their repeated sequences of `length` letters, and what of them was learned, as shares; letters of a text."""
    pieces = [piece for text in texts for piece in sequences(text, learned.length)]
    return {
        REPEATED: repeated(texts, length),
        WORDS: _among([word for text in texts for word in words(text)], learned.words),
        COPIED: _among(pieces, learned.pieces),
        NEW: 1 - _among(texts, learned.texts),
        LENGTH: sum(map(len, texts)) / len(texts),
    }


def _among(found: Sequence[str], known: Collection[str]) -> float:
    return sum(one in known for one in found) / len(found) if found else 0.0
