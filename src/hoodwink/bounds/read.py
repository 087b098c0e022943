"""Networks read into graphs: layers become affine maps and ReLUs that compute the same; a layer that cannot is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from hoodwink.bounds.graph import BoundsError, Graph
from hoodwink.bounds.layers import MODULES, Builder, Call, Unread, place

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
    start = 0 if mean is None and std is None else build.normalised(*_per_channel(shape[0], mean, std))
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


def _per_channel(channels: int, *values: Sequence[float] | None) -> list[Sequence[float]]:
    out = [(float(k),) * channels if given is None else given for k, given in enumerate(values)]
    if any(len(given) != channels for given in out):
        raise BoundsError(f"mean and std are {channels} numbers each, one for each channel; {[len(given) for given in out]} came")
    return out


def _traced(network: nn.Module) -> fx.GraphModule:
    network = nn.Sequential(network) if type(network) in MODULES else network  # its forward is not to be looked into
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
        self.extra_traceback = False  # errors stay one line
        self.build, self.start = build, start
        self.places: dict[fx.Node, int] = {}
        self.result: int | None = None

    def run_node(self, n: fx.Node) -> Any:
        """Also follows what the picture becomes."""
        args = [self.env[a].clone() if a in self.places else self._plain(a) for a in _flat(n.args)]  # a layer may work in place
        value = super().run_node(n)
        if n.op == "placeholder" and not self.places:
            self.places[n] = self.start
        elif n.op == "output":
            self.result = self.places.get(n.args[0]) if isinstance(n.args[0], fx.Node) else None
        elif isinstance(value, Tensor) and any(node in self.places for node in n.all_input_nodes):
            self.places[n] = self._follow(n, args, value)
        return value

    def _follow(self, n: fx.Node, args: list[Any], value: Tensor) -> int:
        module = self.fetch_attr(str(n.target)) if n.op == "call_module" else None
        name = str(n.target) if n.op == "call_module" else n.name
        places = tuple(self.places.get(a) if isinstance(a, fx.Node) else None for a in _flat(n.args))
        kwargs = {key: self._plain(a) for key, a in n.kwargs.items()}
        try:
            found = place(Call(self.build, name, places, tuple(args), kwargs, value, module), n.target)
            if self.build.nodes[found].shape != value.shape[1:]:
                raise Unread(" with these settings")
        except Unread as reason:
            kind = n.target if isinstance(n.target, str) else getattr(n.target, "__name__", str(n.target))
            kind = kind if module is None else type(module).__name__
            raise BoundsError(f"bounds cannot read layer {name!r} ({kind}){reason}; they know {KNOWN}") from reason
        return found

    def _plain(self, argument: Any) -> Any:
        return self.env[argument] if isinstance(argument, fx.Node) else argument


def _flat(arguments: Any) -> list[Any]:
    """A call's arguments side by side, those in lists too where they are nodes."""
    out: list[Any] = []
    for a in arguments:
        nested = isinstance(a, list | tuple) and any(isinstance(part, fx.Node) for part in a)
        out += _flat(a) if nested else [a]
    return out
