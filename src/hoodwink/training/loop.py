"""The loop: batches in an order that (seed, epoch) decides, an update, a step; the same after a kill as without it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from hoodwink.data.augment import key
from hoodwink.data.keys import keyed
from hoodwink.training.checkpoint import Position, copy_weights
from hoodwink.training.feeds import Feed
from hoodwink.training.optimise import Slow, factor, make_optimiser, set_rate
from hoodwink.training.precision import halved
from hoodwink.training.recipe import Recipe
from hoodwink.training.updates import ACCURACY, Ask, Family, Phase, weight

BLOCK = 512  # examples that are gathered and varied at a time
EVALUATED = 1000  # examples of a batch without gradients


class Diverged(ValueError):
    """The loss is no number any more; the message says where, and which weights are the last good ones."""


@dataclass(frozen=True)
class Parts:
    """What a training is made of. rank, world: of the processes that train together."""

    recipe: Recipe
    network: nn.Module
    family: Family
    train: Feed
    validation: Feed | None
    rank: int = 0
    world: int = 1


@dataclass(frozen=True)
class Epoch:
    """The means of one epoch, over pictures, texts, or, where the next letter is wanted, letters; validation_* where some were held out.

    epoch: from 1. accuracy: of networks whose answers are right or wrong. more: other means, by name.
    """

    epoch: int
    loss: float
    accuracy: float | None
    rate: float
    seconds: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    more: dict[str, float] = field(default_factory=dict)


@dataclass
class Training:
    """A training under way: what it is made of, and where it is. steps: of an epoch."""

    parts: Parts
    optimiser: torch.optim.Optimizer
    slow: Slow | None
    position: Position
    trained: tuple[nn.Parameter, ...]
    steps: int

    @classmethod
    def start(cls, parts: Parts) -> Training:
        """From the beginning."""
        slow = Slow(parts.network) if parts.recipe.lookahead else None
        trained = tuple(value for value in parts.network.parameters() if value.requires_grad)
        steps = parts.train.steps(parts.recipe.batch)
        return cls(parts, make_optimiser(parts.network, parts.recipe), slow, Position(), trained, steps)


def fit(training: Training, *, watch: Callable[[Epoch], None], tick: Callable[[Training], None]) -> None:
    """Train until the epochs are done or the validation loss has stopped falling.

    watch: is told the means of each epoch. tick: is called between blocks of steps and after each epoch, when the state is one to go on from.
    Raises Diverged.
    """
    recipe, position = training.parts.recipe, training.position
    network = _together(training.parts)
    while position.epoch < recipe.epochs and not position.done:
        _epoch(training, network, tick)
        watch(_judged(training))
        tick(training)
    if not position.done:
        if training.slow is not None:
            training.slow.settle(training.parts.network)
        position.done = True
        tick(training)


def _epoch(training: Training, network: Ask, tick: Callable[[Training], None]) -> None:
    """The rest of the epoch that the position is in."""
    parts, position = training.parts, training.position
    parts.network.train()
    losses, outputs, labels = list[Tensor](), list[Tensor](), list[Tensor]()
    for first, indices in _blocks(training):
        begun = time.perf_counter()
        torch.manual_seed(keyed("dropout", parts.recipe.seed, position.epoch, first, parts.rank).initial_seed())
        generator = key(parts.recipe.seed * parts.world + parts.rank, position.epoch, first)
        for x, y in parts.train.drawn(indices, generator):
            loss, logits = _step(training, network, x, y)
            losses.append(loss)
            outputs.append(logits)
            labels.append(y)
        _sum_up(training, losses, outputs, labels)
        for found in (losses, outputs, labels):
            found.clear()
        position.seconds += time.perf_counter() - begun
        if position.step < training.steps:
            tick(training)


def _blocks(training: Training) -> Iterator[tuple[int, list[Tensor]]]:
    """Batches of indices, several at a time so that small ones are prepared together, and the step that each group begins with.

    Groups begin at the same steps however the epoch was entered: what is drawn for one is drawn by its first step.
    """
    parts, position = training.parts, training.position
    size = max(1, BLOCK // parts.recipe.batch)
    size += -size % parts.recipe.accumulate  # a group ends where the weights move: nothing else is to be kept
    group: list[Tensor] = []
    chosen = parts.train.batches(
        parts.recipe.batch, seed=parts.recipe.seed, epoch=position.epoch, start=position.step, rank=parts.rank, world=parts.world
    )
    first = position.step
    for step, indices in enumerate(chosen, position.step):
        group.append(indices)
        if (step + 1) % size == 0:
            yield first, group
            group, first = [], step + 1
    if group:
        yield first, group


def _step(training: Training, network: Ask, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """One batch: its loss and outputs; the weights move at every `accumulate`-th."""
    parts, position, recipe = training.parts, training.position, training.parts.recipe
    progress = position.total / (training.steps * recipe.epochs)
    if recipe.schedule != "constant":
        set_rate(training.optimiser, recipe.rate * factor(recipe, progress))
    found = [_move(training, network, phase, inputs, labels) for phase in parts.family.phases]
    position.step += 1
    position.total += 1
    if training.slow is not None and position.total % recipe.lookahead == 0:
        training.slow.pull(parts.network, progress)
    return found[0][0], found[0][1] if len(found) == 1 else torch.cat([outputs for _, outputs in found])


def _move(training: Training, network: Ask, phase: Phase, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """One phase of a step: its loss and what is tallied, means over its rounds where there are several."""
    if phase.rounds > 1:
        shares = zip(inputs.chunk(phase.rounds), labels.chunk(phase.rounds), strict=True)
        one = Phase(phase.update, phase.trained)
        losses, outputs = zip(*(_move(training, network, one, x, y) for x, y in shares), strict=True)
        return torch.stack(losses).mean(), torch.stack(outputs).mean(0)
    parts, position, recipe = training.parts, training.position, training.parts.recipe
    loss, output = phase.update(network, inputs, labels)
    told = loss.detach()
    if parts.world > 1:  # processes are averaged as if they had the same number of pictures
        whole = min(recipe.batch, len(parts.train) - position.step * recipe.batch)
        loss = loss * (len(labels) * parts.world / whole) if len(labels) else _nothing(training.trained)
        told = told if len(labels) else loss.detach()
    # Where one phase of several moves its own weights, the others get no gradient, and the optimiser passes over them.
    torch.autograd.backward(loss / recipe.accumulate if recipe.accumulate > 1 else loss, inputs=phase.trained)
    if (position.step + 1) % recipe.accumulate == 0 or position.step + 1 == training.steps:
        training.optimiser.step()
        for value in training.trained:
            value.grad = None  # as optimiser.zero_grad() does, which takes a tenth of a millisecond for it
    return told, output.detach()


def _nothing(trained: tuple[nn.Parameter, ...]) -> Tensor:
    """A loss whose gradient is zero: what a process without examples adds to those of the others."""
    return torch.stack([value.sum() for value in trained]).sum() * 0


def _sum_up(training: Training, losses: list[Tensor], outputs: list[Tensor], labels: list[Tensor]) -> None:
    """Add the losses of some steps, and what is tallied beside them, to the epoch's; Diverged where a loss is no number."""
    position = training.position
    found = torch.stack(losses).double().cpu()
    if not bool(found.isfinite().all()):
        step = position.step - len(losses) + int((~found.isfinite()).nonzero()[0])
        raise Diverged(f"the loss of step {step + 1} of epoch {position.epoch + 1} is {float(found[step - position.step + len(losses)])}")
    counts = [weight(one) for one in labels]
    position.loss += float(found @ torch.tensor(counts, dtype=torch.float64))
    for name, value in training.parts.family.tally(outputs, labels).items():
        position.sums[name] = position.sums.get(name, 0.0) + value
    position.seen += sum(counts)


