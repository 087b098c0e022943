"""Networks read into graphs: layers become affine maps and ReLUs, exactly; what cannot is named."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from hoodwink.bounds.affine import Affine, Window, convolution, dense, difference, joined, picked, reshaped, scaling, strided, total
from hoodwink.bounds.graph import BoundsError, Graph, Node, find_root

KNOWN = "Linear, Conv2d, BatchNorm, ReLU, LeakyReLU, Hardtanh, pooling, sums, concatenation and what only reshapes"
DTYPES = (torch.float32, torch.float64)
TOLERANCE = 1e-3  # between the graph's logits and the network's, of their size: only a misread layer is that far off

_Modules = nn.Linear | nn.Conv2d  # what _LAYERS takes, for instance


def read(network: nn.Module, shape: Sequence[int], mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> Graph:
    """The graph of a network in evaluation mode, from pictures C x H x W in [0, 1] to logits; BoundsError names what it cannot be.

    mean, std: of each channel, for a network that takes (picture - mean) / std.
    """
    _check_mode(network)
    parameter = next(network.parameters(), torch.empty(0))
    if parameter.dtype not in DTYPES:
        raise BoundsError(f"bounds need a network in float32 or float64, this one is in {parameter.dtype}; convert it by network.float()")
    build = _Builder(tuple(shape), parameter.dtype, parameter.device)
    start = 0
    if mean is not None or std is not None:
        start = build.normalised(mean or (0.0,) * shape[0], std or (1.0,) * shape[0])
    try:
        traced = fx.GraphModule(network, fx.Tracer().trace(network))
    except Exception as error:  # whatever the network's own code raises on a symbolic picture
        reason = str(error).partition("\n")[0]
        raise BoundsError(f"the network's forward cannot be traced ({reason}); bounds need one without decisions on the picture") from error
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand((2, *shape), generator=generator).to(parameter)
    reader = _Reader(traced, build, start)
    logits = reader.run(build.example(pictures, start))
    return build.graph(pictures, logits)


def _check_mode(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if module.training and isinstance(module, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd):
            raise BoundsError(f"layer {name!r} ({type(module).__name__}) is in training mode; call network.eval() first")
