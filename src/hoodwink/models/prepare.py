"""A faster copy of a model's network for the search, used only where it is proven equal on pictures; verdicts are the original's."""

from __future__ import annotations

import copy
import time
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hoodwink.models.card import ModelError
from hoodwink.models.fold import Change, Changes, rebuild
from hoodwink.models.model import Model
from hoodwink.models.selfcheck import probes

_PICTURES = 32  # of those given, the first so many are the proof's: more prove little more
_BATCH = 8
_FAULTS = 8  # layers at fault after which the original network is kept


@dataclass(frozen=True)
class Prepared:
    """A network proven equal to a model's own, and what was done to it.

    network: normalised pictures N x C x h x w to logits N x K, float32; gradients pass, once (no second derivatives). left: layers and
    wishes that were left as they were, each with the reason. steps: what was done; empty where `network` is the original itself.
    largest: the largest difference of a logit met in the proof, relative to the largest logit of its picture. seconds: what it cost.
    """

    network: Callable[[Tensor], Tensor] = field(repr=False)
    left: tuple[str, ...]
    steps: tuple[str, ...]
    largest: float
    seconds: float


@dataclass(frozen=True)
class _Copy:
    """The fast copy for pictures of the shape it was proven on, C x h x w; others go to the original network."""

    fast: Any  # a module, or what torch.compile makes of one
    original: nn.Module
    shape: torch.Size
    dtype: torch.dtype = torch.float32

    def __call__(self, encoded: Tensor) -> Tensor:
        if encoded.shape[1:] != self.shape:
            logits: Tensor = self.original(encoded)
            return logits
        fast: Tensor = self.fast(encoded.to(dtype=self.dtype, memory_format=torch.channels_last))
        return fast.float()


@dataclass(frozen=True)
class _Bounds:
    """How far a copy may be from the original: relative difference of logits, share of equal labels, cosine of input gradients."""

    difference: float
    labels: float
    cosine: float


_EXACT = _Bounds(1e-4, 1.0, 0.99)
_COARSE = _Bounds(5e-2, 0.9, 0.5)


@dataclass(frozen=True)
class _Case:
    """What the original says of some pictures; the gradient is that of the first label's logit over the second's."""

    pictures: Tensor
    logits: Tensor
    margin: Tensor  # N x K: 1 at the first label, -1 at the second
    gradient: Tensor


@dataclass(frozen=True)
class _Trial:
    """A copy with some changes, how far its logits are from the original's, and why it cannot be used."""

    changes: Changes
    difference: float
    fault: str | None
    network: _Copy | None = None


def prepare(model: Model, pictures: Tensor | None = None, *, dtype: torch.dtype = torch.float32, compiled: bool = False) -> Prepared:
    """Make a copy of a model's network that gives logits and input gradients faster, and prove it equal before it is used.

    pictures: normalised, N x C x h x w, real ones of the size to be searched (the first 32 are used); two made-up ones where none are
    given. On them logits must be equal within 1e-4 of a picture's largest, labels too, and input gradients agree in direction; what
    breaks that is found, named and left as it was. dtype: torch.bfloat16 computes in half the bits where the logits stay within 5e-2
    and nine labels of ten. compiled: torch.compile on top, where a compiler works. The model stays untouched. Raises ModelError.
    """
    started = time.perf_counter()
    cases = _cases(model, _check(model, pictures, dtype))
    made = _settle(model.network, cases, in_place=not compiled)
    if made.steps and dtype is torch.bfloat16:
        made = _grant("bfloat16", made, lambda one: replace(one, fast=_lowered(one.fast), dtype=dtype), cases, _COARSE)
    if made.steps and compiled:
        bounds = _COARSE if "bfloat16" in made.steps else _EXACT
        made = _grant("torch.compile", made, lambda one: replace(one, fast=torch.compile(one.fast)), cases, bounds)
    return replace(made, seconds=time.perf_counter() - started)


def _check(model: Model, pictures: Tensor | None, dtype: torch.dtype) -> Tensor:
    """The pictures of the proof, on the model's device."""
    if dtype not in (torch.float32, torch.bfloat16):
        raise ModelError(
            f"a network is prepared in torch.float32 or torch.bfloat16, {dtype} came; type dtype=torch.bfloat16 for the faster"
        )
    if any(module.training for module in model.network.modules()):
        raise ModelError(f"{model.card.name} is in training mode, and only a finished network is prepared; call model.network.eval() first")
    if pictures is None:
        return torch.cat([model.encode(levels) for levels in probes(model.card.picture)])
    if pictures.ndim != 4 or not len(pictures) or not pictures.is_floating_point():
        came = f"{pictures.dtype} {tuple(pictures.shape)}"
        raise ModelError(f"normalised pictures N x C x h x w are wanted for the proof, {came} came; stack what model.encode gives")
    return pictures[:_PICTURES].detach().to(model.device)


def _cases(model: Model, pictures: Tensor) -> list[_Case]:
    """The original's answers: to all pictures, and to the first alone, so that nothing is bound to the size of a batch."""
    try:
        cases = [_case(model.network, batch) for batch in torch.split(pictures, _BATCH)]
    except Exception as error:
        shape = " x ".join(map(str, pictures.shape))
        raise ModelError(
            f"{model.card.name} does not take pictures {shape} ({_reason(error)}); give them normalised, as it takes them"
        ) from error
    with suppress(Exception):  # a batch norm without statistics of its own may refuse a batch of one
        cases.append(_case(model.network, pictures[:1]))
    return cases


def _case(network: nn.Module, pictures: Tensor) -> _Case:
    logits, gradient, margin = _ask(network, pictures)
    return _Case(pictures, logits, margin, gradient)


