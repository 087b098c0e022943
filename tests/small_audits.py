"""Networks, pictures and audits so small that they take no time, and what must hold of every audit."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hoodwink.auditing.audit import audit
from hoodwink.auditing.journal import Journal
from hoodwink.auditing.records import AuditResult, Case
from hoodwink.auditing.sight import Sights
from hoodwink.auditing.work import Work
from hoodwink.models.load import wrap
from hoodwink.models.model import Model
from hoodwink.models.prepare import Prepared

Array = np.ndarray[Any, Any]
SIDE = 6
EPS = 8 / 255


class Slow(nn.Module):
    """Passes its input after a while; `delay` in seconds is no part of the weights."""

    def __init__(self, delay: float = 0.0) -> None:
        super().__init__()
        self.delay = delay

    def forward(self, x: Tensor) -> Tensor:
        if self.delay:
            time.sleep(self.delay)
        return x


def network(seed: int = 0, classes: int = 4, channels: int = 1, side: int = SIDE, delay: float = 0.0) -> nn.Sequential:
    """A random network of one hidden layer, of whose random pictures some fall to 8/255 and some do not."""
    generator = torch.Generator().manual_seed(seed)
    made = nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, 24), nn.ReLU(), nn.Linear(24, classes))
    for parameter in made.parameters():
        size = 2 / parameter.shape[-1] ** 0.5 if parameter.ndim > 1 else 0.1
        parameter.requires_grad_(False).copy_(size * torch.randn(parameter.shape, generator=generator))
    return nn.Sequential(Slow(delay), *made)


def model(seed: int = 0, classes: int = 4, channels: int = 1, side: int = SIDE, delay: float = 0.0, **card: Any) -> Model:
    return named(network(seed, classes, channels, side, delay), classes=classes, channels=channels, **{"size": side, **card})


def named(module: nn.Module, classes: int = 4, channels: int = 1, **card: Any) -> Model:
    """A model of a module that takes pictures round 0.5."""
    about: dict[str, Any] = {"mean": 0.5, "std": 0.25, "classes": classes, "channels": channels, "size": SIDE, "name": "small", **card}
    return wrap(module, **about)


def linear(weights: Array, biases: Array, height: int, width: int, channels: int) -> Model:
    """A linear network of [0, 1] pictures; weights: classes x subpixels, in the order C, H, W."""
    layer = nn.Linear(weights.shape[1], weights.shape[0])
    layer.weight.data, layer.bias.data = torch.from_numpy(weights).float(), torch.from_numpy(biases).float()
    network = nn.Sequential(nn.Flatten(), layer)
    return wrap(network, mean=0.0, std=1.0, classes=len(weights), channels=channels, size=(height, width), name="linear")


def draw(count: int, seed: int = 0, height: int = SIDE, width: int = SIDE, channels: int = 1) -> Array:
    """Random pictures, uint8; now and then subpixels are at the ends of the range."""
    return np.random.default_rng(seed).integers(-40, 296, (count, height, width, channels)).clip(0, 255).astype(np.uint8)


def answers(of: Model, pictures: Sequence[Array] | Array) -> Array:
    """The original network's labels, each picture alone, as a file is read."""
    with torch.no_grad():
        return np.array([int(of.outputs(of.encode(levels)).argmax()) for levels in pictures], dtype=np.int64)


def work(of: Model, pictures: Any, labels: Array | None = None, search: Any = None, folder: Path | None = None, **settings: Any) -> Work:
    """A work whose pictures are classified; search: the network that is searched, from normalised pictures to logits."""
    truth = answers(of, pictures) if labels is None else labels
    made = Work(Sights(of, search or of.outputs), pictures, truth, journal=Journal(folder), **settings)
    made.classify()
    return made


def unprepared(of: Model, *_: Any, **__: Any) -> Prepared:
    """In place of `prepare`: the original network itself."""
    return Prepared(of.outputs, (), (), 0.0, 0.0)


class Full(nn.Module):
    """Takes no more than so many pictures at once."""

    def __init__(self, network: nn.Module, most: int) -> None:
        super().__init__()
        self.network, self.most = network, most

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.most:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 7 bytes")
        out: Tensor = self.network(x)
        return out


