from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hoodwink.models.build import build
from hoodwink.models.card import ModelCard, ModelError, TextInput
from hoodwink.models.model import Model
from hoodwink.models.sample import LONGEST, sample_texts
from hoodwink.models.weights import hash_weights
from hoodwink.texts.readers import LetterReader
from text_models import of_letters

LETTERS = "ab c"


def made(seed: int = 0, end: float = 0.0, width: int = 0, ends: bool = True) -> Model:
    """A writer of random weights; end: is added to the logit of the end."""
    torch.manual_seed(seed)
    arguments = {"inputs": len(LETTERS) + 1 + 2 * ends, "hidden": 5, "layers": 1, "width": width}
    network = build("letter-generator", arguments)
    with torch.no_grad():
        for value in network.parameters():
            value.mul_(3)
        network.linear.bias[-1] += end  # type: ignore[index, operator, union-attr]
    card = ModelCard(
        name="tiny-writer",
        task="generate",
        network={"name": "letter-generator", "arguments": arguments},
        weights_sha256=hash_weights(network),
        input=TextInput(unit="letters", letters=LETTERS, ends=ends),
    )
    return Model(network, card)


def reader_of(model: Model) -> LetterReader:
    assert isinstance(model.card.reader, LetterReader)
    return model.card.reader


@torch.no_grad()
def logits_after(model: Model, text: str) -> Tensor:
    """Those of the next letter, read from the beginning in one pass, without what can never be written."""
    reader = reader_of(model)
    logits = model.outputs(torch.tensor([[reader.begin, *reader.alphabet.encode(text)]]))[0, -1].double()
    logits[[0, reader.begin]] = -math.inf
    return logits


def greedy(model: Model, start: str, longest: int) -> str:
    """The most probable letter each time, every text read anew from its beginning."""
    reader, text = reader_of(model), start
    while len(text) < longest and (index := int(logits_after(model, text).argmax())) != reader.end:
        text += LETTERS[index - 1]
    return text


@pytest.mark.parametrize("temperature", [0.0, 0.8, 3.0])
def test_a_text_is_the_same_however_many_are_asked_for(temperature: float) -> None:
    model = made(end=-1.0)
    many = sample_texts(model, 20, temperature=temperature, seed=3, longest=30)
    assert len(set(many)) > 10 or temperature == 0
    for count in (1, 2, 7):
        assert sample_texts(model, count, temperature=temperature, seed=3, longest=30) == many[:count]
    assert temperature == 0 or sample_texts(model, 20, temperature=temperature, seed=4, longest=30) != many


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.text(LETTERS, max_size=4), st.sampled_from([0, 3]), st.sampled_from([-3.0, 0.0, 2.0]))
def test_at_temperature_0_the_most_probable_letter_is_written(seed: int, start: str, width: int, end: float) -> None:
    model = made(seed, end, width)
    assert sample_texts(model, 2, temperature=0, start=start, longest=12) == [greedy(model, start, 12)] * 2


def test_near_temperature_0_the_same_is_written() -> None:
    for temperature in (1e-320, 1e-300, 1e-9):
        assert sample_texts(made(), 3, temperature=temperature, longest=9) == [greedy(made(), "", 9)] * 3


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("start", ["", "ba"])
def test_the_first_letter_is_drawn_by_the_softmax(temperature: float, start: str) -> None:
    model, count = made(2), 2000
    reader, wanted = reader_of(model), (logits_after(model, start) / temperature).softmax(0)
    found = Counter(text[len(start) :] for text in sample_texts(model, count, temperature=temperature, start=start, longest=len(start) + 1))
    named = {letter: float(wanted[index]) for index, letter in enumerate(LETTERS, 1)} | {"": float(wanted[reader.end])}
    assert set(found) <= set(named) and sum(named.values()) == pytest.approx(1)
    # Pearson's sum, four degrees of freedom: above 23.5 once in 10,000 seeds
    assert sum((found[letter] - count * share) ** 2 / (count * share) for letter, share in named.items()) < 23.5


def test_the_second_letter_is_drawn_by_the_softmax_behind_the_first() -> None:
    model, count = made(2, end=-2.0), 3000
    found = Counter(sample_texts(model, count, temperature=1.0, longest=2))
    for first, times in Counter(text[0] for text in found.elements() if len(text) == 2).items():
        shares = logits_after(model, first).softmax(0)
        for index, letter in enumerate(LETTERS, 1):
            share = float(shares[index] / (1 - shares[reader_of(model).end]))  # of the texts that go on
            assert abs(found[first + letter] - times * share) <= 4.5 * math.sqrt(times * share * (1 - share)) + 1


def test_a_text_stops_where_the_network_says_so_or_at_its_longest() -> None:
    assert sample_texts(made(end=1000.0), 5) == [""] * 5
    assert sample_texts(made(end=1000.0), 2, start="ab") == ["ab"] * 2
    assert [len(text) for text in sample_texts(made(end=-1000.0), 3)] == [LONGEST] * 3
    assert [len(text) for text in sample_texts(made(end=-1000.0), 3, start="ab", longest=7)] == [7] * 3
    assert sample_texts(made(end=-1000.0), 2, start="ab", longest=2) == ["ab"] * 2
    assert len({len(text) for text in sample_texts(made(end=0.0), 30, temperature=2.0)}) > 5


def test_the_start_is_kept_and_what_is_not_known_of_it_passed_over() -> None:
    assert all(text.startswith("c ab") for text in sample_texts(made(), 9, start="c ab", temperature=2.0))
    assert all(text.startswith("aab") for text in sample_texts(made(), 9, start="xa\u00df\u00e2\u00c7b", temperature=2.0, seed=1))
    model = made()
    assert sample_texts(model, 4, start="x a", seed=5) == sample_texts(model, 4, start=" a", seed=5)


def test_what_cannot_write_is_refused() -> None:
    with pytest.raises(ModelError, match="a network to generate was wanted, this one is to classify"):
        sample_texts(of_letters())
    with pytest.raises(ModelError, match="a network that writes letters was wanted; train one with hoodwink train text-generator"):
        sample_texts(made(ends=False))
    with pytest.raises(ModelError, match="start: letters of 'ab c' were wanted, 'xyz' has none"):
        sample_texts(made(), start="xyz")


@pytest.mark.parametrize(
    ("numbers", "least"),
    [
        ({"count": 0}, 1),
        ({"count": -1}, 1),
        ({"longest": 0}, 1),
        ({"longest": -5}, 1),
        ({"longest": 2, "start": "abc"}, 3),
        ({"temperature": -0.1}, 1),
        ({"temperature": math.nan}, 1),
        ({"temperature": math.inf}, 1),
    ],
)
def test_numbers_out_of_range_are_refused(numbers: dict[str, float], least: int) -> None:
    with pytest.raises(ModelError, match=f"count: 1 or more, longest: {least} or more, temperature: 0 or more, were wanted, not"):
        sample_texts(made(), **numbers)  # type: ignore[arg-type]
