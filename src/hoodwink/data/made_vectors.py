"""Made vectors of words, on which what needs vectors is tried out in seconds and without GloVe: each number of them means something."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hoodwink.texts.vectors import Array, Vectors

MADE = "made"
SIZE = 50  # numbers of a word, as glove-50 has
SENTIMENT = 0  # the number that is above 0 for good words, below it for bad ones, about 0 for all others
_NUMBERS = ("sentiment", "female", "capital", "plural", "comparative", "medicine")
_STRENGTH, _NOISE = 0.8, 0.02

# Topic: its words. The most frequent come first, as in GloVe.
_PLAIN = {
    "grammar": "the a i you it is was to of and in my this that for with at not but so really very just now again . , ! ?",
    "daily life": (
        "day work home school movie song game phone weather coffee morning night weekend today tomorrow "
        "week year time room door window street bus train music book paper letter bread milk water sugar tea"
    ),
    "someone": "friend people they we he she him her teacher engineer writer driver farmer singer painter baker",
    "number": "one two three four five six seven eight nine ten",
    "colour": "red green blue yellow black white brown grey",
}
# Number: what it is 1 for, and what it is -1 for.
_SIGNED = {
    "sentiment": (
        "good great love happy nice awesome fun best thanks glad sweet",
        "bad sad hate awful terrible sick sorry worst tired angry",
    ),
    "medicine": ("doctor nurse hospital physician surgeon patient dentist", ""),
}
# Number: pairs that differ in it alone, -1 and 1.
_PAIRED = {
    "female": (
        "man woman, king queen, boy girl, brother sister, father mother, son daughter, husband wife, uncle aunt, nephew niece, actor actress"
    ),
    "capital": (
        "france paris, italy rome, germany berlin, spain madrid, england london, "
        "japan tokyo, russia moscow, china beijing, greece athens, egypt cairo"
    ),
    "plural": "cat cats, dog dogs, car cars, house houses, tree trees, child children, mouse mice, hand hands, eye eyes, city cities",
    "comparative": (
        "big bigger, small smaller, fast faster, slow slower, strong stronger, "
        "weak weaker, cheap cheaper, tall taller, old older, young younger"
    ),
}
_LEANING = {"nurse": ("female", 0.5), "engineer": ("female", -0.5)}  # a bias to be found


def made_vectors() -> Vectors:
    """Some 200 words with 50 numbers each, always the same.

    The first numbers mean something: sentiment (SENTIMENT), female, capital, plural, comparative, medicine; the next are one for each topic;
    the rest is the word's own, which the two words of a pair share. All have a little noise: king - man + woman is nearly queen.
    """
    topics = (*_PLAIN, *_SIGNED, *_PAIRED)
    random = np.random.default_rng(0)
    found = dict[str, Array]()
    own = SIZE - len(_NUMBERS) - len(topics)
    for topic, signs in _roots():
        topical = np.eye(len(topics))[topics.index(topic)]
        root = np.concatenate([np.zeros(len(_NUMBERS)), topical, random.standard_normal(own) / np.sqrt(own)])
        for word, sign in signs.items():
            found[word] = (root + _NOISE * random.standard_normal(SIZE)).astype(np.float32)
            if sign:
                found[word][_NUMBERS.index(topic)] += sign * _STRENGTH
    for word, (number, much) in _LEANING.items():
        found[word][_NUMBERS.index(number)] += much
    return Vectors(tuple(found), np.stack(list(found.values())))


def _roots() -> Iterator[tuple[str, dict[str, int]]]:
    """A topic, and the words of one root with the sign that each has in the topic's number, 0 where the topic has none."""
    for topic, words in _PLAIN.items():
        yield from ((topic, {word: 0}) for word in words.split())
    for topic, (above, below) in _SIGNED.items():
        yield from ((topic, {word: 1}) for word in above.split())
        yield from ((topic, {word: -1}) for word in below.split())
    for topic, pairs in _PAIRED.items():
        for first, second in map(str.split, pairs.split(",")):
            yield topic, {first: -1, second: 1}
