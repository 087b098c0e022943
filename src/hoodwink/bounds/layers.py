"""What each kind of layer is as affine maps and ReLUs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hoodwink.bounds.affine import Affine, Shape, Window, dense, difference, joined, picked, reshaped, scaling, strided, total
from hoodwink.bounds.graph import Graph, Node, assemble, forward

_BATCH_NORM = 8  # roundings of a value on its way through: the scale's own, the product, the sum


class Unread(Exception):
    """A layer that cannot be read, and why, as the end of a sentence."""


class Builder:
    """A graph in the making: nodes are added bottom up, and named by their index."""

    def __init__(self, shape: Shape, dtype: torch.dtype, device: torch.device) -> None:
        self.nodes = [Node("picture", shape)]
        self.dtype, self.device = dtype, device

    def add(self, name: str, inputs: Sequence[int], affine: Affine, largest: tuple[int, ...] = ()) -> int:
        """A node by an affine map."""
        examples = [torch.zeros((1, *self.nodes[source].shape), dtype=self.dtype, device=self.device) for source in inputs]
        self.nodes.append(Node(name, tuple(affine.push(*examples).shape[1:]), tuple(inputs), affine, largest))
        return len(self.nodes) - 1

    def relu(self, name: str, source: int) -> int:
        """A node that is the ReLU of another."""
        self.nodes.append(Node(name, self.nodes[source].shape, (source,)))
        return len(self.nodes) - 1

    def scaled(self, name: str, source: int, factor: Tensor, bias: Tensor, own: int, weight: Tensor | None = None) -> int:
        """factor * node + bias, both in double precision and broadcasting against the node with its batch dimension."""
        factor, bias = (t.to(self.dtype).to(self.device) for t in (factor, bias))
        return self.add(name, [source], scaling(factor, bias, None if weight is None else weight.to(bias), own))

    def constant(self, value: Any, source: int) -> Tensor:
        """A number or tensor that meets a node, in double precision, with the node's dimensions."""
        out = torch.as_tensor(value).double().to(self.device)
        wanted = (1, *self.nodes[source].shape)
        out = out.view((1,) * (len(wanted) - out.dim()) + tuple(out.shape))
        if len(out.shape) > len(wanted) or any(n not in (1, w) for n, w in zip(out.shape, wanted, strict=True)):
            raise Unread(" with a constant of another shape")
        return out

    def normalised(self, mean: Sequence[float], std: Sequence[float]) -> int:
        """(picture - mean) / std, of each channel."""
        shape = (1, -1, *[1] * (len(self.nodes[0].shape) - 1))
        middle, width = (torch.tensor(values, dtype=torch.float64).view(shape) for values in (mean, std))
        return self.scaled("normalisation", 0, 1 / width, -middle / width, 4, (middle / width).abs())

    def value(self, place: int, pictures: Tensor) -> Tensor:
        """A node at the head of the graph, of pictures."""
        for node in self.nodes[1 : place + 1]:
            pictures = forward(node, [pictures])
        return pictures

    def graph(self, last: int) -> Graph:
        """The graph whose logits are a node."""
        return assemble(self.nodes[: last + 1], self.dtype, self.device)


