"""Where a training stands, as one file that is written whole or not at all."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from hoodwink.runs import RunError, one_line, write_atomic
from hoodwink.training.optimise import Slow, restore, state_of

STATE = "state/state.safetensors"


@dataclass
class Position:
    """How far a training is. step: of this epoch, the next to be done. total: of the steps done in all. loss, sums, seen: sums of this epoch.

    best, best_epoch: the highest validation accuracy so far (or the lowest loss, negative, where there is none) and its epoch. last_loss, stale: the validation loss of the epoch before, and how many epochs in a
    row it failed to fall. seconds: of training so far, evaluation apart. done: the run has ended.
    """

    epoch: int = 0
    step: int = 0
    total: int = 0
    loss: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    seen: int = 0
    best: float | None = None
    best_epoch: int = 0
    last_loss: float | None = None
    stale: int = 0
    seconds: float = 0.0
    done: bool = False
    best_weights: dict[str, Tensor] = field(default_factory=dict, repr=False)


def save_state(path: str | Path, position: Position, network: nn.Module, optimiser: torch.optim.Optimizer, slow: Slow | None) -> None:
    """Write everything that going on needs: weights, optimiser, slow average, best weights, position."""
    groups = {
        "network": network.state_dict(),
        "optimiser": state_of(optimiser),
        "slow": slow.values if slow else {},
        "best": position.best_weights,
    }
    tensors = {
        f"{group}/{name}": value.detach().cpu().contiguous().clone() for group, values in groups.items() for name, value in values.items()
    }
    known = {name: value for name, value in asdict(position).items() if name != "best_weights"}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, save(tensors, {"position": json.dumps(known)}))


def load_state(path: str | Path, network: nn.Module, optimiser: torch.optim.Optimizer, slow: Slow | None) -> Position:
    """Take up what `save_state` wrote; RunError where the file is not one."""
    try:
        data = Path(path).read_bytes()
        size = int.from_bytes(data[:8], "little")
        known = Position(**json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["position"]))
        tensors = load(data)
    except (OSError, ValueError, KeyError, TypeError) as error:  # the last: of another version
        raise RunError(
            f"{one_line(path)}: the state of a training was wanted, this cannot be read ({one_line(error)}); train anew with --force"
        ) from error
    groups: dict[str, dict[str, Tensor]] = {"network": {}, "optimiser": {}, "slow": {}, "best": {}}
    for name, value in tensors.items():
        group, _, rest = name.partition("/")
        groups[group][rest] = value
    network.load_state_dict(groups["network"])
    restore(optimiser, groups["optimiser"])
    if slow is not None:
        for name, value in groups["slow"].items():
            slow.values[name].copy_(value)
    return replace(known, best_weights={name: value.to(next(network.parameters()).device) for name, value in groups["best"].items()})


def copy_weights(network: nn.Module) -> dict[str, Tensor]:
    """The weights and statistics as they are now."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
