"""A copy of a network that does the same in fewer and cheaper steps: batch norms folded, paddings merged, activations in place."""

from __future__ import annotations

import copy
import math
import operator
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.autograd.function import once_differentiable

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_WEIGHTED = (*_CONVOLUTIONS, *_TRANSPOSED, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_IDLE = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_Layer = TypeVar("_Layer", bound=nn.Module)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True)
class Change:
    """One thing done to one layer."""

    kind: str
    layer: str


class Changes:
    """The changes made to a copy: the first `limit` offered that are not refused; `left` says what stayed as it was, and why."""

    def __init__(self, refused: Collection[Change] = (), limit: int | None = None) -> None:
        self.refused, self.limit = refused, limit
        self.taken: list[Change] = []
        self.left: dict[str, str] = {}

    def take(self, kind: str, layer: str) -> bool:
        change = Change(kind, layer)
        if change in self.refused or len(self.taken) == self.limit:
            return False
        self.taken.append(change)
        return True


class Clip(nn.Module):
    """Clamp to low..high in place, saving the result alone; with `fresh` the gradient that comes back is overwritten too."""

    def __init__(self, low: float, high: float, fresh: bool) -> None:
        super().__init__()
        self.low, self.high, self.fresh = low, high, fresh

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _ClipInPlace.apply(x, self.low, self.high, self.fresh)  # type: ignore[no-untyped-call]
        return out


class _ClipInPlace(torch.autograd.Function):
    # torch's own hardtanh_ copies its input for the backward pass, although its result says as much; relu_ does not, and needs no help.
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float, fresh: bool) -> Tensor:
        out = x.clamp_(low, high)
        ctx.mark_dirty(x)
        ctx.save_for_backward(out)
        ctx.low, ctx.high, ctx.fresh = low, high, fresh
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (out,) = ctx.saved_tensors
        into = gradient if ctx.fresh else torch.empty_like(gradient)
        torch.ops.aten.hardtanh_backward.grad_input(gradient, out, ctx.low, ctx.high, grad_input=into)
        return into, None, None, None


def rebuild(network: nn.Module, changes: Changes, example: Tensor, *, in_place: bool = True) -> nn.Module:
    """Copy a network in evaluation mode and make the changes; it shares with the original every weight that stays as it is.

    example: an input; a padding that depends on the size is merged as this size has it, so the copy is good for inputs of this
    size alone. Where the network cannot be traced by torch.fx, its children are, each for itself.
    """
    copied = _rework(_copy(network), "the network", changes, example, in_place)
    convolutions = [module for module in copied.modules() if type(module) in (nn.Conv2d, nn.ConvTranspose2d)]
    if convolutions and changes.take("channels-last", "the convolutions"):
        for module in convolutions:
            weight = module._parameters.get("weight")
            if weight is not None:
                module._parameters["weight"] = _frozen(weight.contiguous(memory_format=torch.channels_last))
    return copied


def _copy(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network, {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())})


def _rework(module: nn.Module, name: str, changes: Changes, example: Tensor | None, in_place: bool) -> nn.Module:
    traced = _trace(module)
    if isinstance(traced, fx.GraphModule) and changes.take("traced", name):
        if example is not None:
            _Sizes(traced).run(example)
        _simplify(traced, "" if example is not None else f"{name}.", changes, in_place)
        return traced
    if isinstance(traced, str):
        changes.left[name] = traced
    done: dict[int, nn.Module] = {}  # a child used under two names stays one
    for key, child in module.named_children():
        if id(child) not in done:
            path = key if example is not None else f"{name}.{key}"
            done[id(child)] = _rework(child, path, changes, None, in_place) if _is_block(child) else child
    for key, kept in module._modules.items():
        module._modules[key] = None if kept is None else done[id(kept)]
    return module


def _is_block(module: nn.Module) -> bool:
    return isinstance(module, _CONTAINERS) or not type(module).__module__.startswith("torch.")


def _hooked(module: nn.Module) -> bool:
    return any(getattr(module, hooks) for hooks in _HOOKS)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return _hooked(module) or super().is_leaf_module(module, name)


