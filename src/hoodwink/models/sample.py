"""What a network writes by itself, letter by letter."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hoodwink.data.keys import keyed
from hoodwink.models.card import ModelError
from hoodwink.models.model import Model
from hoodwink.runs import one_line
from hoodwink.texts.readers import LetterReader

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
