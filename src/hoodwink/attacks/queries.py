"""Questions to a network, counted for each picture, asked in batches that fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoodwink.attacks.objectives import Objective

_NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory", "ALLOC_FAILED")


@dataclass
class _Ledger:
    """What all views of one Queries share."""

    function: Callable[[Tensor], Any]
    batch: int | None
    say: Callable[[str], None] | None
    counts: np.ndarray[Any, np.dtype[np.int64]] = field(default_factory=lambda: np.zeros((2, 1), dtype=np.int64))

    def count(self, kind: int, rows: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        highest = int(rows.max(initial=-1))
        if highest >= self.counts.shape[1]:
            grown = np.zeros((2, max(highest + 1, 2 * self.counts.shape[1])), dtype=np.int64)
            grown[:, : self.counts.shape[1]] = self.counts
            self.counts = grown
        np.add.at(self.counts[kind], rows, 1)  # a picture may be in a batch more than once


class Queries:
    """Asks a function from [0, 1] pictures N x C x H x W to logits (or a tuple of logits, one for each network), and counts.

    `gradients` counts pictures whose gradient was asked for, `forwards` those of which only the value was. batch: pictures asked at
    a time, all by default; it is halved when the memory does not suffice, which `say` is told.
    """

    def __init__(self, function: Callable[[Tensor], Any], *, batch: int | None = None, say: Callable[[str], None] | None = None) -> None:
        self._ledger = _Ledger(function, batch, say)
        self._rows: np.ndarray[Any, np.dtype[np.int64]] | None = None

    @property
    def function(self) -> Callable[[Tensor], Any]:
        """The function asked."""
        return self._ledger.function

    @property
    def batch(self) -> int | None:
        """Pictures asked at a time, None for all."""
        return self._ledger.batch

    @property
    def gradients(self) -> int:
        """Gradients asked for, all pictures together."""
        return int(self._ledger.counts[0].sum())

    @property
    def forwards(self) -> int:
        """Values asked for without a gradient, all pictures together."""
        return int(self._ledger.counts[1].sum())

    def each(self, count: int) -> tuple[Tensor, Tensor]:
        """The gradients and the forwards of each of the first `count` pictures, int64."""
        found = np.zeros((2, count), dtype=np.int64)
        known = self._ledger.counts[:, :count]
        found[:, : known.shape[1]] = known
        return torch.from_numpy(found[0]), torch.from_numpy(found[1])

    def only(self, rows: Tensor) -> Queries:
        """The same, asked about some of the pictures only: the counts of its k-th picture go to `rows[k]` (int64) of this one's."""
        chosen = rows.cpu().numpy()
        view = Queries.__new__(Queries)
        view._ledger, view._rows = self._ledger, chosen if self._rows is None else self._rows[chosen]
        return view

    def value(self, pictures: Tensor, objective: Objective) -> Tensor:
        """The objective of each picture, N."""
        self._count(1, len(pictures))
        with torch.no_grad():
            return objective(self.function(pictures))

    def logits(self, pictures: Tensor) -> Tensor:
        """The logits of each picture, N x K, float32 or better."""
        self._count(1, len(pictures))

        def ask(part: Tensor, start: int) -> tuple[Tensor]:
            with torch.no_grad():
                return (_full(self.function(part)),)

        return self._in_parts(pictures, ask)[0]

    def gradient(self, pictures: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
        """The objective of each picture, N, and its gradient by the picture (zero where nothing leads to it)."""
        self._count(0, len(pictures))
        return _slope(lambda shown: (objective(self.function(shown)),) * 2, pictures)

    def slopes(self, pictures: Tensor, loss: Callable[[Tensor, slice], Tensor]) -> tuple[Tensor, Tensor]:
        """The logits, N x K, and the gradient by the picture of a loss of (logits, which pictures of the batch they are of)."""
        self._count(0, len(pictures))

        def ask(part: Tensor, start: int) -> tuple[Tensor, Tensor]:
            def reply(shown: Tensor) -> tuple[Tensor, Tensor]:
                logits = _full(self.function(shown))
                return logits, loss(logits, slice(start, start + len(part)))

            return _slope(reply, part)

        logits, gradient = self._in_parts(pictures, ask)
        return logits, gradient

    def _count(self, kind: int, count: int) -> None:
        self._ledger.count(kind, np.arange(count) if self._rows is None else self._rows[:count])

    def _in_parts(self, pictures: Tensor, ask: Callable[[Tensor, int], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """What `ask` answers, part by part; a part that does not fit in memory is halved, and so are those after it."""
        answers: list[tuple[Tensor, ...]] = []
        start, count = 0, len(pictures)
        while start < count or not answers:
            size = min(self._ledger.batch or count, count - start)
            try:
                answers.append(ask(pictures[start : start + size], start))
                start += max(size, 1)
                continue
            except (MemoryError, RuntimeError) as error:
                if size < 2 or not _is_memory(error):
                    raise
            self._halve(size)  # out here: the error is gone, and so is the memory that its frames held
        return answers[0] if len(answers) == 1 else tuple(torch.cat(parts) for parts in zip(*answers, strict=True))

    def _halve(self, size: int) -> None:
        self._ledger.batch = size // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self._ledger.say is not None:
            self._ledger.say(f"{size} pictures at a time do not fit in memory: going on with {size // 2}")


def as_queries(queries: Queries | Callable[[Tensor], Any]) -> Queries:
    """What an attack was given, wrapped where it is a bare function."""
    return queries if isinstance(queries, Queries) else Queries(queries)


def _slope(reply: Callable[[Tensor], tuple[Tensor, Tensor]], pictures: Tensor) -> tuple[Tensor, Tensor]:
    """The first answer, and the gradient by the pictures of the second."""
    pictures = pictures.detach().requires_grad_()
    with torch.enable_grad():
        answer, value = reply(pictures)
        total = value.sum()
    if not value.requires_grad:
        return answer, torch.zeros_like(pictures)
    (gradient,) = torch.autograd.grad(total, pictures, allow_unused=True)
    return answer.detach(), torch.zeros_like(pictures) if gradient is None else gradient


def finite(gradient: Tensor) -> Tensor:
    """The gradient, zero where it is no number: one picture's must not spoil the batch; in place."""
    return gradient if bool(gradient.sum().isfinite()) else gradient.nan_to_num_(0.0, 0.0, 0.0)


def _full(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(words in str(error) for words in _NO_MEMORY)