def _trace(module: nn.Module) -> fx.GraphModule | str | None:
    """The module as a graph; the reason if it has none; None for a mere list of modules."""
    if isinstance(module, (nn.ModuleList, nn.ModuleDict)):
        return None
    if _hooked(module):
        return "has hooks"
    tracer = _Tracer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            graph = tracer.trace(_copy(module))  # of a copy: what a forward pass stores on its module would be a tracer's proxy
        except Exception as error:  # noqa: BLE001 - a foreign network may raise anything
            reason = (str(error) or type(error).__name__).strip().partition("\n")[0]
            return f"cannot be traced ({reason})"
    traced = fx.GraphModule(tracer.root, graph)
    for node in traced.graph.nodes:
        inside = [str(path) for path in node.meta.get("nn_module_stack", {})][-1:]
        node.meta["layer"] = str(node.target) if node.op == "call_module" else ".".join([*filter(None, inside), node.name])
    return traced


class _Sizes(fx.Interpreter):
    """Runs a graph and notes what its paddings are and how many dimensions its tensors have."""

    def run_node(self, n: fx.Node) -> Any:
        if n.target is F.pad:
            arguments, named = self.fetch_args_kwargs_from_env(n)
            n.meta["pad"] = named["pad"] if "pad" in named else arguments[1]
        out = super().run_node(n)
        if isinstance(out, Tensor):
            n.meta["ndim"] = out.ndim
        return out


def _simplify(traced: fx.GraphModule, prefix: str, changes: Changes, in_place: bool) -> None:
    for node in traced.graph.nodes:
        node.meta["layer"] = prefix + node.meta["layer"]
    for step in (_drop_assertions, _drop_idle, _merge_paddings, _fold_norms, *([_clip_in_place] if in_place else [])):
        for node in list(traced.graph.nodes):
            step(traced, node, changes)
    traced.delete_all_unused_submodules()
    traced.recompile()


def _layer(traced: fx.GraphModule, node: Any) -> nn.Module | None:
    """The layer that a node calls, unless hooks on it want to see the call."""
    if not isinstance(node, fx.Node) or node.op != "call_module":
        return None
    module = traced.get_submodule(str(node.target))
    return None if _hooked(module) else module


def _argument(node: fx.Node, position: int, name: str, default: Any = None) -> Any:
    return node.kwargs.get(name, node.args[position] if len(node.args) > position else default)


def _put(traced: fx.GraphModule, node: fx.Node, module: nn.Module) -> None:
    """Let one call use a new layer; other calls of the old layer keep it."""
    node.target = f"prepared_{node.name}"
    traced.add_module(node.target, module)


def _drop(traced: fx.GraphModule, node: fx.Node, instead: fx.Node | None = None) -> None:
    """Take a node out, and the arithmetic that served it alone."""
    served = node.all_input_nodes
    if instead is not None:
        node.replace_all_uses_with(instead)
    traced.graph.erase_node(node)
    for one in served:
        if one is not instead and not one.users and one.op in ("call_function", "call_method", "get_attr"):
            _drop(traced, one)


def _drop_assertions(traced: fx.GraphModule, node: fx.Node, changes: Changes) -> None:
    # Assertions are about shapes, which are those of the example; while they stay, a convolution has more readers than its batch norm.
    # Their messages read shapes too, for nobody.
    if node.target is torch._assert or (node.target is getattr and not node.users):
        _drop(traced, node)


def _drop_idle(traced: fx.GraphModule, node: fx.Node, changes: Changes) -> None:
    layer = _layer(traced, node)
    idle = type(layer) in _IDLE and layer is not None and not layer.training
    idle |= node.target is F.dropout and _argument(node, 2, "training", True) is False
    before = _argument(node, 0, "input")
    if idle and isinstance(before, fx.Node) and changes.take("idle layer removed", node.meta["layer"]):
        _drop(traced, node, before)


def _merge_paddings(traced: fx.GraphModule, node: fx.Node, changes: Changes) -> None:
    amounts = _padding(traced, node)
    if amounts is None or len(node.users) != 1:
        return
    (user,) = node.users
    before, convolution = _argument(node, 0, "input"), _layer(traced, user)
    if type(convolution) is not nn.Conv2d or not isinstance(before, fx.Node):
        return
    merged = _padded(convolution, amounts)
    if merged is None:
        changes.left[node.meta["layer"]] = "its padding does not fit into the convolution's own"
    elif changes.take("padding merged", node.meta["layer"]):
        _put(traced, user, merged)
        _drop(traced, node, before)


