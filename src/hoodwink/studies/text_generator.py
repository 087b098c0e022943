"""A network that writes letter by letter: one text learned by heart, then thousands of tweets, and what it writes at each temperature."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

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
    CHANCE,
    HABITS,
    HELD,
    KNOWN,
    PAIRS,
    REAL,
    SAMPLES,
    SINGLE,
    TEST,
    TRAINING,
    away,
    curves,
    habit_table,
    itself,
    one_text_table,
    said,
    sample_table,
    samples_of_one,
)
from hoodwink.texts.edits import letter_distance
from hoodwink.texts.tokens import split_words
from hoodwink.training.material import parted
from hoodwink.training.recipes import find_recipe
from hoodwink.training.run import history
from hoodwink.training.texts import make_input

SHOWN, CLIP = 2, 130  # samples of each temperature that are shown, and letters of each
RECIPE = find_recipe("text-generator")
_NAMES = re.compile(r"(@|https?://|www\.)\S+")
_ODD = re.compile(r"[^ -Z^-~]")  # not ASCII, or what would make a link


@dataclass(frozen=True)
class Sides:
    """The texts as the network reads them. learned, test: of the class that is written; every: of all classes and splits."""

    learned: tuple[str, ...]
    test: tuple[str, ...]
    every: tuple[str, ...]
    given: TextInput


def load_sides(desk: Desk) -> Sides:
    """The texts of a line, those left out that the training holds out."""
    recipe = RECIPE.changed({key: desk[key] for key in ("data", "only", "validation")})
    train, test = (load_texts(f"{recipe.data}:{split}", tell=desk.say) for split in ("train", "test"))
    chosen, asked = only(train, recipe.reading.only), only(test, recipe.reading.only)
    given = make_input(recipe.reading, chosen.texts, None, True)
    learned, _ = parted(recipe, torch.zeros(len(chosen), dtype=torch.int64), 1)

    def read(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple("".join(given.reader.read(text)) for text in texts)

    return Sides(read(chosen.take(learned.tolist()).texts), read(asked.texts), read(train.texts + test.texts), given)


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


@torch.no_grad()
def chance(model: Model, text: str, temperature: float) -> float:
    """The probability that a text is written: the product of those of its letters and of the end."""
    encoded = model.encode(text)
    logits = model.outputs(encoded[:, :-1])[0].double()
    logits[:, [0, int(encoded[0, 0])]] = -torch.inf  # padding and beginning are never drawn
    return float((logits / temperature).log_softmax(1).gather(1, encoded[0, 1:, None]).sum().exp())


def one_text(desk: Desk) -> Found:
    sides = load_sides(desk)
    text = [one for one in sides.learned if len(one) >= desk["least"]][desk.seed]
    model, losses = by_heart(desk, text, sides.given)
    values, kept = {"loss at the end": losses[-1], "letters of the text": float(len(text))}, {}
    for at in desk["temperatures"]:
        # What is drawn: p(x) proportional to exp(logit(x) / temperature).
        written = sample_texts(model, desk["samples"], temperature=at, seed=desk.seed)
        values |= {itself(at): fmean(one == text for one in written), away(at): fmean(letter_distance(one, text) for one in written)}
        kept[f"{at:g}"] = np.array(written[:3])
    return Found(
        values,
        series={"loss": losses, CHANCE: [chance(model, text, at) for at in desk["temperatures"]]},
        pictures={"text": np.array([text]), **kept},
    )


def counted(desk: Desk) -> Found:
    sides = load_sides(desk)
    counts = Counts.of(sides.learned, len(sides.given.letters) + 1, desk["context"])
    found = perplexities(counts, sides.test)
    names = [SINGLE, PAIRS, *(f"perplexity with {m} letters before known" for m in range(2, desk["context"] + 1))]
    real = habits(sides.test, Learned.of(sides.learned, desk["copies"]), desk["repeats"])
    return Found(dict(zip(names, found, strict=False)), series={KNOWN: found, REAL: real})


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
    series = {measure: [one[measure] for one in found] for measure in HABITS}
    perplexity = {
        HELD: [math.exp(epoch.validation_loss) for epoch in epochs if epoch.validation_loss is not None],
        TRAINING: [math.exp(epoch.loss) for epoch in epochs],
    }
    return Found(values, {"seconds of training": result["seconds"]}, {**perplexity, **series, SAMPLES: shown})


def published(text: str) -> str:
    """A sample as it is shown: without what people are called and addresses, which a network may know by heart, in ASCII, not too long."""
    plain = _ODD.sub("?", _NAMES.sub(r"\1...", text))
    return plain if len(plain) <= CLIP else plain[:CLIP] + " ..."


def run(desk: Desk) -> Found:
    return {"one-text": one_text, "counts": counted}.get(desk.line, trained)(desk)


def tell(answers: Mapping[str, Answer]) -> Story:
    heart = answers["one-text"]
    return Story(
        said(answers), [curves(answers), samples_of_one(heart)], [one_text_table(heart), habit_table(answers), sample_table(answers)]
    )


_DATA = {"data": "tweets", "only": "positive", "validation": 500}
_WRITING = {"samples": 200, "temperatures": (0.2, 0.5, 0.8, 1.0, 1.5, 2.0, 5.0), "repeats": 4, "copies": 12}
_ADAM = {"optimiser": "adam", "rate": 0.004, "schedule": "constant", "batch": 32, "epochs": 1}
_SOURCE = {"recipe": RECIPE.name} | _DATA | {"hidden": 64, "width": 0, "grouping": "buckets"} | _ADAM | _WRITING
_LONGER = _SOURCE | {"epochs": 10, "schedule": "cosine"}
_FEW = {"data": "made-tweets", "validation": 40}
_QUICK = _FEW | {"hidden": 32, "samples": 20, "temperatures": (0.5, 1.0, 2.0)}

TEXT_GENERATOR = Study(
    name="text-generator",
    question="What does a network write that has learned which letter comes next?",
    help=(
        "A GRU reads a text letter by letter, from a sign for its beginning, and says after each letter how probable each next one is, or the "
        "end. It learns by teacher forcing: it always reads the text's own letters, whatever it would have written itself. To write, a "
        "letter is drawn from what it says and read as the next one, until the end is drawn. Logits are divided by the temperature first: "
        "below 1 the probable letters become more so, above 1 all become more alike.\n\n"
        "First one text is learned by heart. Then come the positive tweets: of the 16,000 tweets to learn from about half, 500 of them held "
        "out, and of the 4,000 others for the test. The perplexity is exp of the mean of -log p of each next letter: who guesses among n "
        "equal letters has n. To compare with, the same is asked of counts: of how often each letter comes, and how often behind the letters "
        "before it, up to five, where what is rare leans on fewer letters (Witten and Bell 1991).\n\n"
        "How a network writes is measured by what repeats within a text and by what of it stands in the texts that were learned: words, "
        "sequences of 12 letters, whole texts; the same of people's texts stands beside it. Tweets are not shown, they are other people's. "
        "Samples are the network's own; those that are a tweet word for word are left out, and so is what follows an @ or begins an address, "
        "which a network may know by heart. Signs that are not ASCII are shown as ?."
    ),
    lines=(
        Line(
            name="one-text",
            help="The source's first part: 64 hidden numbers, one-hot letters, one tweet read again and again, Adam at 0.005.",
            settings=_DATA
            | {"least": 40, "hidden": 64, "width": 0, "rate": 0.005, "steps": 300}
            | {"samples": 50, "temperatures": (0.8, 1.0, 1.5, 2.0, 5.0)},
            quick=_FEW | {"least": 20, "steps": 120, "samples": 5},
            marks=(Mark(measure=itself(0.8), floor=0.8),),
            minutes=0.2,
        ),
        Line(
            name="counts",
            help="To compare with: counts of letters, and how people write.",
            settings=_DATA | {"context": 5, "repeats": 4, "copies": 12},
            quick=_FEW,
            fixed=True,
            minutes=0.2,
        ),
        Line(
            name="source",
            help="The source: 64 hidden numbers, one-hot letters, Adam at 0.004, batches of 32, one epoch.",
            settings=_SOURCE,
            quick=_QUICK,
            marks=(Mark(measure=TEST, floor=15.0, lower=True),),
            minutes=0.3,
        ),
        Line(
            name="longer",
            help="The same network for 10 epochs, the rate falling to 0 along a cosine.",
            settings=_LONGER,
            quick=_QUICK | {"epochs": 2},
            minutes=1.5,
        ),
        Line(
            name="better",
            help="As longer, with 256 hidden numbers, and 64 numbers for each letter, which are learned.",
            settings=_LONGER | {"hidden": 256, "width": 64},
            quick=_QUICK | {"width": 16, "epochs": 3},
            marks=(Mark(measure=TEST, floor=6.2, lower=True),),
            minutes=4.5,
        ),
    ),
    run=run,
    tell=tell,
)
