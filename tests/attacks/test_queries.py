from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hoodwink.attacks.queries import Queries, as_queries, finite
from oracles.classifiers import Small, task

steady = settings(derandomize=True, deadline=None, max_examples=40)


def test_pictures_are_counted_by_what_was_asked() -> None:
    asked = Queries(lambda pictures: pictures.sum((1, 2, 3)))
    pictures = torch.rand(3, 1, 2, 2)
    value = asked.value(pictures, lambda z: 2 * z)
    assert (asked.gradients, asked.forwards) == (0, 3)
    again, gradient = asked.gradient(pictures, lambda z: 2 * z)
    assert (asked.gradients, asked.forwards) == (3, 3)
    assert torch.equal(value, again) and torch.equal(gradient, torch.full_like(pictures, 2.0))
    assert not value.requires_grad and not again.requires_grad and not pictures.requires_grad


def test_each_picture_gets_its_own_gradient() -> None:
    asked = Queries(lambda pictures: pictures.square().sum((1, 2, 3)))
    pictures = torch.rand(2, 1, 2, 2)
    assert torch.allclose(asked.gradient(pictures, lambda z: z)[1], 2 * pictures)


def test_a_gradient_where_nothing_leads_to_the_picture_is_zero() -> None:
    pictures = torch.rand(2, 1, 2, 2)
    deaf = Queries(lambda p: torch.ones(len(p)))
    assert not deaf.gradient(pictures, lambda z: z)[1].any()
    weight = torch.ones(2, requires_grad=True)
    elsewhere = Queries(lambda p: weight * 1)
    assert not elsewhere.gradient(pictures, lambda z: z)[1].any()


def test_gradients_are_had_inside_no_grad_too() -> None:
    with torch.no_grad():
        gradient = Queries(lambda p: p.sum((1, 2, 3))).gradient(torch.rand(1, 1, 2, 2), lambda z: z)[1]
    assert gradient.eq(1).all()


def doubled(logits: Tensor, part: slice) -> Tensor:
    return 2 * logits.sum(1)


def test_slopes_give_logits_and_the_gradient_of_a_loss() -> None:
    network, shown, _, _ = task(0)
    asked = Queries(network)
    logits, gradient = asked.slopes(shown, doubled)
    leaf = shown.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(2 * network(leaf).sum(), leaf)
    assert torch.allclose(logits, network(shown)) and torch.allclose(gradient, wanted, atol=1e-6)
    assert torch.equal(asked.logits(shown), network(shown))
    assert not logits.requires_grad and (asked.gradients, asked.forwards) == (3, 3)


@steady
@given(count=st.integers(1, 9), batch=st.integers(1, 9), most=st.integers(1, 9))
def test_any_batch_and_any_memory_give_the_same_answers(count: int, batch: int, most: int) -> None:
    network, shown, labels, _ = task(1, count)

    def loss(logits: Tensor, part: slice) -> Tensor:
        return logits.gather(1, labels[part, None])[:, 0]  # which pictures a part holds matters

    wanted, slope = Queries(network).slopes(shown, loss)
    said: list[str] = []
    small = Small(network, most)
    asked = Queries(small, batch=batch, say=said.append)
    logits, gradient = asked.slopes(shown, loss)
    assert torch.allclose(logits, wanted, atol=1e-5) and torch.allclose(gradient, slope, atol=1e-5)
    assert torch.allclose(asked.logits(shown), wanted, atol=1e-5)
    assert asked.each(count)[0].tolist() == asked.each(count)[1].tolist() == [1] * count  # what did not fit was not answered
    sizes = [min(batch, count)]
    while sizes[-1] > most:
        sizes.append(sizes[-1] // 2)
    assert said == [f"{a} pictures at a time do not fit in memory: going on with {b}" for a, b in pairwise(sizes)]
    assert asked.batch == (sizes[-1] if len(sizes) > 1 else batch)


@pytest.mark.parametrize("words", ["CUDA out of memory. Tried", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED when calling"])
def test_memory_that_one_picture_is_too_much_for_is_an_error(words: str) -> None:
    _, shown, _, _ = task(2)
    asked = Queries(Small(lambda pictures: pictures, 0, words))
    with pytest.raises(RuntimeError, match=words.split(".")[0]):
        asked.logits(shown)
    assert asked.batch == 1


def test_errors_that_are_none_of_memory_are_raised_at_once() -> None:
    _, shown, _, _ = task(3)
    small = Small(lambda pictures: pictures, 0, "mat1 and mat2 shapes cannot be multiplied")
    for ask in (Queries(small).logits, lambda pictures: Queries(small).slopes(pictures, doubled)):
        with pytest.raises(RuntimeError, match="mat1"):
            ask(shown)
    assert small.asked == [3, 3]


def test_memory_of_the_interpreter_counts_too() -> None:
    network, shown, _, _ = task(4)

    def function(pictures: Tensor) -> Tensor:
        if len(pictures) > 1:
            raise MemoryError
        return network(pictures)

    assert torch.allclose(Queries(function).logits(shown), network(shown), atol=1e-5)


def test_views_count_in_the_right_rows() -> None:
    network, shown, _, _ = task(5, 6)
    asked = Queries(network)
    view = asked.only(torch.tensor([1, 3, 5]))
    view.logits(shown[[1, 3, 5]])
    view.only(torch.tensor([2, 0])).slopes(shown[[5, 1]], doubled)
    view.only(torch.tensor([1])).only(torch.tensor([0])).value(shown[3:4], lambda z: z[:, 0])
    asked.only(torch.tensor([9])).logits(shown[:1])
    assert asked.each(10)[1].tolist() == [0, 1, 0, 2, 0, 1, 0, 0, 0, 1]
    assert asked.each(3)[0].tolist() == [0, 1, 0] and asked.each(12)[0].tolist()[5] == 1
    assert (asked.gradients, asked.forwards) == (2, 5) == (view.gradients, view.forwards)


def test_views_share_what_fits() -> None:
    network, shown, _, _ = task(6, 8)
    asked = Queries(Small(network, 2))
    asked.only(torch.arange(8)).logits(shown)
    assert asked.batch == 2


def test_half_precision_answers_come_in_single() -> None:
    _, shown, _, _ = task(7)
    for kind, wanted in ((torch.bfloat16, torch.float32), (torch.float16, torch.float32), (torch.float64, torch.float64)):

        def function(pictures: Tensor, kind: torch.dtype = kind) -> Tensor:
            return pictures.flatten(1)[:, :3].to(kind)

        assert Queries(function).logits(shown).dtype == wanted
        logits, gradient = Queries(function).slopes(shown, doubled)
        assert logits.dtype == wanted and gradient.dtype == shown.dtype


def test_gradients_that_are_no_numbers_are_none() -> None:
    good, bad = torch.tensor([1.0, -2.0]), torch.tensor([1.0, torch.nan, torch.inf])
    assert finite(good) is good
    assert finite(bad).tolist() == [1.0, 0.0, 0.0]


def test_a_bare_function_is_wrapped() -> None:
    network, _, _, _ = task(8)
    asked = as_queries(network)
    assert asked.function is network and as_queries(asked) is asked