def _padding(traced: fx.GraphModule, node: fx.Node) -> tuple[int, int, int, int] | None:
    """Zeros that a node adds: left, right, top, bottom."""
    layer = _layer(traced, node)
    amounts: Any = None
    if type(layer) in (nn.ZeroPad2d, nn.ConstantPad2d) and not getattr(layer, "value", 0):
        amounts = getattr(layer, "padding", None)
    elif node.target is F.pad and _argument(node, 2, "mode", "constant") == "constant" and not _argument(node, 3, "value"):
        amounts = node.meta.get("pad", _argument(node, 1, "pad"))
    if not isinstance(amounts, (tuple, list)) or len(amounts) not in (2, 4) or not all(isinstance(n, int) and n >= 0 for n in amounts):
        return None
    left, right, top, bottom = (*amounts, 0, 0)[:4]
    return left, right, top, bottom


def _padded(convolution: nn.Conv2d, amounts: tuple[int, int, int, int]) -> nn.Conv2d | None:
    """The convolution with the zeros inside; uneven ones need a larger kernel, which only a depthwise convolution can afford."""
    if isinstance(convolution.padding, str) or convolution.padding_mode != "zeros":
        return None
    rows, columns = convolution.padding
    left, right, top, bottom = amounts[0] + columns, amounts[1] + columns, amounts[2] + rows, amounts[3] + rows
    weight = convolution.weight
    if left != right or top != bottom:
        if convolution.groups != convolution.in_channels or convolution.in_channels == 1 or set(convolution.dilation) != {1}:
            return None
        # Equal padding of the larger side shows the kernel more zeros, before or behind its own part: there it has zeros too.
        front = (max(right - left, 0), max(left - right, 0), max(bottom - top, 0), max(top - bottom, 0))
        weight = F.pad(weight, front)
    new = _with(convolution, weight, convolution.bias)
    new.padding = (max(top, bottom), max(left, right))
    new.kernel_size = (weight.shape[2], weight.shape[3])
    return new


def _frozen(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach(), requires_grad=False)


def _with(layer: _Layer, weight: Tensor, bias: Tensor | None) -> _Layer:
    new = copy.copy(layer)
    new._parameters = {"weight": _frozen(weight), "bias": None if bias is None else _frozen(bias)}
    return new


@dataclass(frozen=True)
class _Norm:
    """What a batch norm does to each channel: times scale, plus shift; in double precision."""

    scale: Tensor
    shift: Tensor


def _fold_norms(traced: fx.GraphModule, node: fx.Node, changes: Changes) -> None:
    norm, layer = _norm(traced, node), node.meta["layer"]
    if norm is None:
        return
    if isinstance(norm, str):
        changes.left[layer] = norm
        return
    before, behind = _argument(node, 0, "input"), next(iter(node.users), node)
    first, second = _layer(traced, before), _layer(traced, behind)
    flat = node.meta.get("ndim", 2) == 2  # of more dimensions a linear layer has its features last, a batch norm second
    if _folds(first, flat) and len(before.users) == 1:
        if changes.take("batch norm folded", layer):
            _put(traced, before, _scaled_outputs(first, norm))
            _drop(traced, node, before)
    elif not _folds(second, flat) or isinstance(second, _TRANSPOSED) or len(node.users) != 1:
        changes.left[layer] = "batch norm with no convolution or linear layer of its own beside it"
    elif _pads_zeros(second):
        changes.left[layer] = "batch norm in front of a convolution that pads with zeros"
    elif changes.take("batch norm folded", layer):
        _put(traced, behind, _scaled_inputs(second, norm))
        _drop(traced, node, before)


def _folds(layer: nn.Module | None, flat: bool) -> bool:
    return type(layer) in _WEIGHTED and (flat or type(layer) is not nn.Linear)


