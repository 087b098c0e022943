"""What each layer of a network makes of a picture: shapes, parameters, and the formulas that give both."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _AvgPoolNd, _MaxPoolNd

from hoodwink.models.card import ModelError

_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)
_WHOLE = (_ConvNd, nn.Linear, *_NORMS, nn.MultiheadAttention)  # whatever modules they are made of, these are one layer
_POOLS: dict[type[nn.Module], int] = {nn.MaxPool1d: 1, nn.AvgPool1d: 1, nn.MaxPool3d: 3, nn.AvgPool3d: 3}  # others have two axes
_AXES = {1: ("L",), 2: ("H", "W"), 3: ("T", "H", "W")}

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One call of a layer.

    name: as in `network.named_modules()`, "" for the network itself. inputs, output: shapes for one picture, without the batch; both
    are empty for a layer that is never called. parameters: those that no line before it counts; trained: of them, those that are
    trained. formula: how size and number of parameters come about; empty where there is nothing to say.
    """

    name: str
    kind: str
    inputs: Shape
    output: Shape
    parameters: int
    trained: int
    formula: str


@dataclass(frozen=True)
class _Call:
    name: str
    layer: nn.Module
    inputs: Shape = ()
    output: Shape | None = None  # None: it is never called


def layers(network: nn.Module, shape: Sequence[int], *, trained: Collection[str] | None = None, text: bool = False) -> tuple[Layer, ...]:
    """The layers of a network in the order in which a picture, C x H x W, or a text of T steps, (T,), goes through them.

    Those never called that hold parameters are last.

    Layers are modules without modules in them, and any other that holds parameters itself; what `forward` does without a module is not
    seen. trained: names of the parameters that are trained; without it, those that take gradients. The network is asked in evaluation
    mode and left as it was. Raises ModelError for a shape that it does not take.
    """
    units = list(_units(network))
    calls = _follow(network, units, shape, text)
    called = {id(call.layer) for call in calls}
    calls += [_Call(name, layer) for name, layer in units if id(layer) not in called and _own(layer)]
    taken = {id(p) for name, p in network.named_parameters() if (p.requires_grad if trained is None else name in trained)}
    counted: set[int] = set()
    return tuple(_layer(call, taken, counted) for call in calls)


