from __future__ import annotations

import pytest
import torch
from torch import nn

from hoodwink.networks.sequences import READS, Bag, LetterGenerator, LetterRNN, SequenceClassifier

LENGTHS = torch.tensor([3, 7, 1, 5])


def made(seed: int = 0) -> torch.Tensor:
    indices = torch.randint(1, 9, (4, 7), generator=torch.Generator().manual_seed(seed))
    return indices.masked_fill(torch.arange(7)[None] >= LENGTHS[:, None], 0)


def gradients(network: nn.Module) -> list[torch.Tensor]:
    return [value.grad.clone() for value in network.parameters() if value.grad is not None]


def networks() -> list[nn.Module]:
    torch.manual_seed(0)
    recurrent = [
        SequenceClassifier(9, cell, 6, layers, 3, width, False, read)
        for cell in ("rnn", "lstm", "gru")
        for layers in (1, 2)
        for width, read in ((0, "last"), (4, "max+mean"))
    ]
    return [*recurrent, LetterRNN(9, 6, 3), Bag(9, 5, (4,), 3, True, False), Bag(9, 5, (), 3)]


@pytest.mark.parametrize("network", networks(), ids=lambda one: f"{type(one).__name__}")
def test_a_batch_gives_what_one_sequence_at_a_time_gives(network: nn.Module) -> None:
    indices, labels = made(), torch.tensor([0, 2, 1, 0])
    logits = network(indices)
    nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
    together = gradients(network)
    network.zero_grad()
    alone = [network(indices[k : k + 1, : LENGTHS[k]]) for k in range(4)]
    torch.testing.assert_close(torch.cat(alone), logits, atol=1e-5, rtol=1e-5)
    for k, one in enumerate(alone):
        nn.functional.cross_entropy(one, labels[k : k + 1], reduction="sum").backward()
    for one, other in zip(gradients(network), together, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("read", READS)
def test_what_padding_holds_changes_nothing(read: str) -> None:
    torch.manual_seed(1)
    network = SequenceClassifier(9, "lstm", 6, 1, 3, read=read)
    steps = torch.randn(4, 7, 9)
    other = torch.where((torch.arange(7)[None] < LENGTHS[:, None])[..., None], steps, 99.0)
    assert torch.equal(network.classify(steps, LENGTHS), network.classify(other, LENGTHS))


def test_an_unknown_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="cell: one of rnn, lstm, gru"):
        SequenceClassifier(9, "gur")


def test_a_generator_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    network = LetterGenerator(9, 6, 2, 4)
    indices = made()[:, :4]
    whole = network(indices)
    first, state = network.go_on(indices[:, :2], None)
    second, _ = network.go_on(indices[:, 2:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)


def test_a_table_is_filled_and_the_vector_of_nothing_stays_zero() -> None:
    network = Bag(4, 2, (), 2)
    network.table.fill(torch.arange(6.0).view(3, 2) + 1)
    assert network.table(torch.tensor([[0, 3]])).tolist() == [[[0.0, 0.0], [5.0, 6.0]]]
    assert not network.table.rows.requires_grad and "table.rows" in network.state_dict()
    assert "table.rows" not in SequenceClassifier(9).state_dict()
    with pytest.raises(ValueError, match=r"vectors \(3, 2\) were wanted, not \(2, 2\)"):
        network.table.fill(torch.zeros(2, 2))


def test_a_trained_table_keeps_its_zero() -> None:
    torch.manual_seed(0)
    network = SequenceClassifier(9, width=4, fixed=False)
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.1)
    network(made()).sum().backward()
    optimiser.step()
    assert not network.table.rows[0].any() and network.table.rows.grad is not None