def _norm(traced: fx.GraphModule, node: fx.Node) -> _Norm | str | None:
    """What a node does if it is a batch norm; the reason if it is one that cannot be folded."""
    layer = _layer(traced, node)
    if type(layer) in _NORMS and isinstance(layer, _NORMS):
        mean, var, weight, bias, eps = layer.running_mean, layer.running_var, layer.weight, layer.bias, layer.eps
        training: Any = layer.training
    elif node.target is F.batch_norm:
        names = ("running_mean", "running_var", "weight", "bias")
        mean, var, weight, bias = (_constant(traced, _argument(node, 1 + place, name)) for place, name in enumerate(names))
        training, eps = _argument(node, 5, "training", False), _argument(node, 7, "eps", 1e-5)
    else:
        return None
    if training is not False or mean is None or var is None:
        return "batch norm with the statistics of each batch"
    if not all(isinstance(one, (Tensor, type(None))) for one in (mean, var, weight, bias)):
        return "batch norm with numbers made on the way"
    scale = (var.double() + eps).rsqrt() * (1 if weight is None else weight.double())
    return _Norm(scale, (0 if bias is None else bias.double()) - mean.double() * scale)


def _constant(traced: fx.GraphModule, value: Any) -> Any:
    """The tensor that a node reads from its module."""
    return operator.attrgetter(str(value.target))(traced) if isinstance(value, fx.Node) and value.op == "get_attr" else value


def _scaled_outputs(layer: Any, norm: _Norm) -> Any:
    """The layer and then the norm as one layer."""
    weight, scale = layer.weight.double(), norm.scale
    if isinstance(layer, _TRANSPOSED):  # inputs x outputs / groups x ...
        grouped = weight.unflatten(0, (layer.groups, -1)) * scale.view(layer.groups, 1, -1, *[1] * (weight.ndim - 2))
        weight = grouped.flatten(0, 1)
    else:  # outputs x inputs / groups x ...
        weight = weight * scale.view(-1, *[1] * (weight.ndim - 1))
    bias = norm.shift if layer.bias is None else layer.bias.double() * scale + norm.shift
    return _with(layer, weight.to(layer.weight.dtype), bias.to(layer.weight.dtype))


def _scaled_inputs(layer: Any, norm: _Norm) -> Any:
    """The norm and then the layer as one layer."""
    groups = getattr(layer, "groups", 1)
    weight = layer.weight.double().unflatten(0, (groups, -1))  # groups x outputs / groups x inputs / groups x ...
    scale, shift = (one.view(groups, 1, -1, *[1] * (weight.ndim - 3)) for one in (norm.scale, norm.shift))
    bias = (weight * shift).flatten(2).sum(2).flatten() + (0 if layer.bias is None else layer.bias.double())
    return _with(layer, (weight * scale).flatten(0, 1).to(layer.weight.dtype), bias.to(layer.weight.dtype))


def _pads_zeros(layer: Any) -> bool:
    if isinstance(layer, nn.Linear) or layer.padding_mode != "zeros":
        return False
    return layer.padding == "same" and max(layer.kernel_size) > 1 if isinstance(layer.padding, str) else any(layer.padding)


def _clip_in_place(traced: fx.GraphModule, node: fx.Node, changes: Changes) -> None:
    bounds, before = _bounds(traced, node), _argument(node, 0, "input")
    if bounds is None or not isinstance(before, fx.Node) or len(before.users) != 1 or not _makes_its_own(traced, before):
        return
    if changes.take("activation in place", node.meta["layer"]):
        # A weighted layer makes the gradient of its input anew and hands it to nobody else.
        fresh = len(node.users) == 1 and type(_layer(traced, next(iter(node.users)))) in _WEIGHTED
        with traced.graph.inserting_after(node):
            clip = traced.graph.create_node("call_module", "", (before,), name=f"{node.name}_in_place")
        _put(traced, clip, nn.ReLU(inplace=True) if bounds == (0, math.inf) else Clip(*bounds, fresh))
        _drop(traced, node, clip)


def _bounds(traced: fx.GraphModule, node: fx.Node) -> tuple[float, float] | None:
    """Between what an activation clamps."""
    layer = _layer(traced, node)
    if type(layer) is nn.ReLU or node.target in (F.relu, torch.relu) or (node.op, node.target) == ("call_method", "relu"):
        return 0.0, math.inf
    if type(layer) is nn.ReLU6 or node.target is F.relu6:
        return 0.0, 6.0
    return (layer.min_val, layer.max_val) if type(layer) is nn.Hardtanh and isinstance(layer, nn.Hardtanh) else None


def _makes_its_own(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Tell whether a node's result is a new tensor that its own backward pass does not read."""
    return type(_layer(traced, node)) in (*_WEIGHTED, *_NORMS) or node.target in (F.batch_norm, operator.add, torch.add)
