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

    A model that embeds already is taken as it is. The network's weights are shared. ModelError where the layer is not the last.
    """
    if model.card.task == "embed" and not layer:
        return Embedder(model, _dimension(model))
    wanted = model.card.picture
    name = layer or last_layer(model)
    try:
        network = replaced(model.network, name, nn.Identity())
    except KeyError:
        known = ", ".join([key for key, _ in model.network.named_children()][-5:])
        raise ModelError(f"layer: {model.card.name} has no {name!r}; its last layers are {known}") from None
    card = ModelCard(
        name=model.card.name,
        task="embed",
        network={"name": "headed", "arguments": {"body": model.card.network, "layer": name, "head": None}},
        source=model.card.source,
        licence=model.card.licence,
        weights_sha256=model.card.weights_sha256,
        input=wanted,
    )
    found = Model(network, card, device=model.device)
    found.spec, found.options = model.spec, model.options
    left_out = model.network.get_submodule(name)
    if not layer and isinstance(left_out, nn.Linear):  # nothing stands behind the last one, and the whole was tried when it was loaded
        return Embedder(found, left_out.in_features)
    try:
        check(found)
    except ModelError as error:
        raise ModelError(f"layer: {name!r} cannot be left out; what stands behind it does not do without: {error}") from error
    return Embedder(found, _dimension(found))


def last_layer(model: Model) -> str:
    """The name of the linear layer whose outputs are the network's; ModelError where there is none."""
    linear = [(str(name), module) for name, module in model.network.named_modules() if isinstance(module, nn.Linear) and name]
    if linear:
        name, module = linear[-1]
        kept: list[Tensor] = []
        hook = module.register_forward_hook(lambda module, inputs, output: kept.append(output))
        try:
            with torch.no_grad():
                found = model.outputs(model.encode(probes(model.card.picture)[0]))
        finally:
            hook.remove()
        if kept and kept[-1].shape == found.shape and torch.equal(kept[-1], found):
            return name
    raise ModelError(
        f"{model.card.name}: a network that ends with a linear layer was wanted, this one does not; name the layer to leave out, layer="
    )


@torch.no_grad()
def _dimension(model: Model) -> int:
    return int(model.outputs(model.encode(probes(model.card.picture)[0])).shape[1])
