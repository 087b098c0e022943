"""A network and its card: pictures or texts in, logits out."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from hoodwink.models.build import can_build
from hoodwink.models.card import ModelCard, ModelError, TextInput
from hoodwink.models.weights import pack
from hoodwink.pictures.resample import FILTERS
from hoodwink.runs import one_line
from hoodwink.texts.batches import pad

if TYPE_CHECKING:
    from hoodwink.models.preprocess import Preprocess
    from hoodwink.pictures.read import Picture

WEIGHTS_FILE, CARD_FILE = "weights.safetensors", "card.json"
Levels = np.ndarray[Any, np.dtype[np.uint8]]


class Model:
    """A network in evaluation mode, without gradients for its parameters, together with its card, its classes and its device.

    The network given is changed so and moved in place: give a copy.deepcopy of one that is still being trained.
    """

    def __init__(self, network: nn.Module, card: ModelCard, *, device: torch.device | str = "cpu") -> None:
        # The parameters that training moves: once nothing takes gradients, the network itself cannot tell.
        self.trained = frozenset(name for name, value in network.named_parameters() if value.requires_grad)
        self.network = network.eval().requires_grad_(False)
        self.card = card
        self.classes = card.find_classes()
        # What load_model was given, so that a record of a run can name it; None for a network in hand.
        self.spec: str | None = None
        self.options: dict[str, Any] = {}
        self.to(device)

    def __repr__(self) -> str:
        return f"Model({self.card.name!r}, {len(self.classes)} classes, on {self.device})"

    def to(self, device: torch.device | str) -> Model:
        """Move the network in place and return the model; ModelError where the device cannot be used."""
        try:
            self.device = torch.device(device)
            self.network.to(self.device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ModelError(unusable(device, error)) from error
        return self

    def see(self, picture: Picture | Levels) -> Levels:
        """The part of a picture, uint8 H x W x C, that the network sees: resized and cropped by Pillow itself, h x w x C."""
        wanted = self.card.picture
        levels = _check(getattr(picture, "levels", picture), wanted.channels)
        spot = wanted.geometry(*levels.shape[:2])
        image = Image.fromarray(levels if wanted.channels == 3 else levels[:, :, 0])
        if spot.resized != levels.shape[:2]:
            image = image.resize(spot.resized[::-1], FILTERS[wanted.filter])
        image = image.crop((spot.left, spot.top, spot.left + spot.size[1], spot.top + spot.size[0]))
        return np.array(image).reshape(*spot.size, wanted.channels)

    def encode(self, raw: Picture | Levels | str) -> Tensor:
        """The network's input for one picture, uint8 H x W x C: what it sees of it, normalised, 1 x C x h x w; for a text: int64, 1 x T.

        T is at least 1. ModelError for a text of which a network of letters can read none.
        """
        if isinstance(self.card.input, TextInput):
            return self.encode_all([raw])
        levels = self.see(raw)  # type: ignore[arg-type]  # which refuses a text
        seen = torch.from_numpy(levels).permute(2, 0, 1)[None].float()
        mean, std = (
            torch.tensor(value, dtype=torch.float32).view(1, -1, 1, 1) for value in (self.card.picture.mean, self.card.picture.std)
        )
        # On the CPU wherever the network is: a GPU multiplies by 1/255 instead of dividing, which is not the same number.
        return seen.div(255).sub(mean).div(std).contiguous().to(self.device)

    def encode_all(self, raws: Sequence[Picture | Levels | str]) -> Tensor:
        """The same for several: N x C x h x w, or, of texts, N x T with 0 behind the end of each."""
        if not isinstance(self.card.input, TextInput):
            return torch.cat([self.encode(raw) for raw in raws])
        strangers = [type(raw).__name__ for raw in raws if not isinstance(raw, str)]
        if strangers:
            raise ModelError(f"{self.card.name} reads texts, {strangers[0]} came; type a text")
        found = [self.card.reader.encode(str(raw)) for raw in raws]
        if self.card.input.unit == "letters" and not all(found):
            raise ModelError(
                f"{one_line(raws[found.index([])])!r}: nothing of it is in the letters that {self.card.name} reads; type others"
            )
        return pad([steps or [0] for steps in found]).indices.to(self.device)

    def outputs(self, encoded: Tensor) -> Tensor:
        """The logits, N x K, of normalised pictures N x C x h x w or texts N x T (as `encode` makes them); gradients pass to pictures."""
        logits: Tensor = self.network(encoded)
        return logits

    def preprocess(self, height: int, width: int) -> Preprocess:
        """The differentiable twin of `encode` for pictures of one size in pixels."""
        from hoodwink.models.preprocess import Preprocess  # evidence never needs it

        return Preprocess(self.card.picture, height, width, device=self.device)

    def features(self, encoded: Tensor, layer: str) -> Tensor:
        """What a layer of the network, named as in `network.named_modules()`, gives for what `encode` makes."""
        layers = {name: module for name, module in self.network.named_modules() if name}
        if layer not in layers:
            near = get_close_matches(layer, layers, n=3) or [name for name, _ in self.network.named_children()]
            raise ModelError(f"{self.card.name} has no layer {layer!r}; its layers are, for example, {', '.join(near)}")
        kept: list[Tensor] = []
        hook = layers[layer].register_forward_hook(lambda module, inputs, output: kept.append(output))
        try:
            self.network(encoded)
        finally:
            hook.remove()
        if not kept:
            raise ModelError(f"layer {layer!r} of {self.card.name} is not called in a forward pass; name another")
        return kept[-1]

    def find(self, cls: str | SupportsIndex) -> int:
        """The index of a class by name, synonym or index; ClassError lists the nearest."""
        return self.classes.find(cls)

    def class_name(self, index: SupportsIndex) -> str:
        """The name of a class by its index."""
        return self.classes.names[self.classes.find(index)]

    def save(self, directory: str | Path) -> Path:
        """Write a model folder, weights and card, which `load_model` takes; ModelError where the network could not be built again."""
        name = self.card.network["name"]
        if not can_build(name):
            raise ModelError(
                f"a model folder must name a network that hoodwink can build, {name!r} is not one; save network.state_dict() instead "
                "and load the network by python:package.module:factory"
            )
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        weights, sha256 = pack(self.network)
        card = self.card.to_json() | {"weights_sha256": sha256}
        _replace(folder / WEIGHTS_FILE, weights)
        _replace(folder / CARD_FILE, (json.dumps(card, indent=1) + "\n").encode())
        return folder


def unusable(device: torch.device | str, error: Exception) -> str:
    """What to say of a device that torch cannot use."""
    reason = str(error).partition("\n")[0]
    return f"device {str(device)!r} cannot be used ({reason}); 'cpu' always can"


def _check(levels: object, channels: int) -> Levels:
    if not isinstance(levels, np.ndarray) or levels.dtype != np.uint8 or levels.ndim != 3 or levels.shape[2] != channels:
        came = f"{levels.dtype} {levels.shape}" if isinstance(levels, np.ndarray) else type(levels).__name__
        raise ValueError(
            f"the network takes a picture of whole levels, uint8 H x W x {channels}, and {came} came; "
            f"read it with read_picture(channels={channels})"
        )
    return levels


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
