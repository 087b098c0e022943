"""A network that writes letter by letter: one text learned by heart, then thousands of tweets, and what it writes at each temperature."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from hoodwink.data.texts import load_texts, only
from hoodwink.models.build import build
from hoodwink.models.card import ModelCard, TextInput
from hoodwink.models.load import load_model
from hoodwink.models.model import Model
from hoodwink.models.sample import sample_texts
from hoodwink.models.weights import hash_weights
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found, Story
from hoodwink.studies.letter_counts import Counts, Learned, habits, perplexities
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.studies.text_figures import (
    HABITS,
    HELD,
    PAIRS,
    SHOWN,
    SINGLE,
    TEST,
    TRAINED,
    TRAINING,
    WRITTEN,
    away,
    curves,
    itself,
    names_of,
    number_table,
    one_text_table,
    sample_table,
    samples_of_one,
    said,
)
from hoodwink.texts.edits import letter_distance
from hoodwink.texts.tokens import split_words
from hoodwink.training.material import parted
from hoodwink.training.recipes import find_recipe
from hoodwink.training.run import history
from hoodwink.training.texts import make_input

CLIP = 130  # letters of a sample that is shown
RECIPE = find_recipe("text-generator")
_NAMES = re.compile(r"(@|https?://|www\.)\S+")
_ODD = re.compile(r"[^ -Z^-~]")  # not ASCII, or what would make a link


@dataclass(frozen=True)
class Sides:
    """The texts as the network reads them. learned, held, test: of the class that is written; every: of all classes and splits."""

    learned: tuple[str, ...]
    held: tuple[str, ...]
    test: tuple[str, ...]
    every: tuple[str, ...]
    given: TextInput


def load_sides(desk: Desk) -> Sides:
    """The texts of a line, held out as the training does it."""
    recipe = RECIPE.changed({key: desk[key] for key in ("data", "only", "validation")})
    train, test = (load_texts(f"{recipe.data}:{split}", tell=desk.say) for split in ("train", "test"))
    chosen, asked = only(train, recipe.reading.only), only(test, recipe.reading.only)
    given = make_input(recipe.reading, chosen.texts, None, True)
    learned, held = parted(recipe, torch.zeros(len(chosen), dtype=torch.int64), 1, seed=0)

    def read(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple("".join(given.reader.read(text)) for text in texts)

    out = () if held is None else chosen.take(held.tolist()).texts
    return Sides(read(chosen.take(learned.tolist()).texts), read(out), read(asked.texts), read(train.texts + test.texts), given)


def by_heart(desk: Desk, text: str, given: TextInput) -> tuple[Model, list[float]]:
    """A network that has learned one text, and the loss at each step."""
    arguments = {"inputs": given.reader.size, "hidden": desk["hidden"], "width": desk["width"]}
    network = build("letter-generator", arguments).to(desk.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=desk["rate"])
    indices = torch.tensor([given.reader.encode(text)], device=desk.device)  # beginning, letters, end
    losses = list[float]()
    for _ in range(desk["steps"]):
        # Teacher forcing: whatever the network would have written, the next thing that it reads is the text's own letter. So
        # the loss, -1/T sum_t log p(x_t | x_1, ..., x_t-1), comes of one pass: letters 0 to T-1 go in, letters 1 to T are wanted.
        loss = F.cross_entropy(network(indices[:, :-1])[0], indices[0, 1:])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(loss.item())
    told = {"name": "letter-generator", "arguments": arguments}
    card = ModelCard(name="one-text", task="generate", network=told, weights_sha256=hash_weights(network), input=given)
    return Model(network, card, device=desk.device), losses


def one_text(desk: Desk) -> Found:
    sides = load_sides(desk)
    text = [one for one in sides.learned if len(one) >= desk["least"]][desk.seed]
    model, losses = by_heart(desk, text, sides.given)
    values, kept = {"loss at the end": losses[-1], "letters of the text": float(len(text))}, {}
    for at in desk["temperatures"]:
        # What is drawn: p(x) proportional to exp(logit(x) / temperature).
        written = sample_texts(model, desk["samples"], temperature=at, seed=desk.seed)
        values |= {_itself(at): fmean(one == text for one in written), _away(at): fmean(letter_distance(one, text) for one in written)}
        kept[f"{at:g}"] = np.array(written[:3])
    return Found(values, series={"loss": losses}, pictures={"text": np.array([text]), **kept})


def counted(desk: Desk) -> Found:
    sides = load_sides(desk)
    counts = Counts.of(sides.learned, len(sides.given.letters) + 1, desk["context"])
    found = perplexities(counts, sides.test)
    names = [SINGLE, PAIRS, *(f"perplexity with {m} letters before known" for m in range(2, desk["context"] + 1))]
    real = habits(sides.test, Learned.of(sides.learned, desk["copies"]), desk["repeats"])
    return Found(dict(zip(names, found, strict=False)), series={"perplexity by letters known": found, "real texts": real})


def trained(desk: Desk) -> Found:
    sides = load_sides(desk)
    run = desk.train(desk.recipe("temperatures", "samples", "repeats", "copies"))
    model, epochs, result = load_model(run.directory, device=desk.device), history(run), run.record["result"]
    kept = result.get("best", result["last"])
    values = {
        TEST: math.exp(kept["test_loss"]),
        "test letters guessed right": kept["test_accuracy"],
        "epoch kept": float(result.get("best_epoch", result["epochs"])),
        "parameters": float(sum(value.numel() for value in model.network.parameters())),
    }
    learned, secret = Learned.of(sides.learned, desk["copies"]), {tuple(split_words(text)) for text in sides.every}
    found, shown = list[dict[str, float]](), dict[str, list[str]]()
    for at in desk["temperatures"]:
        written = sample_texts(model, desk["samples"], temperature=at, seed=desk.seed)
        found.append(habits([one.strip() for one in written], learned, desk["repeats"]))
        shown[f"{at:g}"] = [published(one) for one in written if tuple(split_words(one)) not in secret][:SHOWN]
    series = {measure: [one[measure] for one in found] for measure in (REPEATED, WORDS, COPIED, NEW, LENGTH)}
    perplexity = {
        HELD: [math.exp(epoch.validation_loss) for epoch in epochs if epoch.validation_loss is not None],
        "training perplexity": [math.exp(epoch.loss) for epoch in epochs],
    }
    return Found(values, {"seconds of training": result["seconds"]}, {**perplexity, **series, "samples": shown})


def published(text: str) -> str:
    """A sample as it is shown: without what people are called and addresses, which a network may know by heart, in ASCII, not too long."""
    plain = _ODD.sub("?", _NAMES.sub(r"\1...", text))
    return plain if len(plain) <= CLIP else plain[:CLIP] + " ..."


def run(desk: Desk) -> Found:
    return {"one-text": one_text, "counts": counted}.get(desk.line, trained)(desk)


def _itself(at: float) -> str:
    return f"the text itself at {at:g}"


def _away(at: float) -> str:
    return f"letters away at {at:g}"
