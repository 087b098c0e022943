"""What may be changed in a text: a letter, or a word for a neighbour in meaning, a slip of the keyboard, or letters that look the same."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hoodwink.texts.read import TextError
from hoodwink.texts.vectors import Vectors

KINDS = ("neighbours", "typos", "lookalikes")
Words = tuple[str, ...]

# Cyrillic letters, and Greek ones for v, N, Y and Z, that most fonts draw as they do these.
_LATIN = "acdehijlopqsvwxy" + "ABCEHIJKMNOPQSTWXYZ"
_ALIKE = (
    "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u04cf\u043e\u0440\u051b\u0455\u03bd\u051d\u0445\u0443"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u039d\u041e\u0420\u051a\u0405\u0422\u051c\u0425\u03a5\u0396"
)
LOOKALIKES = dict(zip(_LATIN, _ALIKE, strict=True))
# Names, addresses and HTML's entities, which tweets are full of: changed, they would be other things, or nothing.
_KEPT = re.compile(r"@|://|www\.|\w\.(?:com|net|org|ly)\b|&#?\w+;", re.IGNORECASE)
_PARTS = re.compile(r"([\W_]*)(.*?)([\W_]*)", re.DOTALL)


def letter_edits(text: str, letters: str = string.ascii_lowercase) -> list[str]:
    """Every text one letter away, each once, in a fixed order: a letter replaced, inserted, deleted, two neighbours swapped.

    letters: those that may be put in, each with one capital. A new letter has the case of the letter whose place it takes (lower case
    where that has none, and at the end); letters that stay keep theirs. `text` itself is left out, and so are blank texts.
    """
    capitals = letters.upper()
    if len(capitals) != len(letters):
        raise TextError(f"letters: such that have one letter as capital were wanted, not {letters!r}")
    found = list[str]()
    heads = [text[:k] for k in range(len(text) + 1)]
    tails = [text[k:] for k in range(len(text) + 1)]
    new = [capitals if letter.isupper() else letters for letter in text] + [letters]
    for head, tail, put in zip(heads, tails[1:], new, strict=False):
        found += [head + letter + tail for letter in put]
    for head, tail, put in zip(heads, tails, new, strict=True):
        found += [head + letter + tail for letter in put]
    found += [head + tail for head, tail in zip(heads, tails[1:], strict=False)]
    found += [head + tail[1::-1] + tail[2:] for head, tail in zip(heads, tails[:-2], strict=False)]
    once = dict.fromkeys(found)
    once.pop(text, None)
    return list(once) if len(text.strip()) > 1 else list(filter(str.strip, once))  # of two letters one edit leaves one


def letter_distance(a: str, b: str) -> int:
    """The fewest letters to replace, insert, delete or swap with a neighbour that lead from one text to the other; case counts.

    The unrestricted distance of Damerau and Levenshtein (Lowrance and Wagner 1975, doi:10.1145/321879.321880): a metric.
    """
    far = len(a) + len(b)
    # table[i + 1][j + 1]: the distance of the first i letters of a and the first j of b; row and column 0 are out of reach
    table: list[list[int]] = [[far] * (len(b) + 2), [far, *range(len(b) + 1)]]
    last_row = dict[str, int]()  # where each letter was last in a
    for i, letter in enumerate(a, 1):
        above, row, last_column = table[i], [far, i], 0  # the last column before j whose letter is a's
        for j, other in enumerate(b, 1):
            k, m = last_row.get(other, 0), last_column  # to be swapped with these; what is between goes, or comes
            swapped = table[k][m] + (i - k - 1) + 1 + (j - m - 1)
            row.append(min(above[j] + (letter != other), above[j + 1] + 1, row[j] + 1, swapped))
            if letter == other:
                last_column = j
        table.append(row)
        last_row[letter] = i
    return table[-1][-1]


def changed_words(a: str, b: str) -> int:
    """How many of the words between white space differ; TextError where the texts have not equally many."""
    one, other = a.split(), b.split()
    if len(one) != len(other):
        raise TextError(f"texts of equally many words were wanted, they have {len(one)} and {len(other)}")
    return sum(map(str.__ne__, one, other))


@dataclass(frozen=True, eq=False)
class WordEdits:
    """What may stand for a word.

    kinds: of KINDS. neighbours: the `count` nearest words of `vectors` with a cosine of `least` or more. typos: two inner letters swapped, an
    inner one dropped, one doubled, each at the place nearest to the middle where it can be. lookalikes: one letter replaced by a Cyrillic
    or Greek one that looks the same, at each place that has one. TextError for settings out of range.
    """

    vectors: Vectors | None = None
    kinds: tuple[str, ...] = KINDS
    count: int = 8
    least: float = 0.5
    _known: dict[str, Words] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise TextError(f"kinds: of {', '.join(KINDS)} were wanted, not {', '.join(unknown) or 'none'}")
        if self.count < 1 or not -1 <= self.least <= 1:
            raise TextError(f"count: 1 or more, and least: -1 to 1, were wanted, not {self.count} and {self.least:g}")
        if "neighbours" in self.kinds and self.vectors is None:
            raise TextError("vectors: those of words were wanted, for neighbours; or leave these out: kinds=('typos', 'lookalikes')")

    def candidates(self, word: str) -> Words:
        """What may stand for a word, punctuation around it kept, its case (lower, Capitalised, UPPER) too; kept for the next time.

        None for what has @ in it, for addresses, HTML's entities and what has no letter.
        """
        if word not in self._known:
            before, core, after = _parts(word)
            if not any(map(str.isalpha, core)) or _KEPT.search(word):
                self._known[word] = ()
            else:
                found = dict.fromkeys(one for kind in self.kinds for one in self._of(kind)(core))
                self._known[word] = tuple(before + one + after for one in found if one != core)
        return self._known[word]

    def of(self, text: str) -> Passage:
        """A text and what may be changed in it."""
        return Passage(text, self)

    def _of(self, kind: str) -> Callable[[str], Iterator[str]]:
        return {"neighbours": self._neighbours, "typos": _typos, "lookalikes": _lookalikes}[kind]

    def _neighbours(self, core: str) -> Iterator[str]:
        vectors = self.vectors
        asked = core if vectors is not None and core in vectors else core.lower()
        if vectors is None or asked not in vectors:
            return
        near = vectors.near(vectors[asked], 4 * self.count, without=(asked,))  # more than wanted: some are no words
        words = [word for word, cosine in near if cosine >= self.least and _is_word(word) and word.lower() != core.lower()]
        yield from (_in_case_of(core, word) for word in words[: self.count])


class Spelling:
    """A text whose letters may be changed. start: the text; states of it are texts, too."""

    def __init__(self, text: str, letters: str = string.ascii_lowercase) -> None:
        self.start, self.letters = text, letters

    def further(self, text: str) -> list[str]:
        """Every text one letter further."""
        return letter_edits(text, self.letters)

    def text(self, text: str) -> str:
        """The text of a state."""
        return text

    def changes(self, text: str) -> int:
        """How many letters a state is away."""
        return letter_distance(self.start, text)


class Passage:
    """A text whose words may be changed, each once. start: its words, as they are; states of the text are such tuples."""

    def __init__(self, text: str, edits: WordEdits) -> None:
        self.start: Words = tuple(text.split())
        self._blanks = re.split(r"\S+", text)
        self._choices = [edits.candidates(word) for word in self.start]

    def further(self, words: Words) -> list[Words]:
        """Every state with one more word changed; words that are changed already stay."""
        return [
            words[:k] + (one,) + words[k + 1 :]
            for k, (word, own, choices) in enumerate(zip(words, self.start, self._choices, strict=True))
            if word == own
            for one in choices
        ]

    def text(self, words: Words) -> str:
        """The text of a state, with the white space of the original."""
        return self._blanks[0] + "".join(map(str.__add__, words, self._blanks[1:]))

    def changes(self, words: Words) -> int:
        """How many words of a state are changed."""
        return sum(map(str.__ne__, words, self.start))


def _parts(word: str) -> tuple[str, str, str]:
    """The punctuation before a word, the word, the punctuation after it."""
    found = _PARTS.fullmatch(word)
    return ("", word, "") if found is None else (found[1], found[2], found[3])


def _is_word(word: str) -> bool:
    """Letters, and hyphens between them: lists of vectors have parts of words ("n't"), marks and numbers, too."""
    return all(map(str.isalpha, word.split("-")))


def _in_case_of(core: str, word: str) -> str:
    """A word in the case of another: UPPER (two capitals or more), Capitalised, or lower."""
    if core.isupper() and sum(map(str.isupper, core)) > 1:
        return word.upper()
    return word[:1].upper() + word[1:].lower() if core[:1].isupper() else word.lower()


def _typos(core: str) -> Iterator[str]:
    """Two inner letters that differ swapped, an inner one dropped, one doubled: the nearest to the middle of each."""
    places = sorted(range(len(core)), key=lambda k: abs(2 * k + 1 - len(core)))  # the earlier of two equally near
    letters = [k for k in places if core[k].isalpha()]
    inner = [k for k in letters if 0 < k < len(core) - 1]
    swaps = [k for k in inner if k + 1 in inner and core[k] != core[k + 1]]
    yield from (core[:k] + core[k + 1] + core[k] + core[k + 2 :] for k in swaps[:1])
    yield from (core[:k] + core[k + 1 :] for k in inner[:1])
    yield from (core[:k] + core[k] + core[k:] for k in letters[:1])


def _lookalikes(core: str) -> Iterator[str]:
    return (core[:k] + LOOKALIKES[letter] + core[k + 1 :] for k, letter in enumerate(core) if letter in LOOKALIKES)
