"""A network without its last layer: pictures in, embeddings out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hoodwink.models.card import ModelCard, ModelError
from hoodwink.models.model import Levels, Model
from hoodwink.models.prepare import prepare
from hoodwink.models.selfcheck import check, probes
from hoodwink.networks.composed import replaced
from hoodwink.pictures.read import Picture

Floats = np.ndarray[Any, np.dtype[np.float32]]


class Embedder:
    """Gives an embedding for each picture, by a copy of the network that is made faster with the first batch, and proven equal on it.

    model: the network without its layer, whose outputs, N x D, are the embeddings. dimension: D.
    """

    def __init__(self, model: Model, dimension: int) -> None:
        self.model, self.dimension = model, dimension
        self._network: Callable[[Tensor], Tensor] | None = None

    def __call__(self, pictures: Sequence[Picture | Levels]) -> Floats:
        """The embeddings, float32 n x D, of pictures, uint8 H x W x C of any sizes."""
        return self.embed(self.model.encode_all(pictures)) if pictures else np.empty((0, self.dimension), np.float32)

    def embed(self, encoded: Tensor) -> Floats:
        """The same for pictures as `Model.encode_all` makes them."""
        if self._network is None:
            self._network = prepare(self.model, encoded).network
        with torch.no_grad():
            found: Floats = self._network(encoded).float().cpu().numpy()
        return found


def as_embedder(model: Model, layer: str = "") -> Embedder:
    """What embeds with a model: its network without `layer` (named as in `named_modules()`), "": without the last linear one.

    A model that embeds already is taken as it is. The network's weights are shared. ModelError where the layer is not the last: what it
    gives is not what the network gives.
    """
    if model.card.task == "embed" and not layer:
        return Embedder(model, _dimension(model))
    name = layer or last_layer(model)
    try:
        last = model.network.get_submodule(name)
    except AttributeError:
        known = ", ".join(_leaves(model.network)[-5:])
        raise ModelError(f"layer: {model.card.name} has no {name!r}; its last layers are {known}") from None
    if layer and not _ends_with(model, last):
        raise ModelError(f"layer: {model.card.name} does not end with {name!r}; what it gives is not what the network gives")
    card = ModelCard(
        name=model.card.name,
        task="embed",
        network={"name": "headed", "arguments": {"body": model.card.network, "layer": name, "head": None}},
        source=model.card.source,
        licence=model.card.licence,
        weights_sha256=model.card.weights_sha256,
        input=model.card.picture,
    )
    found = Model(replaced(model.network, name, nn.Identity()), card, device=model.device)
    found.spec, found.options = model.spec, model.options
    if isinstance(last, nn.Linear):  # the whole was tried when it was loaded, and this is what entered its last layer
        return Embedder(found, last.in_features)
    try:
        check(found)
    except ModelError as error:
        raise ModelError(f"layer: {name!r} cannot be left out: {error}") from error
    return Embedder(found, _dimension(found))


def last_layer(model: Model) -> str:
    """The name of the linear layer whose outputs are the network's; ModelError where there is none."""
    linear = [(str(name), module) for name, module in model.network.named_modules() if isinstance(module, nn.Linear) and name]
    if linear and _ends_with(model, linear[-1][1]):
        return linear[-1][0]
    raise ModelError(
        f"{model.card.name}: a network that ends with a linear layer was wanted, this one does not; name the layer to leave out, layer="
    )


@torch.no_grad()
def _ends_with(model: Model, module: nn.Module) -> bool:
    """Whether what the network gives for a picture is what this part of it gave last."""
    kept: list[Any] = []
    hook = module.register_forward_hook(lambda module, inputs, output: kept.append(output))
    try:
        found = model.outputs(model.encode(probes(model.card.picture)[0]))
    finally:
        hook.remove()
    return bool(kept) and isinstance(kept[-1], Tensor) and kept[-1].shape == found.shape and torch.equal(kept[-1], found)


def _leaves(network: nn.Module) -> list[str]:
    return [name for name, module in network.named_modules() if name and not any(module.children())]


@torch.no_grad()
def _dimension(model: Model) -> int:
    return int(model.outputs(model.encode(probes(model.card.picture)[0])).shape[1])
