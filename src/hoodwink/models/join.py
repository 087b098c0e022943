"""A classifier behind a network that reconstructs: one model, which every verb takes as it takes any other."""

from __future__ import annotations

import copy

from hoodwink.models.card import ModelCard, ModelError
from hoodwink.models.model import Model
from hoodwink.models.selfcheck import check
from hoodwink.models.weights import hash_weights
from hoodwink.networks.composed import Chain


def join(first: Model, second: Model) -> Model:
    """The classifier `second` as it sees what `first` makes of a picture; both stay as they are.

    ModelError where the first does not reconstruct, or makes pictures of another size than the second takes.
    """
    first.card.need("reconstruct")
    second.card.need("classify")
    seen, wanted = first.card.picture, second.card.picture
    made = (*(seen.size or (0, 0)), seen.channels)
    spot = wanted.geometry(*made[:2]) if all(made) else None
    if spot is None or spot.resized != made[:2] or spot.size != made[:2] or wanted.channels != seen.channels:
        raise ModelError(
            f"{second.card.name}: a classifier of pictures {' x '.join(map(str, made))} (height x width x channels), as {first.card.name} "
            "makes them, was wanted; take one that was trained on the same pictures"
        )
    arguments = {"first": first.card.network, "second": second.card.network, "mean": list(wanted.mean), "std": list(wanted.std)}
    network = Chain(copy.deepcopy(first.network), copy.deepcopy(second.network), wanted.mean, wanted.std).to(first.device)
    card = ModelCard(
        name=f"{second.card.name} after {first.card.name}",
        network={"name": "chain", "arguments": arguments},
        source=f"{first.card.source}; {second.card.source}".strip("; "),
        licence=", ".join(sorted({one.card.licence for one in (first, second)} - {""})),
        weights_sha256=hash_weights(network),
        input=seen,
        classes=second.card.classes,
        synonyms=second.card.synonyms,
        wordlist=second.card.wordlist,
    )
    model = Model(network, card, device=first.device)
    check(model)
    return model
