"""What a caller may say of a network that brings no card of its own: the card's fields as keyword arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hoodwink.models.card import WORDLISTS, ModelCard, ModelError, PictureInput

FIELDS = ("name", "mean", "std", "classes", "synonyms", "size", "resize", "filter", "channels", "source", "licence")


def make_card(
    *,
    network: dict[str, Any],
    weights_sha256: str,
    name: str,
    mean: float | Sequence[float],
    std: float | Sequence[float],
    classes: int | str | Iterable[str],
    synonyms: Mapping[str, Iterable[str]] | None = None,
    size: int | Sequence[int] | None = None,
    resize: int | Sequence[int] | None = None,
    filter: str = "bicubic",
    channels: int = 3,
    source: str = "",
    licence: str = "",
) -> ModelCard:
    """Make a card from what people type.

    mean, std: a number for each channel, or one for all, of pictures in [0, 1]. classes: names in the order of the outputs, or
    how many there are (then they are called "0", "1", ...), or "imagenet-1k". size, resize: pixels, (height, width) or one side.
    A size without a resize means that the shorter side is brought to a square size, and a picture exactly to any other.
    """
    crop = _pair(size)
    if resize is None and crop is not None:
        resize = crop[0] if crop[0] == crop[1] else crop
    return ModelCard(
        name=name,
        network=network,
        source=source,
        licence=licence,
        weights_sha256=weights_sha256,
        input=PictureInput(
            channels=channels,
            resize=resize if resize is None or isinstance(resize, int) else _pair(resize),
            filter=filter,
            size=crop,
            mean=_numbers("mean", mean, channels),
            std=_numbers("std", std, channels),
        ),
        synonyms={key: tuple(others) for key, others in (synonyms or {}).items()},
        **_classes(classes),
    )


def check_fields(given: Iterable[str], known: Sequence[str], what: str) -> None:
    """Refuse card fields that a way in does not take; `what` names it."""
    unknown = [key for key in given if key not in known]
    if unknown:
        takes = f"it takes {', '.join(known)}" if known else "it takes none, its card says all"
        raise ModelError(f"{what} does not take {', '.join(unknown)}; {takes}")


def need_fields(given: Mapping[str, Any], needed: Sequence[str], what: str) -> None:
    """Refuse a network of which too little is said; `what` names it."""
    missing = [key for key in needed if given.get(key) is None]
    if missing:
        raise ModelError(f"{what} does not say its {' and '.join(missing)}; give {', '.join(key + '=' for key in missing)}")


def _classes(classes: int | str | Iterable[str]) -> dict[str, Any]:
    if isinstance(classes, str):
        if classes in WORDLISTS:
            return {"wordlist": classes}
        raise ModelError(f"classes must be names, how many there are, or one of {', '.join(WORDLISTS)}; {classes!r} came")
    if isinstance(classes, int):
        return {"classes": tuple(str(index) for index in range(classes))}
    return {"classes": tuple(classes)}


def _pair(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2:
        raise ModelError(f"a size is one side or (height, width) in pixels; {size!r} came")
    return pair[0], pair[1]


def _numbers(field: str, value: float | Sequence[float], channels: int) -> tuple[float, ...]:
    try:
        return (float(value),) * channels if isinstance(value, (int, float)) else tuple(map(float, value))
    except (TypeError, ValueError) as error:
        raise ModelError(f"{field} must be {channels} numbers, one for each channel; {value!r} came") from error
