"""Networks that read texts, N x T indices with 0 behind each end: recurrent ones, a bag of vectors, and one that writes letters.

Those that classify have a `table`, which gives a vector for each index, and `classify`, which takes those vectors and the lengths: so a
gradient says which other index would change the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
READS = ("last", "max", "mean", "max+mean")


def lengths_of(indices: Tensor) -> Tensor:
    """How many steps each text has, N, at least 1: the first that is left out is a 0."""
    return (indices != 0).sum(1).clamp(min=1)


class Table(nn.Module):
    """A vector for each index, that of 0 zero: N x T to N x T x D. width: D, or 0 for ones at their places (one-hot); fixed: not trained."""

    def __init__(self, inputs: int, width: int, fixed: bool) -> None:
        super().__init__()
        if width:
            self.rows = nn.Parameter(torch.randn(inputs, width), requires_grad=not fixed)
        else:
            self.register_buffer("rows", torch.eye(inputs), persistent=False)
        with torch.no_grad():
            self.rows[0] = 0

    def forward(self, indices: Tensor) -> Tensor:
        return nn.functional.embedding(indices, self.rows, padding_idx=0)

    def fill(self, vectors: Tensor) -> None:
        """Put vectors, (inputs - 1) x D, for the indices from 1 on."""
        if vectors.shape != self.rows[1:].shape:
            raise ValueError(f"vectors {tuple(self.rows[1:].shape)} were wanted, not {tuple(vectors.shape)}")
        with torch.no_grad():
            self.rows[1:] = vectors


class SequenceClassifier(nn.Module):
    """Reads step by step with an RNN, LSTM or GRU.

    read: the last step of the last layer ("last"), or the largest, the mean, or both of its outputs over all steps.
    """

    def __init__(
        self,
        inputs: int = 59,
        cell: str = "lstm",
        hidden: int = 128,
        layers: int = 1,
        classes: int = 18,
        width: int = 0,
        fixed: bool = True,
        read: str = "last",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if cell not in CELLS or read not in READS:
            raise ValueError(
                f"cell: one of {', '.join(CELLS)}, and read: one of {', '.join(READS)}, were wanted, not {cell!r} and {read!r}"
            )
        self.read = read
        self.table = Table(inputs, width, fixed)
        self.recurrent = CELLS[cell](width or inputs, hidden, layers, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(2 * hidden if read == "max+mean" else hidden, classes)

    def forward(self, indices: Tensor) -> Tensor:
        return self.classify(self.table(indices), lengths_of(indices))

    def classify(self, steps: Tensor, lengths: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.dropout(self.states(self.dropout(steps), lengths)))
        return logits

    def states(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """What is read of sequences N x T x D of these lengths, N x hidden (or twice that)."""
        packed = pack_padded_sequence(steps, lengths.cpu(), batch_first=True, enforce_sorted=False)
        outputs, last = self.recurrent(packed)
        if self.read == "last":
            state: Tensor = last[0] if isinstance(last, tuple) else last  # layers x N x hidden
            return state[-1]
        every, _ = pad_packed_sequence(outputs, batch_first=True)  # N x T x hidden
        there = (torch.arange(every.shape[1], device=every.device)[None] < lengths.to(every.device)[:, None])[..., None]
        largest = every.masked_fill(~there, -torch.inf).amax(1)
        mean = every.masked_fill(~there, 0.0).sum(1) / lengths.to(every)[:, None]
        return {"max": largest, "mean": mean, "max+mean": torch.cat([largest, mean], 1)}[self.read]


class Bag(nn.Module):
    """The sum or mean of the words' vectors, whatever their order, then linear layers with ReLU."""

    def __init__(
        self,
        inputs: int = 10_000,
        width: int = 50,
        hidden: Sequence[int] = (30, 10),
        classes: int = 2,
        mean: bool = False,
        fixed: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.mean = mean
        self.table = Table(inputs, width, fixed)
        self.dropout = nn.Dropout(dropout)
        widths = (width, *hidden, classes)
        layers = [layer for k in range(len(widths) - 1) for layer in (nn.Linear(widths[k], widths[k + 1]), nn.ReLU())]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, indices: Tensor) -> Tensor:
        return self.classify(self.table(indices), lengths_of(indices))

    def classify(self, steps: Tensor, lengths: Tensor) -> Tensor:
        there = torch.arange(steps.shape[1], device=steps.device)[None] < lengths.to(steps.device)[:, None]
        total = (steps * there[..., None]).sum(1)
        logits: Tensor = self.layers(self.dropout(total / lengths.to(total)[:, None] if self.mean else total))
        return logits


class LetterRNN(nn.Module):
    """The tutorial's network, one letter at a time: hidden' = linear(letter, hidden), output = linear(letter, hidden)."""

    def __init__(self, inputs: int = 59, hidden: int = 128, classes: int = 18) -> None:
        super().__init__()
        self.hidden = hidden
        self.table = Table(inputs, 0, True)
        self.to_hidden = nn.Linear(inputs + hidden, hidden)
        self.to_output = nn.Linear(inputs + hidden, classes)

    def forward(self, indices: Tensor) -> Tensor:
        return self.classify(self.table(indices), lengths_of(indices))

    def classify(self, steps: Tensor, lengths: Tensor) -> Tensor:
        state = steps.new_zeros(len(steps), self.hidden)
        output = steps.new_zeros(len(steps), self.to_output.out_features)
        for step in range(steps.shape[1]):
            both = torch.cat([steps[:, step], state], 1)
            there = (step < lengths.to(both.device))[:, None]
            state = torch.where(there, self.to_hidden(both), state)
            output = torch.where(there, self.to_output(both), output)
        return output


class LetterGenerator(nn.Module):
    """Indices N x T to logits of the letter behind each, N x T x inputs; width: of the vectors that letters have, 0 for one-hot."""

    def __init__(self, inputs: int = 100, hidden: int = 64, layers: int = 1, width: int = 0) -> None:
        super().__init__()
        self.inputs = inputs
        self.embedding = nn.Embedding(inputs, width) if width else None
        self.recurrent = nn.GRU(width or inputs, hidden, layers, batch_first=True)
        self.linear = nn.Linear(hidden, inputs)

    def forward(self, indices: Tensor) -> Tensor:
        return self.go_on(indices, None)[0]

    def go_on(self, indices: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """The same from a state, layers x N x hidden (None: the beginning), and the state behind the last letter."""
        steps = nn.functional.one_hot(indices, self.inputs).float() if self.embedding is None else self.embedding(indices)
        outputs, after = self.recurrent(steps, state)
        return self.linear(outputs), cast(Tensor, after)
