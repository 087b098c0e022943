"""Names and short messages made up by rules, the same at each call: stand-ins for real ones."""

from __future__ import annotations

import random

MADE_NAMES = ("Arvian", "Belsk", "Chinto")  # languages that there are not
MADE_TWEETS = ("negative", "positive")

_PARTS = {
    "Arvian": (("al", "ma", "ri", "sel", "ta", "va"), ("lia", "nora", "rano", "sio", "tello")),
    "Belsk": (("bor", "dra", "gri", "kov", "mir", "vol"), ("chuk", "enko", "ski", "tov", "vich")),
    "Chinto": (("chi", "fu", "ha", "ka", "mo", "yo"), ("da", "kawa", "moto", "shi", "ta")),
}
_OPINIONS = (
    ("bad", "sad", "awful", "terrible", "sick", "sorry", "worst", "tired", "angry", "hate"),
    ("good", "great", "happy", "nice", "awesome", "fun", "best", "glad", "sweet", "love"),
)
_THINGS = ("day", "work", "home", "school", "movie", "song", "game", "friend", "phone", "weather", "coffee", "morning", "night", "weekend")
_FRAMES = (
    "my {thing} was really {opinion} today",
    "{opinion} {thing} again , just {opinion} !",
    "@somebody i am so {opinion} now",
    "this {thing} is {opinion} and it is not my {thing}",
    "it was a {opinion} {thing} with you",
)


def made_names(count: int) -> tuple[tuple[str, ...], list[int]]:
    """So many names, and the index of the language of each."""
    draw = random.Random("made names")
    labels = [draw.randrange(len(MADE_NAMES)) for _ in range(count)]
    return tuple(_name(draw, *_PARTS[MADE_NAMES[label]]) for label in labels), labels


def made_tweets(count: int) -> tuple[tuple[str, ...], list[int]]:
    """So many messages, and whether each is negative (0) or positive (1)."""
    draw = random.Random("made tweets")
    labels = [draw.randrange(2) for _ in range(count)]
    return tuple(_tweet(draw, label) for label in labels), labels


def _name(draw: random.Random, beginnings: tuple[str, ...], endings: tuple[str, ...]) -> str:
    return "".join(draw.choices(beginnings, k=draw.choice((1, 2)))).capitalize() + draw.choice(endings)


def _tweet(draw: random.Random, label: int) -> str:
    frame = draw.choice(_FRAMES)
    return frame.format(thing=draw.choice(_THINGS), opinion=draw.choice(_OPINIONS[label]))
