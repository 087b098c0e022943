"""Networks from the name and arguments that a card holds, without weights."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from torch import nn

from hoodwink.models.card import ModelError
from hoodwink.networks.composed import Chain, replaced
from hoodwink.networks.table import NETWORKS

_EXTRAS = {"timm": "hoodwink.models.formats.timm", "torchvision": "hoodwink.models.formats.torchvision"}


def can_build(name: str) -> bool:
    """Tell whether `build` knows a network: a row of the table, one made of others, or a name of timm or torchvision."""
    return name in NETWORKS or name in _COMPOSED or name.partition(":")[0] in _EXTRAS


def build(name: str, arguments: dict[str, Any]) -> nn.Module:
    """Make a network with random weights; ModelError for an unknown name or arguments that it does not take."""
    if not can_build(name):
        raise ModelError(f"there is no network {name!r}; known are {', '.join(NETWORKS)}, timm:NAME and torchvision:NAME")
    library, _, rest = name.partition(":")
    try:
        if library in _EXTRAS:
            network: nn.Module = importlib.import_module(_EXTRAS[library]).create(rest, pretrained=False, **arguments)
            return network
        return (_COMPOSED[name] if name in _COMPOSED else NETWORKS[name].make)(**arguments)
    except ModelError:
        raise  # of a part
    except (TypeError, ValueError, KeyError, RuntimeError) as error:  # the last: torch, of a width below zero
        raise ModelError(f"network {name!r} cannot be built with the arguments {arguments!r} ({error})") from error


def _chain(first: dict[str, Any], second: dict[str, Any], mean: list[float], std: list[float]) -> nn.Module:
    return Chain(build(**first), build(**second), mean, std)


def _headed(body: dict[str, Any], layer: str, head: dict[str, Any] | None) -> nn.Module:
    """A network with another head in the place of a layer, none at all where `head` is None."""
    return replaced(build(**body), layer, nn.Identity() if head is None else build(**head))


# Of these the arguments name other networks, each {"name", "arguments"}.
_COMPOSED: dict[str, Callable[..., nn.Module]] = {"chain": _chain, "headed": _headed}


def import_extra(library: str) -> ModuleType:
    """Import an optional library; ModelError says how to install it."""
    try:
        return importlib.import_module(library)
    except (ImportError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "torchvision::nms" not in str(error):
            raise
        reason, extra = str(error).partition("\n")[0], library.partition(".")[0]
        raise ModelError(
            f"{library} cannot be imported ({reason}); type: pip install 'hoodwink[{extra}]', and take torch and torchvision from one "
            "index (two builds for the CPU, or two for the same CUDA)"
        ) from error
