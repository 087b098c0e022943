"""What can be counted of letters: how well counts alone guess the next one, and how much texts repeat, copy and make up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from hoodwink.texts.tokens import split_words

BEGIN, END = "\x02", "\x03"  # stand in no text


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
        """The probability of a letter, by how many letters before it are known, 0 to `context`.

        p(x | h) = (n(hx) + k(h) p(x | h without its first letter)) / (n(h) + k(h)), where n(hx) of the n(h) letters behind h were x and k(h)
        were different: the more of them differed, the more the shorter h counts (Witten and Bell 1991).
        """
        share, found = 1 / self.letters, list[float]()
        for m in range(self.context + 1):
            tail = before[len(before) - m :]
            if m <= len(before) and (seen := self.seen[tail]):
                share = (self.grams[tail + letter] + self.kinds[tail] * share) / (seen + self.kinds[tail])
            found.append(share)
        return found


def perplexities(counts: Counts, texts: Sequence[str]) -> list[float]:
    """exp(mean of -log p) of each next letter, the end among them, by how many letters before it are known."""
    wholes = [BEGIN + text + END for text in texts]
    shares = [counts.shares(whole[max(0, k - counts.context) : k], whole[k]) for whole in wholes for k in range(1, len(whole))]
    return [math.exp(-sum(map(math.log, column)) / len(column)) for column in zip(*shares, strict=True)]


def sequences(text: str, length: int) -> Iterator[str]:
    """All sequences of so many letters of a text."""
    return (text[k : k + length] for k in range(len(text) - length + 1))


def repeated(texts: Sequence[str], length: int) -> float:
    """The share of the sequences of so many letters that stood in the same text before."""
    found = [list(sequences(text, length)) for text in texts]
    total = sum(map(len, found))
    return 1 - sum(len(set(one)) for one in found) / total if total else 0.0


def copied(texts: Sequence[str], length: int, learned: Sequence[str]) -> float:
    """The share of the sequences of so many letters that stand in a text that was learned."""
    known = {one for text in learned for one in sequences(text, length)}
    return _among([one for text in texts for one in sequences(text, length)], known)


def known_words(texts: Sequence[str], learned: Sequence[str]) -> float:
    """The share of the words, with marks for words of their own, that stand in a text that was learned."""
    known = {word for text in learned for word in split_words(text)}
    return _among([word for text in texts for word in split_words(text)], known)


def new(texts: Sequence[str], learned: Collection[str]) -> float:
    """The share of texts that are none of those that were learned."""
    return 1 - _among(texts, set(learned))


def _among(found: Sequence[str], known: Collection[str]) -> float:
    return sum(one in known for one in found) / len(found) if found else 0.0
