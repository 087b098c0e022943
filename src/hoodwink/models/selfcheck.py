"""Whether a loaded network does what its card says, tried on two made-up pictures or texts."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoodwink.models.card import ModelError, NoiseInput, PictureInput, TextInput
from hoodwink.models.model import Levels, Model
from hoodwink.pictures.resample import ResampleError


class ModelWarning(UserWarning):
    """A network can be used, but not all that is said of it will mean what it seems to."""


def check(model: Model) -> None:
    """Try a model: evaluation mode, exact preprocessing, shape of the logits, finite gradients; raises ModelError or warns."""
    name = model.card.name
    training = [layer or "the network" for layer, module in model.network.named_modules() if module.training]
    if training:
        raise ModelError(f"{name}: {training[0]} stays in training mode after eval(); its answers would change from call to call")
    if isinstance(model.card.input, TextInput):
        _check_texts(model, model.card.input)
        return
    if isinstance(model.card.input, NoiseInput):
        _finite_pictures(model, _call(model, torch.zeros(2, model.card.input.size, device=model.device), "noise"))
        return
    noise, ramp = probes(model.card.input)
    encoded = model.encode_all([noise, ramp])
    _check_twin(model, noise, encoded[:1])
    if model.card.task == "classify":
        _check_outputs(model, encoded)
    else:
        _check_others(model, encoded)


def probes(wanted: PictureInput) -> tuple[Levels, Levels]:
    """Two small pictures that the card's geometry takes: noise, and a ramp of grey."""
    if wanted.resize is not None:
        side = wanted.resize if isinstance(wanted.resize, int) else max(wanted.resize)
        height, width = side + 9, side + 23
    else:
        height, width = (wanted.size[0] + 2, wanted.size[1] + 3) if wanted.size else (32, 32)
    noise = np.random.default_rng(0).integers(0, 256, (height, width, wanted.channels), dtype=np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, width).astype(np.uint8)[None, :, None], noise.shape)
    return noise, np.ascontiguousarray(ramp)


def _check_texts(model: Model, wanted: TextInput) -> None:
    """A short and a long text together must get the answers that each gets alone: what stands behind an end is not read."""
    name = model.card.name
    steps = list(wanted.letters[:3].strip() or wanted.letters.strip()[:3]) if wanted.unit == "letters" else list(wanted.words[:3])
    texts = [model.card.reader.write(steps[:1]), model.card.reader.write(steps * 3)]
    encoded = model.encode_all(texts)
    with torch.no_grad():
        together, alone = _call(model, encoded, "texts"), [_call(model, model.encode(text), "texts") for text in texts]
    shape = (2, len(model.classes)) if model.card.task == "classify" else (*encoded.shape, model.card.reader.size)
    if not isinstance(together, Tensor) or together.shape != shape:
        came = tuple(together.shape) if isinstance(together, Tensor) else type(together).__name__
        raise ModelError(f"{name}: outputs of shape {shape} are wanted for two texts, {came} came; the card is another network's")
    if not together.isfinite().all():
        raise ModelError(f"{name}: its outputs are not finite on a made-up text; check the weights")
    for row, one in zip(together, alone, strict=True):
        if not torch.allclose(row if one.dim() == 2 else row[: one.shape[1]], one[0], atol=1e-4):
            raise ModelError(f"{name}: a text gets other answers beside a longer one than alone; its network reads behind the end of texts")


def _check_twin(model: Model, levels: Levels, encoded: Tensor) -> None:
    try:
        twin = model.preprocess(*levels.shape[:2])
    except ResampleError as error:
        warnings.warn(f"{model.card.name}: pictures can be judged but not fooled: {error}", ModelWarning, stacklevel=4)
        return
    unit = torch.from_numpy(levels).permute(2, 0, 1)[None].to(model.device).float().div(255)
    seen = twin(unit[:, :, twin.rows, twin.columns])
    if not torch.equal(seen, encoded):
        far = (seen - encoded).abs().max().item() if seen.shape == encoded.shape else f"shape {tuple(seen.shape)}"
        raise ModelError(
            f"{model.card.name}: the differentiable preprocessing differs from Pillow's on {model.device} (by {far}); nothing found "
            "with it would hold as a file, so take another device or the Pillow of constraints.txt"
        )


def _check_outputs(model: Model, encoded: Tensor) -> None:
    name, count = model.card.name, len(model.classes)
    encoded = encoded.clone().requires_grad_(True)
    shape = " x ".join(map(str, encoded.shape))
    logits = _call(model, encoded, shape)
    if not isinstance(logits, Tensor) or logits.shape != (2, count) or not logits.is_floating_point():
        came = f"{logits.dtype} {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(
            f"{name}: logits of shape (2, {count}) are wanted for two pictures and {count} classes, {came} came; check classes= and size="
        )
    if count < 2:
        raise ModelError(f"{name}: a classifier has two outputs or more, this has {count}")
    if not logits.isfinite().all():
        raise ModelError(f"{name}: its outputs are not finite on a made-up picture; check mean=, std= and the weights")
    if not logits.requires_grad:
        warnings.warn(f"{name}: no gradient comes back from its outputs, so it can be judged by but not fooled", ModelWarning, stacklevel=4)
    elif not _gradient(logits, encoded).isfinite().all():
        raise ModelError(f"{name}: its gradients are not finite on a made-up picture; check mean=, std= and the weights")
    if bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() < 1e-3).all()):
        warnings.warn(
            f"{name}: its outputs look like probabilities, not logits (softmax?); labels are right, but confidences stay near 1/{count}; "
            "give the network without its last softmax",
            ModelWarning,
            stacklevel=4,
        )


@torch.no_grad()
def _check_others(model: Model, encoded: Tensor) -> None:
    """Of a network that embeds or reconstructs."""
    found = _call(model, encoded, " x ".join(map(str, encoded.shape)))
    if model.card.task == "reconstruct":
        _finite_pictures(model, found, encoded.shape)
    elif not isinstance(found, Tensor) or found.dim() != 2 or len(found) != 2 or not bool(found.isfinite().all()):
        came = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ModelError(f"{model.card.name}: finite embeddings 2 x D are wanted for two pictures, {came} came; name another layer")


def _finite_pictures(model: Model, found: object, shape: tuple[int, ...] | None = None) -> None:
    wanted = "2 x C x H x W" if shape is None else " x ".join(map(str, shape))
    if not isinstance(found, Tensor) or found.dim() != 4 or (shape is not None and found.shape != shape):
        came = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ModelError(f"{model.card.name}: pictures {wanted} are wanted of it, {came} came; the card is another network's")
    if not bool(found.isfinite().all()) or float(found.min()) < 0 or float(found.max()) > 1:
        raise ModelError(f"{model.card.name}: pictures in [0, 1] are wanted of it, others came; check the weights")


def _call(model: Model, encoded: Tensor, shape: str) -> Any:
    try:
        return model.outputs(encoded)
    except Exception as error:  # a foreign network may raise anything
        reason = (str(error) or type(error).__name__).strip().partition("\n")[0]
        hint = "say what it takes: size=" if isinstance(model.card.input, PictureInput) and not model.card.input.size else "check the card"
        what = shape if shape in ("texts", "noise") else f"normalised pictures {shape}"
        raise ModelError(f"{model.card.name}: it does not take {what} ({reason}); {hint}") from error


def _gradient(logits: Tensor, encoded: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(logits.sum(), encoded, allow_unused=True)
    return torch.zeros_like(encoded) if gradient is None else gradient
