from __future__ import annotations

import gc
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hoodwink import attacks
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.table import ATTACKS, Row
from oracles.classifiers import Small, distance, fooled, inside, is_whole, task

steady = settings(derandomize=True, deadline=None, max_examples=8)
seeds = st.integers(0, 10**6)
RADII = {"linf": [1 / 255, 5.5 / 255, 0.1], "l2": [0.02, 0.11, 0.6], "l1": [3 / 255, 0.213, 2.0], "l0": [1.0, 6.0, 20.0]}
WORDS = (
    "queries pictures labels target toward norm eps steps step_size momentum loss restarts random_start free generator alpha gamma p_init"
    " weight_decay scale last"
)
ROWS = list(ATTACKS.values())
BALLS = [(row, norm) for row in ROWS for norm in row.norms]
BATCHED = [pair for pair in BALLS if "free" in inspect.signature(pair[0].function).parameters]


def named(pairs: list[tuple[Row, str]]) -> Any:
    return pytest.mark.parametrize(("row", "norm"), pairs, ids=[f"{row.name}-{norm}" for row, norm in pairs])


def ask(row: Row, norm: str, *args: Any, eps: float | None = None, steps: int | None = None, **rest: Any) -> Tensor:
    """Call an attack with what its kind takes."""
    taken = inspect.signature(row.function).parameters
    given = {**rest, "norm": norm, "eps": eps, "steps": steps}
    return row.function(*args, **{name: value for name, value in given.items() if name in taken and value is not None})


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_row_says_what_its_function_takes(row: Row) -> None:
    taken = inspect.signature(row.function).parameters
    assert ATTACKS[row.name] is row and getattr(attacks, row.name) is row.function and row.name in attacks.__all__
    assert set(taken) <= set(WORDS.split())
    kinds = [parameter.kind for parameter in taken.values()]
    assert list(taken)[:3] == ["queries", "pictures", "labels"]
    assert kinds == [inspect.Parameter.POSITIONAL_OR_KEYWORD] * 3 + [inspect.Parameter.KEYWORD_ONLY] * (len(taken) - 3)
    assert taken["target"].default is None and taken["generator"].default is None and taken["norm"].default in row.norms
    assert ("eps" in taken) == (row.goal == "budget") and row.goal in ("budget", "minimal")
    if row.goal == "budget":
        assert taken["eps"].default is inspect.Parameter.empty
    assert row.name == "fgsm" or taken["steps"].default > 0
    assert set(row.norms) <= set(RADII) and row.knowledge in ("gradient", "scores") and row.source
    documented = row.function.__doc__ or ""
    assert "pictures: N x C x H x W" in documented and "labels, target: int64 N" in documented
    assert "free" not in taken or "free: off the grid" in documented


@named(BALLS)
@steady
@given(seed=seeds, size=st.integers(0, 2), steps=st.integers(1, 12), aimed=st.booleans(), free=st.booleans())
def test_results_keep_the_box_the_grid_and_the_ball(row: Row, norm: str, seed: int, size: int, steps: int, aimed: bool, free: bool) -> None:
    network, shown, labels, target = task(seed)
    eps, kept, asked = RADII[norm][size], shown.clone(), Queries(network)
    out = ask(row, norm, asked, shown, labels, target=target if aimed else None, eps=eps, steps=steps, free=free)
    assert torch.equal(shown, kept) and out.shape == shown.shape and out.dtype == shown.dtype and not out.requires_grad
    assert float(out.min()) >= 0 and float(out.max()) <= 1
    free = free and (row, norm) in BATCHED
    assert free or is_whole(out)
    if row.goal == "budget":
        assert inside(norm, eps, shown, out) if not free else bool((distance(norm, shown, out) <= eps * (1 + 1e-5) + 1e-6).all())
    else:
        unmoved = (out == shown).flatten(1).all(1)
        assert bool((fooled(network, out, labels, target if aimed else None) | unmoved).all())
    gradients, forwards = asked.each(len(shown))
    if row.knowledge == "scores":
        assert not gradients.any() and int(forwards.max()) <= steps
    else:
        assert int(gradients.max()) <= steps + (row.goal == "minimal")


@named([pair for pair in BALLS if pair[0].goal == "budget"])
@pytest.mark.parametrize("aimed", [False, True])
def test_a_ball_without_room_changes_nothing(row: Row, norm: str, aimed: bool) -> None:
    network, shown, labels, target = task(1)
    for free in (False, True):
        out = ask(row, norm, network, shown, labels, target=target if aimed else None, eps=0.0, steps=4, free=free)
        assert torch.equal(out, shown)


@named(BALLS)
def test_no_pictures_give_none_and_ask_nothing(row: Row, norm: str) -> None:
    network, shown, labels, target = task(1)
    asked = Queries(network)
    for aim in (None, target[:0]):
        out = ask(row, norm, asked, shown[:0], labels[:0], target=aim, eps=RADII[norm][0], steps=3)
        assert out.shape == (0, *shown.shape[1:]) and out.dtype == shown.dtype
    assert asked.gradients == asked.forwards == 0


@named([pair for pair in BALLS if pair[0].name != "climb"])  # climb goes on to the most confident
def test_pictures_that_fool_already_come_back_as_they_are(row: Row, norm: str) -> None:
    network, shown, labels, _ = task(2)
    for steps in (1, 9):
        out = ask(row, norm, network, shown, (labels + 1) % 4, eps=RADII[norm][1], steps=steps)
        assert torch.equal(out, shown)
        assert torch.equal(ask(row, norm, network, shown, labels, target=labels, eps=RADII[norm][1], steps=steps), shown)


