"""Networks that read texts: recurrent ones over padded sequences, a bag of vectors, and one that writes letter by letter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
READS = ("last", "max", "mean", "max+mean")


class SequenceClassifier(nn.Module):
    """Padded indices N x T (0: none) and lengths N to logits N x classes; what padding holds changes nothing.

    read: the last step of the last layer ("last"), or the largest, the mean, or both of its outputs over all steps.
    """

    def __init__(self, inputs: int, cell: str, hidden: int, layers: int, classes: int, embedding: int, read: str) -> None:
        super().__init__()
        if cell not in CELLS or read not in READS:
            raise ValueError(
                f"cell: one of {', '.join(CELLS)}, and read: one of {', '.join(READS)}, were wanted, not {cell!r} and {read!r}"
            )
        self.inputs, self.read = inputs, read
        self.embedding = nn.Embedding(inputs, embedding, padding_idx=0) if embedding else None
        self.recurrent = CELLS[cell](embedding or inputs, hidden, layers, batch_first=True)
        self.linear = nn.Linear(2 * hidden if read == "max+mean" else hidden, classes)

    def forward(self, indices: Tensor, lengths: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.states(self.embed(indices), lengths))
        return logits

    def embed(self, indices: Tensor) -> Tensor:
        """What the recurrent layers take, N x T x D: vectors of the indices, or ones at their places."""
        if self.embedding is not None:
            return cast(Tensor, self.embedding(indices))
        return nn.functional.one_hot(indices, self.inputs).float()

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
    """Padded indices N x T and lengths N to logits N x classes: the sum or mean of the words' fixed vectors, then linear layers with ReLU."""

    def __init__(self, inputs: int, width: int, hidden: Sequence[int], classes: int, mean: bool) -> None:
        super().__init__()
        self.mean = mean
        self.embedding = nn.Embedding(inputs, width, padding_idx=0)
        widths = (width, *hidden, classes)
        layers = [layer for k in range(len(widths) - 1) for layer in (nn.Linear(widths[k], widths[k + 1]), nn.ReLU())]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, indices: Tensor, lengths: Tensor) -> Tensor:
        total = self.embedding(indices).sum(1)  # the vector of index 0 is zero
        logits: Tensor = self.layers(total / lengths.to(total)[:, None] if self.mean else total)
        return logits


class LetterRNN(nn.Module):
    """The tutorial's network, one letter at a time: hidden' = linear(letter, hidden), output = linear(letter, hidden)."""

    def __init__(self, inputs: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.inputs, self.hidden = inputs, hidden
        self.to_hidden = nn.Linear(inputs + hidden, hidden)
        self.to_output = nn.Linear(inputs + hidden, classes)

    def forward(self, indices: Tensor, lengths: Tensor) -> Tensor:
        letters = nn.functional.one_hot(indices, self.inputs).float()  # N x T x inputs
        state = letters.new_zeros(len(letters), self.hidden)
        output = letters.new_zeros(len(letters), self.to_output.out_features)
        for step in range(letters.shape[1]):
            both = torch.cat([letters[:, step], state], 1)
            there = (step < lengths.to(both.device))[:, None]
            output = torch.where(there, self.to_output(both), output)
            state = torch.where(there, self.to_hidden(both), state)
        return output


class LetterGenerator(nn.Module):
    """Indices N x T to logits of the next letter, N x T x inputs, and the state to go on from."""

    def __init__(self, inputs: int, hidden: int, layers: int, embedding: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.embedding = nn.Embedding(inputs, embedding) if embedding else None
        self.recurrent = nn.GRU(embedding or inputs, hidden, layers, batch_first=True)
        self.linear = nn.Linear(hidden, inputs)

    def forward(self, indices: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        steps = nn.functional.one_hot(indices, self.inputs).float() if self.embedding is None else self.embedding(indices)
        outputs, state = self.recurrent(steps, state)
        return self.linear(outputs), cast(Tensor, state)
