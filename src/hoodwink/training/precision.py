"""Half precision where it pays, and memory that stays."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor, nn
from torch.func import functional_call

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # glibc's mallopt


def halved(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network in bfloat16 over weights that stay float32, and so do its batch norms; gradients reach the weights.

    Faster than autocast, which turns to and fro around every norm.
    """
    norms = {
        id(value) for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm) for value in module.parameters()
    }
    turned = {name: value for name, value in network.named_parameters() if id(value) not in norms}

    def forward(inputs: Tensor) -> Tensor:
        half = {name: value.to(torch.bfloat16) for name, value in turned.items()}
        outputs: Tensor = functional_call(network, half, (inputs.to(torch.bfloat16),))
        return outputs

    return forward


def keep_memory() -> None:
    """Let the process keep what it frees: a step asks for the same tensors as the one before, and fresh pages cost up to a fifth of it."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            libc = ctypes.CDLL(None)
            libc.mallopt(_MMAP_MAX, 0)
            libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
