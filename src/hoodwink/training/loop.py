"""The loop: batches in an order that (seed, epoch) decides, an update, a step; the same after a kill as without it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
from hoodwink.training.recipes import Recipe
from hoodwink.training.updates import Ask, Update, cross_entropy, hits, weight

BLOCK = 512  # examples that are gathered and varied at a time
EVALUATED = 1000  # examples of a batch without gradients


class Diverged(ValueError):
    """The loss is no number any more; the message says where, and which weights are the last good ones."""


@dataclass(frozen=True)
class Parts:
    """What a training is made of. rank, world: of the processes that train together."""

    recipe: Recipe
    network: nn.Module
    update: Update
    train: Feed
    validation: Feed | None
    rank: int = 0
    world: int = 1


@dataclass(frozen=True)
class Epoch:
    """The means of one epoch, over pictures, texts, or, where the next letter is wanted, letters; validation_* where some were held out.

    epoch: from 1.
    """

    epoch: int
    loss: float
    accuracy: float
    rate: float
    seconds: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


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
    loss, outputs = parts.update(network, inputs, labels)
    if parts.world > 1:  # processes are averaged as if they had the same number of pictures
        whole = min(recipe.batch, len(parts.train) - position.step * recipe.batch)
        loss = loss * (len(labels) * parts.world / whole) if len(labels) else outputs.sum()
    torch.autograd.backward(loss / recipe.accumulate if recipe.accumulate > 1 else loss)
    position.step += 1
    position.total += 1
    if position.step % recipe.accumulate == 0 or position.step == training.steps:
        training.optimiser.step()
        for value in training.trained:
            value.grad = None  # as optimiser.zero_grad() does, which takes a tenth of a millisecond for it
    if training.slow is not None and position.total % recipe.lookahead == 0:
        training.slow.pull(parts.network, progress)
    return loss.detach(), outputs.detach()


def _sum_up(training: Training, losses: list[Tensor], outputs: list[Tensor], labels: list[Tensor]) -> None:
    """Add the losses and the right answers of some steps to the epoch's; Diverged where a loss is no number."""
    position = training.position
    found = torch.stack(losses).double().cpu()
    if not bool(found.isfinite().all()):
        step = position.step - len(losses) + int((~found.isfinite()).nonzero()[0])
        raise Diverged(f"the loss of step {step + 1} of epoch {position.epoch + 1} is {float(found[step - position.step + len(losses)])}")
    counts = [weight(one) for one in labels]
    position.loss += float(found @ torch.tensor(counts, dtype=torch.float64))
    position.right += hits(outputs, labels)
    position.seen += sum(counts)


def _judged(training: Training) -> Epoch:
    """The means of the epoch that has ended; the position moves on to the next."""
    parts, position, recipe = training.parts, training.position, training.parts.recipe
    sums = _over_all(torch.tensor([position.loss, position.right, position.seen], dtype=torch.float64), parts)
    loss, accuracy = float(sums[0] / sums[2]), float(sums[1] / sums[2])
    rate = float(training.optimiser.param_groups[0]["lr"])
    found = evaluate(parts, parts.validation) if parts.validation is not None and len(parts.validation) else (None, None)
    epoch = Epoch(position.epoch + 1, loss, accuracy, rate, position.seconds, *found)
    if found[0] is not None and found[1] is not None:
        falls = position.last_loss is None or found[0] < position.last_loss - recipe.least
        position.stale, position.last_loss = 0 if falls else position.stale + 1, found[0]
        if recipe.keep == "best" and found[1] > position.best:
            position.best, position.best_epoch, position.best_weights = found[1], epoch.epoch, copy_weights(parts.network)
    position.epoch, position.step, position.loss, position.right, position.seen = position.epoch + 1, 0, 0.0, 0, 0
    position.done = bool(recipe.patience) and position.stale >= recipe.patience
    return epoch


@torch.no_grad()
def evaluate(parts: Parts, data: Feed, *, flips: bool = False) -> tuple[float, float]:
    """The mean cross-entropy and the accuracy on a set, in evaluation mode, float32; flips: the mean of the outputs for both sides."""
    network, loss, right, seen = parts.network.eval(), 0.0, 0, 0
    for indices in torch.split(torch.arange(len(data)), EVALUATED):
        inputs, labels = data.take(indices)
        logits = network(inputs)
        if flips:
            logits = (logits + network(inputs.flip(3))) / 2
        loss += float(cross_entropy(logits, labels, reduction="sum"))
        right += hits([logits], [labels])
        seen += weight(labels)
    return loss / seen, right / seen


def _over_all(sums: Tensor, parts: Parts) -> Tensor:
    if parts.world > 1:
        dist.all_reduce(sums)
    return sums


def _together(parts: Parts) -> Ask:
    """The network as a step asks it: its gradients averaged over all processes where there are several, halved where the recipe says so."""
    network = DistributedDataParallel(parts.network) if parts.world > 1 else parts.network
    return halved(network) if parts.recipe.precision == "bfloat16" else network