class Counting:
    """A network that counts, for each picture of a data set without resizing, how often it is asked with a gradient and without.

    A picture is known by the original that is nearest to it. `order` holds the pictures of each call.
    """

    def __init__(self, of: Model, pictures: Array) -> None:
        self.function: Callable[[Tensor], Tensor] = of.outputs
        self.known = torch.cat([of.encode(levels) for levels in pictures]).flatten(1)
        self.gradients: Counter[int] = Counter()
        self.forwards: Counter[int] = Counter()
        self.order: list[list[int]] = []

    def __call__(self, encoded: Tensor) -> Tensor:
        rows = torch.cdist(encoded.detach().flatten(1), self.known).argmin(1).tolist() if len(encoded) else []
        (self.gradients if torch.is_grad_enabled() else self.forwards).update(rows)
        self.order.append(rows)
        return self.function(encoded)

    def counts(self, kind: str, count: int) -> list[int]:
        return [getattr(self, kind)[index] for index in range(count)]


def table(result: AuditResult) -> dict[str, Any]:
    """All that an audit says but the time it took."""
    found = result.to_json()
    for ball in found["by_eps"]:
        del ball["seconds"]
        for stage in ball["stages"]:
            del stage["seconds"]
    del found["seconds"]
    return {**found, "pictures": [levels.tobytes() for levels in result.pictures]}


def size(before: Array, after: Array, norm: str) -> float:
    """How far two pictures are apart, from whole numbers: squared levels for l2, else levels."""
    change = np.abs(before.astype(np.int64) - after.astype(np.int64))
    return float({"linf": change.max(), "l2": (change**2).sum(), "l1": change.sum()}[norm])


def most(case: Case) -> float:
    """The largest `size` that lies in a ball."""
    levels = case.eps * 255
    return float(np.floor(levels + 1e-6)) if case.norm == "linf" else levels**2 * (1 + 2e-9) if case.norm == "l2" else levels * (1 + 1e-9)


def check_result(result: AuditResult, of: Model, pictures: Sequence[Array] | Array, labels: Array) -> None:
    """What holds of every audit of a network that does not answer at random."""
    right = answers(of, pictures) == labels
    for one in result.by_eps:
        rights = set(np.flatnonzero(right).tolist())
        assert one.all == len(labels) and one.wrong == int((~right).sum()) and one.wrong + one.felled + one.robust == one.all
        assert set(one.by) | set(one.survivors) == rights and not set(one.by) & set(one.survivors)
        assert len(one.by) == one.felled == len(one.distances) and len(one.survivors) == one.robust
        assert all(distance <= one.case.eps * (1 + 1e-9) + 1e-6 / 255 for distance in one.distances.values())
        assert one.free is None or one.felled <= one.free <= one.all - one.wrong
        assert sum(row["standing"] for row in one.per_class) == one.robust and sum(row["pictures"] for row in one.per_class) == one.all
    for norm in {one.case.norm for one in result.by_eps}:
        falls = [set(one.by) for one in result.by_eps if one.case.norm == norm]
        assert all(small <= large for small, large in pairwise(falls))
    last, before, after = result.last, pictures, result.pictures
    for index in range(len(labels)):
        assert after[index].dtype == np.uint8 and after[index].shape == before[index].shape
        if index in last.by:
            assert size(before[index], after[index], last.case.norm) <= most(last.case)
        else:
            assert np.array_equal(after[index], before[index])
    rows = list(last.by)
    assert not len(rows) or (answers(of, [after[k] for k in rows]) != labels[rows]).all()


def quick(model: Model, pictures: Any, labels: Any = None, **asked: Any) -> AuditResult:
    return audit(model, pictures, labels, **{"eps": EPS, "budget": "quick", "sentinels": 0, **asked})


def checked(model: Model, pictures: Any, **asked: Any) -> AuditResult:
    """A quick audit with the network's own answers for labels, of which all holds that must."""
    labels = answers(model, [levels if levels.ndim == 3 else levels[..., None] for levels in pictures])
    result = quick(model, pictures, labels, **asked)
    check_result(result, model, pictures, labels)
    return result
