from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from hoodwink.training.optimise import Slow, factor, make_optimiser, restore, set_rate, state_of
from hoodwink.training.precision import halved
from hoodwink.training.recipe import Recipe
from hoodwink.training.recipes import RECIPES
from hoodwink.training.updates import classify, penalised


def recipe(**settings: object) -> Recipe:
    return RECIPES["digits-mlp"].changed(settings)


def test_schedules() -> None:
    assert [factor(recipe(), p) for p in (0, 0.5, 1)] == [1, 1, 1]
    assert [factor(recipe(schedule="step"), p) for p in (0, 0.49, 0.5, 0.74, 0.75, 1)] == [1, 1, 0.1, 0.1, 0.01, 0.01]
    cosine = recipe(schedule="cosine", warmup=0.2, floor=0.1)
    assert [factor(cosine, p) for p in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0, 0.5, 1, 0.55, 0.1])
    triangle = recipe(schedule="triangle", warmup=0.25, floor=0.07)
    assert [factor(triangle, p) for p in (0, 0.125, 0.25, 0.625, 1)] == pytest.approx([0.2, 0.6, 1, 0.535, 0.07])


def test_biases_of_norms_learn_faster_and_shrink_alike() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimiser = make_optimiser(network, recipe(bias_rate=8.0, weight_decay=0.1, momentum=0.0))
    set_rate(optimiser, 0.5)
    before = [value.detach().clone() for value in network.parameters()]
    nn.init.ones_(network[1].bias)
    before[3] = torch.ones(4)
    for value in network.parameters():
        value.grad = torch.ones_like(value)
    optimiser.step()
    moved = [was - now for was, now in zip(before, network.parameters(), strict=True)]
    assert torch.allclose(moved[0], 0.5 * (1 + 0.1 * before[0]), atol=1e-6)
    assert torch.allclose(moved[3], torch.full((4,), 8 * 0.5 + 0.5 * 0.1), atol=1e-6)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_what_is_restored_lies_in_memory_as_the_weights_do(kind: str) -> None:
    """Fused steps go through memory as it lies, and a file gives back tensors with their channels first."""
    torch.manual_seed(0)
    pictures = torch.randn(2, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    other = copy.deepcopy(network)
    optimiser, again = (make_optimiser(one, recipe(optimiser=kind, momentum=0.9, rate=0.1)) for one in (network, other))

    def step(one: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        one.zero_grad()
        one(pictures).square().sum().backward()
        optimiser.step()

    step(network, optimiser)
    other.load_state_dict(network.state_dict())
    restore(again, {name: value.clone(memory_format=torch.contiguous_format) for name, value in state_of(optimiser).items()})
    step(network, optimiser)
    step(other, again)
    assert torch.equal(network.weight, other.weight)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_an_optimiser_that_is_restored_goes_on_as_before(kind: str) -> None:
    def steps(network: nn.Module, optimiser: torch.optim.Optimizer, count: int, start: int) -> None:
        for step in range(start, start + count):
            network.zero_grad()
            network(torch.full((2, 3), float(step))).square().sum().backward()
            optimiser.step()

    def made() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        network = nn.Linear(3, 2)
        return network, make_optimiser(network, recipe(optimiser=kind, rate=0.01))

    network, optimiser = made()
    steps(network, optimiser, 3, 0)
    other, again = made()
    other.load_state_dict(network.state_dict())
    restore(again, {name: value.clone() for name, value in state_of(optimiser).items()})
    steps(network, optimiser, 3, 3)
    steps(other, again, 3, 3)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))


def test_a_slow_average_pulls_more_towards_the_end() -> None:
    network = nn.Linear(1, 1, bias=False)
    for progress, kept in ((0.0, 0.0), (1.0, 0.95**5)):
        nn.init.zeros_(network.weight)
        slow = Slow(network)
        nn.init.ones_(network.weight)
        slow.pull(network, progress)
        assert network.weight.item() == pytest.approx(1 - kept)
        nn.init.constant_(network.weight, 5.0)
        slow.settle(network)
        assert network.weight.item() == pytest.approx(1 - kept)


def test_penalties_are_of_weights_alone() -> None:
    network = nn.Linear(2, 2)
    plain, inputs, labels = classify(), torch.randn(3, 2), torch.tensor([0, 1, 1])
    assert penalised(plain, network, 0, 0) is plain
    base = plain.phases[0].update(network, inputs, labels)[0]
    loss, outputs = penalised(plain, network, 0.3, 0.5).phases[0].update(network, inputs, labels)
    wanted = base + 0.3 * network.weight.abs().sum() + 0.25 * network.weight.square().sum()
    assert loss.item() == pytest.approx(wanted.item()) and torch.equal(outputs, network(inputs))


def test_half_precision_reaches_whole_weights() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    seen: list[Tensor] = []
    network[4].register_forward_hook(lambda module, given, made: seen.append(made))
    x = torch.randn(5, 3, 8, 8)
    halved(network)(x).float().sum().backward()
    rough = [value.grad.clone() for value in network.parameters() if value.grad is not None]
    assert seen[0].dtype is torch.bfloat16 and all(value.dtype is torch.float32 for value in network.parameters())
    network.zero_grad()
    network[1].reset_running_stats()
    network(x).sum().backward()
    for value, one in zip(network.parameters(), rough, strict=True):
        assert value.grad is not None and one.dtype is torch.float32
        assert float((one - value.grad).norm()) <= 0.05 * float(value.grad.norm()) + 0.5  # a convolution before a norm has hardly any