@dataclass(frozen=True)
class Call:
    """One call of the network: a module or function, its arguments side by side, what they and the result are for two pictures.

    places: for each argument the node that it is, None for constants.
    """

    build: Builder
    name: str
    places: tuple[int | None, ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    value: Tensor
    module: nn.Module | None = None

    @property
    def source(self) -> int:
        """The node that is the first argument."""
        if not self.places or self.places[0] is None:
            raise Unread(" of a constant")
        return self.places[0]

    @property
    def shape(self) -> Shape:
        return self.build.nodes[self.source].shape


def _same(call: Call) -> int:
    return call.source


def _relu(call: Call) -> int:
    return call.build.relu(call.name, call.source)


def _linear(call: Call, module: nn.Linear) -> int:
    if len(call.shape) != 1:
        raise Unread(" of more than one dimension")
    return call.build.add(call.name, [call.source], dense(module.weight.detach(), _detached(module.bias)))


def _conv(call: Call, module: nn.Conv2d) -> int:
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise Unread(" with padding other than a number of zeros")
    stride, padding, dilation = (_pair(v) for v in (module.stride, module.padding, module.dilation))
    window = Window(stride, padding, dilation, module.groups)
    return _convolved(call, call.source, module.weight.detach(), _detached(module.bias), window)


def _convolved(call: Call, source: int, weight: Tensor, bias: Tensor | None, window: Window) -> int:
    for affine in strided(weight, bias, window, call.build.nodes[source].shape[1:]):
        source = call.build.add(call.name, [source], affine)
    return source


def _batch_norm(call: Call, module: nn.BatchNorm2d) -> int:
    if module.running_mean is None or module.running_var is None:
        raise Unread(" without running statistics")
    middle, spread = module.running_mean.double(), (module.running_var.double() + module.eps).sqrt()
    gain = 1 / spread if module.weight is None else module.weight.detach().double() / spread
    base = torch.zeros_like(gain) if module.bias is None else module.bias.detach().double()
    shape = (1, -1, *[1] * (len(call.shape) - 1))
    factor, bias, weight = (t.view(shape) for t in (gain, base - middle * gain, base.abs() + (middle * gain).abs()))
    return call.build.scaled(call.name, call.source, factor, bias, _BATCH_NORM, weight)


def _leaky(call: Call, module: nn.LeakyReLU) -> int:
    """s x + (1 - s) max(x, 0)."""
    if not 0 <= module.negative_slope <= 1:
        raise Unread(" with a slope outside [0, 1]")
    slope, none = (torch.tensor(v, dtype=torch.float64) for v in (module.negative_slope, 0.0))
    parts = [call.build.scaled(call.name, call.source, slope, none, 1)]
    parts.append(call.build.scaled(call.name, call.build.relu(call.name, call.source), 1 - slope, none, 1))
    return call.build.add(call.name, parts, total())


def _clipped(call: Call, module: nn.Hardtanh) -> int:
    """max(x, low) = low + ReLU(x - low), and likewise min(that, high) = high - ReLU(high - that)."""
    build, low, high, one = call.build, *(torch.tensor(v, dtype=torch.float64) for v in (module.min_val, module.max_val, 1.0))
    above = build.relu(call.name, build.scaled(call.name, call.source, one, -low, 0))
    return build.scaled(call.name, build.relu(call.name, build.scaled(call.name, above, -one, high - low, 0)), -one, high, 0)


def _average(call: Call, module: nn.AvgPool2d) -> int:
    if module.ceil_mode:
        raise Unread(" with ceil_mode")
    kernel, stride, padding = (_pair(v) for v in (module.kernel_size, module.stride, module.padding))
    divisor = module.divisor_override or kernel[0] * kernel[1]
    out = _averaged(call, kernel, Window(stride, padding), 1 / divisor)
    if module.count_include_pad or padding == (0, 0) or module.divisor_override:
        return out
    ones = torch.ones((1, 1, *call.shape[1:]), dtype=torch.float64)
    inside = F.avg_pool2d(ones, kernel, stride, padding)  # the share of each window that is not padding
    return call.build.scaled(call.name, out, 1 / inside, torch.zeros(1, 1, 1, 1), 2)


def _adaptive(call: Call, module: nn.AdaptiveAvgPool2d) -> int:
    asked = module.output_size if isinstance(module.output_size, tuple) else (module.output_size, module.output_size)
    wanted = [s if w is None else w for s, w in zip(call.shape[1:], asked, strict=True)]
    if any(s % w for s, w in zip(call.shape[1:], wanted, strict=True)):
        raise Unread(" where the windows differ in size")
    kernel = (call.shape[1] // wanted[0], call.shape[2] // wanted[1])
    return _averaged(call, kernel, Window(kernel), 1 / (kernel[0] * kernel[1]))


def _averaged(call: Call, kernel: Shape, window: Window, share: float) -> int:
    channels = call.shape[0]
    weight = torch.full((channels, 1, *kernel), share, dtype=call.build.dtype, device=call.build.device)
    return _convolved(call, call.source, weight, None, replace(window, groups=channels))


def _mean(call: Call) -> int:
    """The mean of each channel."""
    whole = _averaged(call, call.shape[1:], Window(), 1 / (call.shape[1] * call.shape[2])) if len(call.shape) == 3 else None
    if whole is None or call.value.shape not in ((2, call.shape[0]), (2, call.shape[0], 1, 1)):
        raise Unread(" over other dimensions than height and width")
    return call.build.add(call.name, [whole], reshaped((call.shape[0], 1, 1), tuple(call.value.shape[1:])))


def _largest(call: Call, module: nn.MaxPool2d) -> int:
    """The largest of a window's places, two at a time: max(a, b) = b + ReLU(a - b)."""
    kernel, stride, padding, dilation = (_pair(v) for v in (module.kernel_size, module.stride, module.padding, module.dilation))
    if module.ceil_mode or dilation != (1, 1) or module.return_indices:
        raise Unread(" with ceil_mode, dilation or indices")
    if padding != (0, 0) and not call.build.nodes[call.source].relu:
        raise Unread(" with padding, unless right behind a ReLU")  # where nothing is below the zeros that pad
    build, count = call.build, tuple(call.value.shape[2:])
    corners = [(i, j) for i in range(kernel[0]) for j in range(kernel[1])]
    found = [build.add(call.name, [call.source], picked(at, stride, padding, count, call.shape[1:])) for at in corners]
    while len(found) > 1:
        pairs = list(zip(found[::2], found[1::2], strict=False))
        found = [_larger(call, one, other) for one, other in pairs] + found[2 * len(pairs) :]
    return found[0]


def _larger(call: Call, one: int, other: int) -> int:
    more = call.build.relu(call.name, call.build.add(call.name, [one, other], difference()))
    return call.build.add(call.name, [other, more], total(own=0), largest=(one, other))


def _reshaped(call: Call) -> int:
    if call.value.shape[0] != 2 or not torch.equal(call.value.reshape(2, -1), call.args[0].reshape(2, -1)):
        raise Unread(" that mixes pictures or changes the order")
    return call.build.add(call.name, [call.source], reshaped(call.shape, tuple(call.value.shape[1:])))


def _joined(call: Call) -> int:
    parts = [place for place in call.places if place is not None]
    shapes = [call.build.nodes[place].shape for place in parts]
    channels = [shape[0] for shape in shapes]
    if len({shape[1:] for shape in shapes}) > 1 or call.value.shape[1:] != (sum(channels), *shapes[0][1:]):
        raise Unread(" of constants or along another dimension than the channels")
    return call.build.add(call.name, parts, joined(channels))


def _sum(call: Call) -> int:
    return _combined(call, 1.0)


def _less(call: Call) -> int:
    return _combined(call, -1.0)


def _combined(call: Call, sign: float) -> int:
    """one + sign * other, of which one may be a constant."""
    (one, other), (first, second) = call.places[:2], call.args[:2]
    build, plus, minus = call.build, torch.tensor(1.0).double(), torch.tensor(sign).double()
    if call.kwargs.get("alpha", 1) != 1:
        raise Unread(" with alpha")
    if one is None:
        return build.scaled(call.name, _some(other), minus, build.constant(first, _some(other)), 1)
    if other is None:
        return build.scaled(call.name, one, plus, sign * build.constant(second, one), 1)
    if build.nodes[one].shape != build.nodes[other].shape:
        raise Unread(" of different shapes")
    if sign < 0:
        other = build.scaled(call.name, other, minus, torch.zeros(()), 0)
    return build.add(call.name, [one, other], total())


def _product(call: Call) -> int:
    (one, other), (first, second) = call.places[:2], call.args[:2]
    place, constant = (_some(other), first) if one is None else (one, second)
    if one is not None and other is not None:
        raise Unread(" of two feature maps")
    return call.build.scaled(call.name, place, call.build.constant(constant, place), torch.zeros(()), 1)


def _quotient(call: Call) -> int:
    if call.places[0] is None or call.places[1] is not None:
        raise Unread(" by a feature map")
    return call.build.scaled(call.name, call.source, 1 / call.build.constant(call.args[1], call.source), torch.zeros(()), 3)


def _negative(call: Call) -> int:
    return call.build.scaled(call.name, call.source, torch.tensor(-1.0).double(), torch.zeros(()), 0)


def _no_dropout(call: Call) -> int:
    if not torch.equal(call.value, call.args[0]):
        raise Unread(" in training; pass training=self.training and call network.eval()")
    return call.source


def _some(place: int | None) -> int:
    if place is None:
        raise Unread(" of constants")
    return place


def _detached(bias: Tensor | None) -> Tensor | None:
    return None if bias is None else bias.detach()


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


_Layer = Callable[[Call, Any], int]
_Function = Callable[[Call], int]

MODULES: dict[type[nn.Module], _Layer] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.ReLU: lambda call, module: _relu(call),
    nn.ReLU6: _clipped,
    nn.Hardtanh: _clipped,
    nn.LeakyReLU: _leaky,
    nn.AvgPool2d: _average,
    nn.AdaptiveAvgPool2d: _adaptive,
    nn.MaxPool2d: _largest,
    nn.Flatten: lambda call, module: _reshaped(call),
    nn.Identity: lambda call, module: _same(call),
    nn.Dropout: lambda call, module: _same(call),
    nn.Dropout2d: lambda call, module: _same(call),
}


def _as(module: Callable[..., nn.Module]) -> _Function:
    """A function that takes what the module of the same kind does."""

    def function(call: Call) -> int:
        made = module(*call.args[1:], **call.kwargs)
        return MODULES[type(made)](call, made)

    return function


FUNCTIONS: dict[Any, _Function] = {
    **dict.fromkeys((F.relu, torch.relu, torch.relu_, "relu", "relu_"), _relu),
    F.relu6: _as(nn.ReLU6),
    F.hardtanh: _as(nn.Hardtanh),
    F.leaky_relu: _as(nn.LeakyReLU),
    F.avg_pool2d: _as(nn.AvgPool2d),
    F.adaptive_avg_pool2d: _as(nn.AdaptiveAvgPool2d),
    F.max_pool2d: _as(nn.MaxPool2d),
    F.dropout: _no_dropout,
    **dict.fromkeys((torch.flatten, torch.reshape, torch.squeeze, "flatten", "view", "reshape", "squeeze", "contiguous"), _reshaped),
    **dict.fromkeys((torch.mean, "mean"), _mean),
    **dict.fromkeys((torch.cat, torch.concat), _joined),
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), _sum),
    **dict.fromkeys((operator.sub, operator.isub, torch.sub, "sub", "sub_"), _less),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul, "mul", "mul_"), _product),
    **dict.fromkeys((operator.truediv, operator.itruediv, torch.div, "div", "div_"), _quotient),
    **dict.fromkeys((operator.neg, torch.neg, "neg"), _negative),
}


def place(call: Call, target: Any) -> int:
    """The node that a call's result is; Unread where there is none."""
    if call.module is not None:
        if type(call.module) not in MODULES:
            raise Unread("")
        return MODULES[type(call.module)](call, call.module)
    if target not in FUNCTIONS:
        raise Unread("")
    return FUNCTIONS[target](call)
