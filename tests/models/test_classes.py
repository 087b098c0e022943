from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.models.classes import ClassError, Classes, imagenet

NAMES = st.lists(st.text(), min_size=1, max_size=8, unique=True).map(tuple)


def test_imagenet_has_1000_names_that_differ_whatever_their_case() -> None:
    names = imagenet().names
    assert len(names) == 1000
    assert len({name.casefold() for name in names}) == 1000
    assert all(name == name.strip() and name.isascii() for name in names)


@pytest.mark.parametrize(
    ("index", "name"), [(0, "tench"), (281, "tabby"), (340, "zebra"), (949, "strawberry"), (967, "espresso"), (999, "toilet tissue")]
)
def test_known_indices(index: int, name: str) -> None:
    assert imagenet().names[index] == name


def test_every_name_and_index_finds_itself() -> None:
    classes = imagenet()
    for index, name in enumerate(classes.names):
        assert classes.find(name) == classes.find(name.upper()) == classes.find(index) == classes.find(str(index)) == index


@given(NAMES)
def test_every_name_and_index_of_any_list_finds_itself(names: tuple[str, ...]) -> None:
    classes = Classes(names, ((),) * len(names))
    assert [classes.find(name) for name in names] == [classes.find(index) for index in range(len(names))] == list(range(len(names)))


@given(NAMES, st.text())
def test_a_text_is_found_or_refused_in_one_line(names: tuple[str, ...], text: str) -> None:
    try:
        assert 0 <= Classes(names, ((),) * len(names)).find(text) < len(names)
    except ClassError as error:
        assert len(str(error).splitlines()) == 1


def test_every_synonym_finds_its_class_or_says_that_it_is_shared() -> None:
    classes = imagenet()
    names = {name.casefold() for name in classes.names}
    for index, others in enumerate(classes.synonyms):
        for other in others:
            try:
                assert classes.find(other) == index or other.casefold() in names
            except ClassError as error:
                assert f"({index})" in str(error)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Egyptian cat", "Egyptian cat"),
        ("egyptian_cat", "Egyptian cat"),
        ("  Egyptian-Cat ", "Egyptian cat"),
        ("German police dog", "German shepherd"),
        ("panda", "giant panda"),
        ("crane bird", "crane bird"),
        ("crane machine", "crane (machine)"),
        ("cardigan", "cardigan"),
        ("Cardigan Welsh corgi", "Cardigan Welsh corgi"),
        ("maillot", "maillot"),
        ("tank suit", "maillot tank suit"),
        ("shades", "sunglasses"),
    ],
)
def test_synonyms(text: str, name: str) -> None:
    classes = imagenet()
    assert classes.names[classes.find(text)] == name


def test_numpy_integers_are_indices() -> None:
    assert imagenet().find(np.int64(7)) == 7


def test_a_name_of_digits_goes_before_the_index() -> None:
    classes = Classes(("1", "0"), ((), ()))
    assert (classes.find("1"), classes.find(1)) == (0, 1)


def test_unknown_lists_the_nearest_first() -> None:
    with pytest.raises(ClassError, match="'strawbery'; the nearest are 'strawberry'"):
        imagenet().find("strawbery")


def test_unknown_lists_names_that_contain_the_word() -> None:
    with pytest.raises(ClassError, match="'tiger cat'.*'Egyptian cat'"):
        imagenet().find("cat")


def test_ambiguous_lists_the_candidates_with_their_indices() -> None:
    with pytest.raises(ClassError, match=re.escape("'crane bird' (134), 'crane (machine)' (517)")):
        imagenet().find("crane")


@pytest.mark.parametrize("index", [1000, -1, "1000", np.int64(5000)])
def test_an_index_beyond_the_list_is_refused(index: int | str) -> None:
    with pytest.raises(ClassError, match="from 0 to 999"):
        imagenet().find(index)


def test_two_classes_of_one_name_are_refused() -> None:
    with pytest.raises(ClassError, match="'crane' came more than once"):
        Classes(("crane", "crane"), ((), ()))
    with pytest.raises(ClassError, match="for each of 2 classes"):
        Classes(("a", "b"), ())
