"""The classes of a network by name, by index and by synonym. This module does not import torch."""

from __future__ import annotations

import json
import operator
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from importlib import resources
from typing import SupportsIndex

_SHOWN = 6  # names in an error: more do not fit in a line


class ClassError(ValueError):
    """A class that is not there, or a name that several classes share; the message lists the candidates."""


@dataclass(frozen=True)
class Classes:
    """The names of a network's outputs, in their order, and for each the other names it goes by."""

    names: tuple[str, ...]
    synonyms: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if len(self.synonyms) != len(self.names):
            raise ClassError(
                f"a tuple of synonyms for each of {len(self.names)} classes is wanted, {len(self.synonyms)} came; () is one without"
            )
        twice = [name for name, count in Counter(self.names).items() if count > 1]
        if twice:
            raise ClassError(f"class names must differ, {_quoted(twice)} came more than once; name them apart, as in 'crane (machine)'")

    def __len__(self) -> int:
        return len(self.names)

    def find(self, cls: str | SupportsIndex) -> int:
        """The index of a class given by its name, a synonym, or its index (a number, or its digits).

        Case does not matter, and "_" and "-" count as blanks. A name goes before a synonym. Raises ClassError, which lists the
        nearest names for an unknown one and the candidates for one that several classes share.
        """
        if not isinstance(cls, str):
            return self._index(operator.index(cls))
        if cls in self._exact:
            return self._exact[cls]
        text = _normal(cls)
        for table in (self._by_name, self._by_synonym):
            found = table.get(text, [])
            if len(found) > 1:
                candidates = ", ".join(f"{self.names[i]!r} ({i})" for i in found)
                raise ClassError(f"{cls!r} may be {candidates}; give one of these names or indices")
            if found:
                return found[0]
        if text.isdecimal():
            return self._index(int(text))
        raise ClassError(f"there is no class {cls!r}; the nearest are {_quoted(self._nearest(text))}")

    def _index(self, index: int) -> int:
        if not 0 <= index < len(self.names):
            raise ClassError(f"there is no class {index}; the {len(self.names)} classes go from 0 to {len(self.names) - 1}")
        return index

    def _nearest(self, text: str) -> list[str]:
        """The names most like a text: those with it as a word ("cat"), then those spelt like it ("strawbery")."""
        spelt: dict[str, list[int]] = {**self._by_synonym}
        for name, found in self._by_name.items():
            spelt[name] = found + spelt.get(name, [])
        hits = [name for name in self._by_name if text in name.split()]
        hits += get_close_matches(text, spelt, n=_SHOWN, cutoff=0.6) or get_close_matches(text, spelt, n=_SHOWN, cutoff=0.0)
        return list(dict.fromkeys(self.names[spelt[hit][0]] for hit in hits))[:_SHOWN]

    @cached_property
    def _exact(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        return _gather((name, index) for index, name in enumerate(self.names))

    @cached_property
    def _by_synonym(self) -> dict[str, list[int]]:
        return _gather((other, index) for index, others in enumerate(self.synonyms) for other in others)


@lru_cache(maxsize=1)
def imagenet() -> Classes:
    """The 1,000 classes of ImageNet-1k, in the usual order (by WordNet synset), with WordNet's lemmas as synonyms."""
    text = (resources.files("hoodwink") / "assets" / "imagenet_classes.json").read_text(encoding="utf-8")
    rows = json.loads(text)
    return Classes(tuple(row[0] for row in rows), tuple(tuple(row[1:]) for row in rows))


def _gather(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    table: dict[str, list[int]] = {}
    for name, index in pairs:
        found = table.setdefault(_normal(name), [])
        if index not in found:
            found.append(index)
    return table


def _normal(text: str) -> str:
    return " ".join(text.casefold().replace("_", " ").replace("-", " ").split())


def _quoted(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:_SHOWN])
