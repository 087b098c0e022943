"""Networks read into graphs: layers become affine maps and ReLUs that compute the same; a layer that cannot is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from hoodwink.bounds.graph import BoundsError, Graph
from hoodwink.bounds.layers import LAYERS, SAME, Builder, Unread, binary, concatenated, mean_over, reshape

KNOWN = "Linear, Conv2d, BatchNorm, ReLU, LeakyReLU, Hardtanh, average and max pooling, sums, torch.cat and reshaping"
TOLERANCE = 1e-3  # between the graph's logits and the network's, of their size: what is read as something else is farther off


def read(network: nn.Module, shape: Sequence[int], mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> Graph:
    """The graph of a network in evaluation mode, from pictures C x H x W in [0, 1] to logits; BoundsError names what cannot be read.

    mean, std: of each channel, for a network that takes (picture - mean) / std.
    """
    parameter = next(network.parameters(), torch.empty(0))
    _check(network, parameter.dtype)
    build = Builder(tuple(shape), parameter.dtype, parameter.device)
    pictures = torch.rand((2, *shape), generator=torch.Generator().manual_seed(0)).to(parameter)
    start = build.normalised(mean, std) if mean is not None or std is not None else 0
    with torch.no_grad():
        reader = _Reader(_traced(network), build, start)
        logits = reader.run(build.value(start, pictures))
        return _checked(build, reader.result, pictures, logits)


def _check(network: nn.Module, dtype: torch.dtype) -> None:
    if dtype not in (torch.float32, torch.float64):
        raise BoundsError(f"bounds need a network in float32 or float64, this one is in {dtype}; convert it by network.float()")
    for name, module in network.named_modules():
        if module.training and isinstance(module, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd):
            raise BoundsError(f"layer {name!r} ({type(module).__name__}) is in training mode; call network.eval() first")


def _traced(network: nn.Module) -> fx.GraphModule:
    try:
        return fx.GraphModule(network, fx.Tracer().trace(network))
    except Exception as error:  # whatever the network's own code makes of a symbolic picture
        reason = str(error).partition("\n")[0]
        raise BoundsError(f"bounds need a forward pass without decisions on the picture, this one cannot be traced: {reason}") from error


def _checked(build: Builder, last: int | None, pictures: Tensor, logits: Any) -> Graph:
    if last is None or not isinstance(logits, Tensor) or logits.dim() != 2:
        raise BoundsError("bounds need a network that returns logits, N x classes")
    graph = build.graph(last)
    off = float((graph.outputs(pictures) - logits).abs().max())
    if not off <= TOLERANCE * max(1.0, float(logits.abs().max())):
        raise BoundsError(f"the network was read wrongly (its logits are {off:.2g} away); does a layer change its input in place?")
    return graph


class _Reader(fx.Interpreter):
    """Runs a traced network on example pictures and builds the graph on the way. result: the logits' node."""

    def __init__(self, traced: fx.GraphModule, build: Builder, start: int) -> None:
        super().__init__(traced, garbage_collect_values=False)
        self.build, self.start = build, start
        self.places: dict[fx.Node, int] = {}
        self.result: int | None = None

    def run_node(self, n: fx.Node) -> Any:
        """Also follows what the picture becomes."""
        name, kind = self._named(n)
        before = [self.env[node].clone() for node in n.all_input_nodes if node in self.places]  # a layer may work in place
        value = super().run_node(n)
        try:
            place = self._place(n, name, value, before)
        except Unread as reason:
            raise BoundsError(f"bounds cannot read layer {name!r} ({kind}){reason}; they know {KNOWN}") from reason
        if place is not None:
            self.places[n] = place
        return value

    def _place(self, n: fx.Node, name: str, value: Any, before: list[Tensor]) -> int | None:
        if n.op == "placeholder":
            return None if self.places else self.start
        if n.op == "output":
            argument = n.args[0]
            self.result = self.places.get(argument) if isinstance(argument, fx.Node) else None
            return None
        if not before or not isinstance(value, Tensor):
            return None  # a weight, a shape
        place = self._layer(n, name, value, before)
        if self.build.nodes[place].shape != value.shape[1:]:
            raise Unread(" with these settings")
        return place

    def _layer(self, n: fx.Node, name: str, value: Tensor, before: list[Tensor]) -> int:
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        places = [self.places[node] for node in n.all_input_nodes if node in self.places]
        if n.op == "call_module":
            return LAYERS.get(type(self.fetch_attr(str(n.target))), _unread)(self.build, name, places[0], self.fetch_attr(str(n.target)))
        ...

    def _named(self, n: fx.Node) -> tuple[str, str]: ...