def _judged(training: Training) -> Epoch:
    """The means of the epoch that has ended; the position moves on to the next."""
    parts, position, recipe = training.parts, training.position, training.parts.recipe
    names = sorted(position.sums)
    sums = [position.loss, position.seen, *(position.sums[name] for name in names)]
    loss, seen, *others = _over_all(torch.tensor(sums, dtype=torch.float64), parts).tolist()
    more = {name: value / seen for name, value in zip(names, others, strict=True)}
    rate = float(training.optimiser.param_groups[0]["lr"])
    found = evaluate(parts, parts.validation) if parts.validation is not None and len(parts.validation) else (None, None)
    epoch = Epoch(position.epoch + 1, loss / seen, more.pop(ACCURACY, None), rate, position.seconds, *found, more)
    if found[0] is not None:
        falls = position.last_loss is None or found[0] < position.last_loss - recipe.least
        position.stale, position.last_loss = 0 if falls else position.stale + 1, found[0]
        score = -found[0] if found[1] is None else found[1]
        if recipe.keep == "best" and (position.best is None or score > position.best):
            position.best, position.best_epoch, position.best_weights = score, epoch.epoch, copy_weights(parts.network)
    position.epoch, position.step, position.loss, position.sums, position.seen = position.epoch + 1, 0, 0.0, {}, 0
    position.done = bool(recipe.patience) and position.stale >= recipe.patience
    return epoch


@torch.no_grad()
def evaluate(parts: Parts, data: Feed, *, flips: bool = False) -> tuple[float | None, float | None]:
    """The mean loss and the accuracy on a set, in evaluation mode, float32; None for what networks of the kind have not; Diverged.

    flips: the mean of the outputs for both sides.
    """
    network, judge = parts.network.eval(), parts.family.judge
    if judge is None:
        return None, None
    ask: Any = _both_sides(network) if flips else network
    loss, sums, seen = 0.0, dict[str, float](), 0
    for indices in torch.split(torch.arange(len(data)), EVALUATED):
        inputs, wanted = data.take(indices)
        total, found = judge(ask, inputs, wanted)
        loss += float(total)
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + value
        seen += weight(wanted)
    if not math.isfinite(loss):
        raise Diverged(f"the loss of {len(data)} examples that are judged is {loss}")
    return loss / seen, sums[ACCURACY] / seen if ACCURACY in sums else None


def _both_sides(network: nn.Module) -> Ask:
    """The mean of the outputs for pictures and for their mirror images."""
    return lambda inputs: (network(inputs) + network(inputs.flip(3))) / 2


def _over_all(sums: Tensor, parts: Parts) -> Tensor:
    if parts.world > 1:
        dist.all_reduce(sums)
    return sums


def _together(parts: Parts) -> Ask:
    """The network as a step asks it: its gradients averaged over all processes where there are several, halved where the recipe says so."""
    network = DistributedDataParallel(parts.network) if parts.world > 1 else parts.network
    return halved(network) if parts.recipe.precision == "bfloat16" else network