def _units(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules that are layers, with their names."""
    inside: set[int] = set()
    for name, module in network.named_modules():
        if id(module) in inside:
            continue
        if isinstance(module, _WHOLE):
            inside.update(id(part) for part in module.modules())
        if isinstance(module, _WHOLE) or not any(True for _ in module.children()) or _own(module):
            yield name, module


def _own(layer: nn.Module) -> list[nn.Parameter]:
    """The parameters that a layer holds itself."""
    return list(layer.parameters(recurse=isinstance(layer, _WHOLE)))


def _follow(network: nn.Module, units: list[tuple[str, nn.Module]], shape: Sequence[int], text: bool) -> list[_Call]:
    """The calls of the layers while one picture goes through the network."""
    calls: list[_Call] = []

    def hook(name: str) -> Any:
        def note(layer: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            calls.append(_Call(name, layer, _shape((args, kwargs)), _shape(output)))

        return note

    like = next((value for value in [*network.parameters(), *network.buffers()] if value.is_floating_point()), torch.zeros(()))
    example = torch.ones(1, *shape, dtype=torch.int64 if text else like.dtype, device=like.device)
    hooks = [layer.register_forward_hook(hook(name), with_kwargs=True) for name, layer in units]
    try:
        with torch.no_grad(), _evaluating(network):
            network(example)
    except Exception as error:  # foreign code may raise anything
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ModelError(
            f"the network does not take {'texts' if text else 'pictures'} of {times(shape)} ({reason}); give the size and channels that it takes"
        ) from error
    finally:
        for one in hooks:
            one.remove()
    return calls


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _shape(value: Any) -> Shape:
    """The shape of the first tensor in what a layer takes or gives, without the batch of one."""
    if isinstance(value, Tensor):
        return tuple(value.shape[1:] if value.shape[:1] == (1,) else value.shape)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return next(filter(None, map(_shape, parts)), ())


def _layer(call: _Call, taken: set[int], counted: set[int]) -> Layer:
    own = _own(call.layer)
    new = [value for value in own if id(value) not in counted]
    counted.update(map(id, new))
    numbers = _count(call.layer, own)
    if len(new) < len(own):
        numbers += ", counted above" if not new else ", partly counted above"
    said = ["never called" if call.output is None else _size(call.layer, call.inputs, call.output), numbers]
    return Layer(
        call.name,
        type(call.layer).__name__,
        call.inputs,
        call.output or (),
        sum(value.numel() for value in new),
        sum(value.numel() for value in new if id(value) in taken),
        "; ".join(filter(None, said)),
    )


def _size(layer: nn.Module, inputs: Shape, output: Shape) -> str:
    """How the size of the output comes about; empty where the formula is not this layer's."""
    if isinstance(layer, nn.Flatten):
        return f"{times(inputs)} = {output[0]}" if len(inputs) > len(output) == 1 else ""
    if isinstance(layer, (_AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd)):
        asked = layer.output_size if isinstance(layer.output_size, tuple) else (layer.output_size,)
        return f"{times(output[1:])} from any size" if None not in asked else ""
    if not isinstance(layer, (_ConvNd, _MaxPoolNd, _AvgPoolNd)):
        return ""
    count = len(layer.kernel_size) if isinstance(layer, _ConvNd) else next((n for kind, n in _POOLS.items() if isinstance(layer, kind)), 2)
    found = [_axis(layer, k, count, inputs[k - count], output[k - count]) for k in range(count)]
    if not all(found):
        return ""
    if len({line.replace("H", "W") for line in found}) == 1:
        return found[-1]
    return ", ".join(f"{axis}: {line}" for axis, line in zip(_AXES[count], found, strict=True))


def _axis(layer: Any, k: int, count: int, before: int, after: int) -> str:
    """The formula of one axis; empty where it does not give what came out (a subclass may pad as it likes)."""
    w = _AXES[count][k]
    kernel, stride, dilation = (_at(getattr(layer, name, 1), k) for name in ("kernel_size", "stride", "dilation"))
    named = {"same": dilation * (kernel - 1), "valid": 0}
    both = named[layer.padding] if isinstance(layer.padding, str) else 2 * _at(layer.padding, k)
    if isinstance(layer, _ConvTransposeNd):
        more = _at(layer.output_padding, k)
        value = (before - 1) * stride - both + dilation * (kernel - 1) + more + 1
        symbols, digits = (
            f"({w} - 1)S - 2P + D(K - 1) + O + 1",
            f"{before - 1} x {stride} - {both} + {dilation} x {kernel - 1} + {more} + 1",
        )
        return f"{symbols} = {digits} = {value}" if value == after else ""
    reach, length = ("D(K - 1) - 1", f"{dilation}({kernel} - 1) - 1") if dilation > 1 else ("K", f"{kernel}")
    span = before - dilation * (kernel - 1) - 1 + both
    rounded = ("ceil" if getattr(layer, "ceil_mode", False) else "floor") if span % stride else ""
    value = (-(-span // stride) if rounded == "ceil" else span // stride) + 1
    symbols, digits = f"({w} - {reach} + 2P)/S", f"({before} - {length} + {both})/{stride}"
    if rounded:
        symbols, digits = f"{rounded}({symbols})", f"{rounded}({digits})"
    return f"{symbols} + 1 = {digits} + 1 = {value}" if value == after else ""


def _count(layer: Any, own: list[nn.Parameter]) -> str:
    """How the number of parameters comes about."""
    total = sum(value.numel() for value in own)
    if not own:
        return ""
    symbols, digits, value = _known(layer, own)
    if value != total:  # made of other tensors than the layers of torch
        symbols, digits = "", " + ".join(times(part.shape) or "1" for part in own)
    said = " = ".join(filter(None, (symbols, digits)))
    return said if digits == str(total) else f"{said} = {total:,}"


def _known(layer: Any, own: list[nn.Parameter]) -> tuple[str, str, int]:
    """The formula in symbols and in digits, and its value; -1 for layers without one."""
    if isinstance(layer, nn.Linear):
        out, inputs = layer.out_features, layer.in_features
        if layer.bias is None:
            return "out x in", f"{out} x {inputs}", out * inputs
        return "out x (in + 1)", f"{out} x ({inputs} + 1)", out * (inputs + 1)
    if isinstance(layer, _ConvNd):
        return _convolution(layer)
    if isinstance(layer, _NORMS):
        size, many = own[0].numel(), len(own)
        return ("2 x channels", f"2 x {size}", 2 * size) if many == 2 else ("channels", f"{size}", size)
    return "", "", -1


def _convolution(layer: _ConvNd) -> tuple[str, str, int]:
    turned = isinstance(layer, _ConvTransposeNd)
    kernel, groups = layer.kernel_size, layer.groups
    first, second = (layer.in_channels, layer.out_channels) if turned else (layer.out_channels, layer.in_channels)
    names = ("in", "out") if turned else ("out", "in")
    sides = ["K"] * len(kernel) if len(set(kernel)) == 1 else [f"K{axis}" for axis in _AXES[len(kernel)]]
    patch = " x ".join([f"{names[1]}/groups" if groups > 1 else names[1], *sides])
    digits = " x ".join([f"{second}/{groups}" if groups > 1 else f"{second}", times(kernel)])
    weights = second // groups * math.prod(kernel)
    if layer.bias is None:
        return f"{names[0]} x {patch}", f"{first} x {digits}", first * weights
    if turned:
        return f"{names[0]} x {patch} + out", f"{first} x {digits} + {second}", first * weights + second
    return f"{names[0]} x ({patch} + 1)", f"{first} x ({digits} + 1)", first * (weights + 1)


def times(shape: Sequence[int]) -> str:
    """A shape in words: 3 x 32 x 32."""
    return " x ".join(map(str, shape))


def _at(value: Any, axis: int) -> int:
    return int(value if isinstance(value, int) else value[axis if len(value) > 1 else 0])