@named(BATCHED)
@pytest.mark.parametrize("free", [False, True])
def test_the_same_seed_gives_the_same_pictures(row: Row, norm: str, free: bool) -> None:
    network, shown, labels, _ = task(3)

    def run(seed: int) -> Tensor:
        dice = torch.Generator().manual_seed(seed)
        more = {"restarts": 2, "random_start": True}
        return ask(row, norm, network, shown, labels, eps=RADII[norm][0] / 9, steps=15, free=free, generator=dice, **more)

    torch.rand(1)  # the global generator is nobody's
    assert torch.equal(run(0), run(0))


@named(BATCHED)
def test_a_batch_is_attacked_picture_by_picture(row: Row, norm: str) -> None:
    if row.knowledge == "scores":
        pytest.skip("its squares are drawn for the batch")
    network, shown, labels, _ = task(4, count=4)
    together = ask(row, norm, network, shown, labels, eps=RADII[norm][0], steps=10)
    for k in range(4):
        alone = ask(row, norm, network, shown[k : k + 1], labels[k : k + 1], eps=RADII[norm][0], steps=10)
        sizes = [float(distance(norm, shown[k : k + 1], out)) for out in (alone, together[k : k + 1])]
        assert sizes[0] == pytest.approx(sizes[1], rel=0.03)  # sums in another order may round a level otherwise


@named(BATCHED)
@pytest.mark.parametrize(("classes", "channels"), [(2, 1), (2, 3), (10, 1), (1000, 3)])
def test_few_classes_and_many_grey_and_colour(row: Row, norm: str, classes: int, channels: int) -> None:
    network, shown, labels, _ = task(11, 2, classes, channels)
    second = network(shown).topk(2, 1).indices[:, 1]  # the nearest: others may be out of reach
    for aim in (None, second):
        more = {"steps": 300 if row.name == "square" else 30, "weight_decay": 0.1}  # 1 holds the noise where the gradient is no larger
        out = ask(row, norm, network, shown, labels, target=aim, eps=10 * RADII[norm][1], **more)
        assert is_whole(out) and (row.name == "fgsm" or bool(fooled(network, out, labels, aim).all()))


@named(BATCHED)
def test_what_cannot_be_fooled(row: Row, norm: str) -> None:
    deaf = torch.tensor([[3.0, 1.0, 0.0]])
    shown, labels = torch.full((2, 3, 6, 6), 7 / 255), torch.zeros(2, dtype=torch.int64)
    asked = Queries(lambda pictures: deaf.expand(len(pictures), -1) + 0 * pictures.mean())
    out = ask(row, norm, asked, shown, labels, eps=RADII[norm][0], steps=5)
    assert row.goal == "budget" or torch.equal(out, shown)
    assert is_whole(out) and float(out.min()) >= 0


@named([(row, norm) for row, norm in BATCHED if row.knowledge == "gradient"])
def test_answers_that_are_no_numbers_fool_nobody(row: Row, norm: str) -> None:
    shown, labels = torch.full((2, 3, 6, 6), 7 / 255), torch.zeros(2, dtype=torch.int64)
    out = ask(row, norm, lambda p: p.flatten(1)[:, :3] * torch.nan, shown, labels, eps=RADII[norm][0], steps=3)
    assert torch.equal(out, shown)


@named(BATCHED)
def test_small_memory_gives_the_same_pictures_and_is_said_once(row: Row, norm: str) -> None:
    network, shown, labels, _ = task(6, count=7)
    said: list[str] = []
    small = Small(network, 3)
    limited = ask(row, norm, Queries(small, say=said.append), shown, labels, eps=RADII[norm][0], steps=6)
    assert said == ["7 pictures at a time do not fit in memory: going on with 3"]
    assert max(small.asked[1:]) <= 3
    free = ask(row, norm, network, shown, labels, eps=RADII[norm][0], steps=6)
    assert float((limited - free).abs().max()) <= 2 / 255  # sums in another order may round a level otherwise


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_memory_does_not_grow_with_steps(row: Row) -> None:
    if row.name == "fgsm":
        pytest.skip("it has one step")
    norm = row.norms[0]

    def most(steps: int) -> int:
        network, shown, labels, _ = task(7, 2)
        held = []

        def watch(pictures: Tensor) -> Tensor:
            held.append(sum(thing.numel() for thing in gc.get_objects() if type(thing) is Tensor))
            return network(pictures)

        ask(row, norm, watch, shown, labels, eps=1e-4 if norm != "linf" else 1 / 255, steps=steps)
        return max(held)

    most(6)
    gc.collect()
    gc.freeze()  # what is there already is not asked about: that would take long
    try:
        assert most(36) <= most(12) + 2 * 2 * 108
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("name", ["fgsm", "pgd", "apgd", "square", "ddn", "fmn", "noise"])
def test_a_norm_that_is_none_of_its_own_is_refused(name: str) -> None:
    network, shown, labels, _ = task(8)
    with pytest.raises(ValueError, match="^norm: .*'l7'"):
        ask(ATTACKS[name], "l7", network, shown, labels, eps=0.1)


@pytest.mark.parametrize("name", ["fgsm", "pgd", "apgd"])
def test_losses_are_found_by_name(name: str) -> None:
    network, shown, labels, _ = task(9, classes=2)
    function: Callable[..., Tensor] = ATTACKS[name].function
    with pytest.raises(ValueError, match="^loss: one of probability, margin, ce, dlr was wanted, not 'hinge'$"):
        function(network, shown, labels, eps=0.1, loss="hinge")
    with pytest.raises(ValueError, match="^loss: dlr needs 3 classes or more, there are 2; take margin"):
        function(network, shown, labels, eps=0.1, loss="dlr")