def _ask(network: Callable[[Tensor], Tensor], pictures: Tensor, margin: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, the gradient of the margin by the pictures, and the margin: where none is given, the one between the two first labels."""
    pictures = pictures.clone().requires_grad_()
    with torch.enable_grad():
        logits = network(pictures)
        if margin is None:
            first, second = (F.one_hot(place, logits.shape[1]) for place in logits.topk(2).indices.T)
            margin = first - second
        gap = (logits * margin).sum()
    gradient = torch.autograd.grad(gap, pictures, allow_unused=True)[0] if gap.requires_grad else None
    return logits.detach(), torch.zeros_like(pictures) if gradient is None else gradient, margin


def _compare(network: Callable[[Tensor], Tensor], cases: Collection[_Case], bounds: _Bounds) -> tuple[float, str | None]:
    """The largest relative difference of a logit, and what is out of bounds."""
    largest, same, count = 0.0, 0, 0
    for case in cases:
        try:
            logits, gradient, _ = _ask(network, case.pictures, case.margin)
            size = case.logits.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny)
            far = float(((logits - case.logits).abs().amax(1) / size).max())
            cosine = float(_cosine(gradient, case.gradient).min())
        except Exception as error:  # noqa: BLE001  a foreign network in other circumstances may raise anything
            return largest, _reason(error)
        largest = max(largest, far)
        if not far <= bounds.difference:
            return far, f"moves the logits by {far:.1e}"
        if not cosine >= bounds.cosine:
            return largest, f"turns the input gradient (cosine {cosine:.2f})"
        tied = (case.logits * case.margin).sum(1) <= 2 * _EXACT.difference * size  # such labels may fall either way
        same += int(((logits.argmax(1) == case.logits.argmax(1)) | tied).sum())
        count += len(logits)
    return largest, "changes labels" if same < bounds.labels * count else None


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    """Of each picture's gradients; 1 where both are nothing."""
    one, other = one.flatten(1).double(), other.flatten(1).double()
    sizes = one.norm(dim=1) * other.norm(dim=1)
    both_zero = (one == 0).all(1) & (other == 0).all(1)
    return torch.where(both_zero, 1.0, (one * other).sum(1) / sizes.clamp_min(1e-300))


def _settle(network: nn.Module, cases: list[_Case], in_place: bool) -> Prepared:
    """The copy with all changes but those that the proof refuses; the original where that leads nowhere."""
    refused: dict[Change, str] = {}
    fault = _compare(network, cases[:1], _EXACT)[1]
    if fault is not None:
        return Prepared(network, (f"the network: its answers to the same pictures differ from call to call ({fault})",), (), 0.0, 0.0)
    while True:
        trial = _try(network, cases, refused, None, in_place)
        left = [f"{layer}: {reason}" for layer, reason in trial.changes.left.items()]
        left += [f"{change.layer}: {change.kind}, which {reason}: undone" for change, reason in refused.items()]
        if trial.fault is None and trial.network is not None:
            kinds = Counter(change.kind for change in trial.changes.taken)
            return Prepared(trial.network, tuple(left), tuple(f"{kind}: {count}" for kind, count in kinds.items()), trial.difference, 0.0)
        if len(refused) == _FAULTS or not trial.changes.taken:
            return Prepared(network, (*left, f"the network: kept whole, its copy {trial.fault}"), (), 0.0, 0.0)
        trial = _blame(network, cases, refused, trial, in_place)
        refused[trial.changes.taken[-1]] = str(trial.fault)


def _blame(network: nn.Module, cases: list[_Case], refused: Mapping[Change, str], failed: _Trial, in_place: bool) -> _Trial:
    """Bisect to a trial whose last change breaks the proof, and without it nothing does."""
    low, high = 0, len(failed.changes.taken)
    while high - low > 1:
        middle = (low + high) // 2
        trial = _try(network, cases, refused, middle, in_place)
        if trial.fault is None:
            low = middle
        else:
            high, failed = middle, trial
    return failed


def _try(network: nn.Module, cases: list[_Case], refused: Collection[Change], limit: int | None, in_place: bool) -> _Trial:
    changes, pictures = Changes(refused, limit), cases[0].pictures
    try:
        fast = rebuild(network, changes, pictures[:1], in_place=in_place)
    except Exception as error:  # noqa: BLE001  a foreign network may not even be copied
        return _Trial(changes, 0.0, _reason(error))
    copied = _Copy(fast, network, pictures.shape[1:])
    return _Trial(changes, *_compare(copied, cases, _EXACT), copied)


def _grant(wish: str, made: Prepared, change: Callable[[Any], _Copy], cases: list[_Case], bounds: _Bounds) -> Prepared:
    """One wish more for a proven copy, unless it fails the proof."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = change(made.network)
            far, fault = _compare(network, cases, bounds)
    except Exception as error:  # noqa: BLE001  whatever a compiler raises
        fault = _reason(error)
    if fault is not None:
        return replace(made, left=(*made.left, f"{wish}: {fault}; left out"))
    return replace(made, network=network, steps=(*made.steps, wish), largest=far)


class _Float32(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x.float()).to(x.dtype)
        return out


def _lowered(network: nn.Module) -> nn.Module:
    """A copy in bfloat16, but for what is slower so: a CPU's gradient of depthwise convolutions that stride (by ten times, measured)."""
    lowered = copy.deepcopy(network).to(torch.bfloat16)
    for name, layer in network.named_modules():
        if type(layer) is nn.Conv2d and layer.groups > 1 and max(layer.stride) > 1 and layer.weight.device.type == "cpu":
            lowered.set_submodule(name, _Float32(copy.deepcopy(layer)))
    return lowered


def _reason(error: Exception) -> str:
    return f"fails: {(str(error) or type(error).__name__).strip().partition(chr(10))[0]}"
