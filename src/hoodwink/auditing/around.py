"""Ways around layers that stop gradients: roundings pass them straight through, and a last softmax is looked behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_FLAT = {getattr(where, name) for where in (torch, Tensor) for name in ("round", "floor", "ceil", "trunc", "sign")}
_IN_PLACE = {Tensor.round_, Tensor.floor_, Tensor.ceil_, Tensor.trunc_, Tensor.sign_}
_SOFTMAX = {torch.softmax, F.softmax, Tensor.softmax}
_LEAST = 1e-30  # of a probability whose logarithm stands in for a logit


class _Around(TorchFunctionMode):
    """The backward pass differentiable approximation (Athalye 2018, arXiv:1802.00420) of every rounding; remembers the last softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.last: tuple[Tensor, Tensor] | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        shown = args[0] if args else kwargs.get("input")
        if (func in _FLAT or func in _IN_PLACE) and isinstance(shown, Tensor) and shown.is_floating_point():
            rest = {name: value for name, value in kwargs.items() if name != "input"}
            step = func(shown.detach().clone(), *args[1:], **rest) - shown.detach()
            return shown.add_(step) if func in _IN_PLACE else shown + step
        out = func(*args, **kwargs)
        if func in _SOFTMAX:
            self.last = (out, shown)
        return out


def around(network: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The same network with a gradient through its roundings; where its answers are those of a last softmax, what went into it.

    Labels stay the same. A softmax that cannot be looked behind gives the logarithm of its answers.
    """

    def logits(pictures: Tensor) -> Tensor:
        mode = _Around()
        with mode:
            out = network(pictures)
        if mode.last is not None and mode.last[0] is out:
            return mode.last[1]
        sums = bool((out >= 0).all()) and bool(((out.sum(1) - 1).abs() < 1e-3).all())
        return out.clamp(min=_LEAST).log() if sums else out

    return logits
