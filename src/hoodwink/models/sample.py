"""What a network makes by itself: texts, letter by letter, and pictures of noise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hoodwink.data.keys import keyed
from hoodwink.models.card import ModelError, NoiseInput
from hoodwink.models.model import Levels, Model
from hoodwink.networks.autoencoders import VAE
from hoodwink.runs import one_line
from hoodwink.texts.readers import LetterReader

_AT_ONCE = 500  # pictures
LONGEST = 280  # letters, where nothing else is said


@torch.no_grad()
def sample_texts(
    model: Model, count: int = 5, *, temperature: float = 0.8, seed: int = 0, start: str = "", longest: int = LONGEST
) -> list[str]:
    """Let a network that was trained on letters write texts, all at once, each until it says that it ends.

    temperature: logits are divided by it, so 0.5 dares less and 2 more; 0 takes the most probable letter each time. start: what each text
    begins with. longest: letters at most, the start among them. Text k of a seed is the same however many are asked for; chance is drawn on
    the CPU, so that a GPU writes the same. ModelError for a network that does not write and for numbers out of range.
    """
    model.card.need("generate")
    reader = model.card.reader
    if not isinstance(reader, LetterReader) or not reader.ends:
        raise ModelError(f"{model.card.name}: a network that writes letters was wanted; train one with hoodwink train text-generator")
    begun = reader.alphabet.encode(_known(start, reader))
    least = max(1, len(begun))
    if count < 1 or longest < least or not 0 <= temperature < math.inf:
        raise ModelError(
            f"count: 1 or more, longest: {least} or more, temperature: 0 or more, were wanted, not {count}, {longest} and {temperature:g}"
        )
    indices = torch.tensor([[reader.begin, *begun]], device=model.device).expand(count, -1)
    written = [list(begun) for _ in range(count)]
    going, state = list(range(count)), None
    dice = [keyed("sample", seed, k) for k in range(count)]
    while going and len(written[going[0]]) < longest:
        logits, state = model.network.go_on(indices, state)  # type: ignore[operator]
        chosen = _draw(logits[:, -1].double().cpu(), temperature, [dice[k] for k in going], reader)
        stay = [row for row, index in enumerate(chosen) if index != reader.end]
        for row in stay:
            written[going[row]].append(chosen[row])
        going, state = [going[row] for row in stay], state[:, stay]
        indices = torch.tensor([[chosen[row]] for row in stay], device=model.device)
    return [reader.alphabet.decode(one) for one in written]


def sample_pictures(model: Model, count: int = 16, *, seed: int = 0) -> Levels:
    """Pictures that a network makes of noise, or a variational autoencoder of codes from N(0, 1); uint8, N x H x W x C.

    Picture k of a seed is the same however many are asked for; chance is drawn on the CPU. ModelError for a network that makes none.
    """
    size, draw, make = _maker(model)
    if count < 1:
        raise ModelError(f"count: 1 or more was wanted, not {count}")
    with torch.no_grad():
        found = [levels_of(make(some.to(model.device))) for some in torch.split(draw_noise(count, size, draw, seed), _AT_ONCE)]
    return np.concatenate(found)


def draw_noise(count: int, size: int, draw: str, seed: int) -> Tensor:
    """Rows of noise, count x size, as a card's `NoiseInput` says; row k depends on the seed and k alone."""
    dice = [keyed("sample", seed, k) for k in range(count)]
    if draw == "normal":
        return torch.stack([torch.randn(size, generator=one) for one in dice])
    return torch.stack([torch.rand(size, generator=one) * 2 - 1 for one in dice])


def levels_of(pictures: Tensor) -> Levels:
    """Pictures in [0, 1], N x C x H x W, as whole levels, uint8 N x H x W x C."""
    found: Levels = pictures.clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return found


def _maker(model: Model) -> tuple[int, str, Callable[[Tensor], Tensor]]:
    """How many numbers a picture is made of, how they are drawn, and what makes it."""
    if isinstance(model.card.input, NoiseInput):
        return model.card.input.size, model.card.input.draw, model.outputs
    if isinstance(model.network, VAE):
        return model.network.code, "normal", model.network.decode
    raise ModelError(
        f"{model.card.name}: a network that makes pictures of noise was wanted, this one does not; train one with hoodwink train mnist-gan "
        "or mnist-vae"
    )


def _known(start: str, reader: LetterReader) -> str:
    known = reader.alphabet.clean(start)
    if start and not known:
        raise ModelError(f"start: letters of {reader.alphabet.letters!r} were wanted, {one_line(start)!r} has none")
    return known


def _draw(logits: Tensor, temperature: float, dice: list[torch.Generator], reader: LetterReader) -> list[int]:
    """The index of the next letter, or of the end, of each text."""
    logits[:, 0] = logits[:, reader.begin] = -torch.inf
    if temperature == 0:
        return logits.argmax(1).tolist()
    below = logits - logits.amax(1, keepdim=True)  # a temperature near 0 must not make infinite what is divided by it
    heights = (below / temperature).softmax(1).cumsum(1)
    spots = torch.stack([torch.rand((), generator=one, dtype=torch.float64) for one in dice])[:, None] * heights[:, -1:]
    return torch.searchsorted(heights, spots, right=True)[:, 0].clamp(max=reader.end).tolist()
