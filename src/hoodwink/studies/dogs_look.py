"""The pictures of dogs looked at before and after a network: how many, what colours, and why some are hard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from hoodwink.data.load import load
from hoodwink.data.resident import Resident
from hoodwink.models.load import load_model
from hoodwink.pictures.draw import sheet
from hoodwink.studies.descent import logits
from hoodwink.studies.desk import Desk
from hoodwink.studies.dogs_cnn import RECIPES
from hoodwink.studies.draw import COLOURS, name, page, show
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.reasons import REASONS, SHARE, rank_correlation, reason, strangeness
from hoodwink.studies.record import Line, Mark, Study, StudyError

SOURCE = {"train": 7665, "valid": 2000, "test": 555}  # the source's own set, which is not public
HARD, SHOWN = 3, 10  # pictures of each breed


def look(splits: Mapping[str, Resident], classes: tuple[str, ...]) -> dict[str, Any]:
    """Counts by partition and breed, sizes, and the colours of the training pictures in levels."""
    train = splits["train"]
    counts = {key: torch.bincount(one.labels, minlength=len(classes)).tolist() for key, one in splits.items()}
    colours, spreads = [], []
    for breed in range(len(classes)):
        levels = train.pictures[train.labels == breed].float()
        colours.append(levels.mean((0, 2, 3)).tolist())
        spreads.append(float(levels.std()))
    sizes = sorted({tuple(one.pictures.shape[1:]) for one in splits.values()})
    return {"breeds": classes, "counts": counts, "colours": colours, "spreads": spreads, "sizes": sizes}


def repeats(splits: Mapping[str, Resident]) -> int:
    """How many pictures there are more than different ones, over all partitions."""
    everything = [picture.numpy().tobytes() for one in splits.values() for picture in one.pictures.cpu()]
    return len(everything) - len(set(everything))


def run(desk: Desk) -> Found:
    splits = {key: desk.pictures(key) for key in SOURCE}
    classes = load(f"{desk['data']}:train").classes
    if desk["breed"] not in classes:
        raise StudyError(f"breed: one of {', '.join(classes)} was wanted, not {desk['breed']!r}")
    settings = {key: value for key, value in desk.settings.items() if key != "breed"}
    recipe = RECIPES[desk["network"]].changed(settings)
    trained = desk.train(recipe)
    model = load_model(trained.directory, device=desk.device)
    train, test = splits["train"], splits["test"]
    answers = logits(model.network, test.pictures, mean=model.card.picture.mean, std=model.card.picture.std).cpu()
    labels = test.labels.cpu()
    losses = F.cross_entropy(answers, labels, reduction="none")
    strange = strangeness(train.pictures.cpu(), train.labels.cpu(), test.pictures.cpu(), labels)
    breeds = [torch.nonzero(labels == breed)[:, 0] for breed in range(len(classes))]
    hard = torch.cat([here[losses[here].argsort(descending=True, stable=True)[:HARD]] for here in breeds]).tolist()
    values = {
        "test accuracy": trained.record["result"]["best"]["test_accuracy"],
        "pictures that there are twice": float(repeats(splits)),
    }
    for k, one in enumerate(REASONS):
        linked = [rank_correlation(losses[here], strange[here, k]) for here in breeds]
        values[f"{one}: rank correlation with the loss"] = sum(linked) / len(linked)
        values[f"{one}: mean rank of the hard"] = float(strange[hard, k].mean())
    said = [
        {
            "breed": classes[int(labels[k])],
            "picture": k,
            "loss": float(losses[k]),
            "said": classes[int(answers[k].argmax())],
            "ranks": strange[k].tolist(),
        }
        for k in hard
    ]
    # For the figures of who runs the study alone: ten test pictures of each breed, and the hard ones.
    first = torch.cat([here[:SHOWN] for here in breeds]).tolist()
    pictures = {name: test.pictures[chosen].movedim(1, -1).cpu().numpy() for name, chosen in (("first", first), ("hard", hard))}
    return Found(values, {}, {**look(splits, classes), "hard": said}, pictures)


def tell(answers: Mapping[str, Answer]) -> Story:
    better = answers["better"]
    breeds, counts, colours = (better.series(key)[0] for key in ("breeds", "counts", "colours"))
    ours = {key: sum(found) for key, found in counts.items()}
    (channels, height, width), *other = better.series("sizes")[0]
    findings = [
        (
            f"There are {sum(ours.values()):,} pictures of {len(breeds)} breeds: "
            + ", ".join(f"{key} {count:,} (the source's own set: {SOURCE[key]:,})" for key, count in ours.items())
            + f". {'All' if not other else 'Not all'} are {width} x {height} pixels in {channels} channels; "
            f"{better.mean('pictures that there are twice'):.0f} are there twice."
        ),
    ]
    light = [sum(colour) / channels for colour in colours]
    low, high = int(np.argmin(light)), int(np.argmax(light))
    findings.append(f"The darkest breed is {breeds[low]} (mean level {light[low]:.0f}), the lightest {breeds[high]} ({light[high]:.0f}).")
    for line, answer in answers.items():
        links = {one: answer.mean(f"{one}: rank correlation with the loss") for one in REASONS}
        means = {one: answer.mean(f"{one}: mean rank of the hard") for one in REASONS}
        named = [reason(one["ranks"]) for found in answer.series("hard") for one in found]
        findings.append(
            f"{line} ({100 * answer.mean('test accuracy'):.1f} % right): the rank correlation of a picture's loss, within its breed, is "
            + ", ".join(f"{value:+.2f} with {one}" for one, value in links.items())
            + f"; the {HARD} hardest of each breed have mean ranks of {', '.join(f'{value:.2f}' for value in means.values())}, where 0.5 is "
            f"chance; a reason goes beyond {100 * SHARE:.0f} % of its breed for {sum(one != 'none of the three' for one in named)} of the {len(named)}, "
            f"where chance would have it for {len(named) * (1 - SHARE ** len(REASONS)):.0f}."
        )
    return Story(findings, [_numbers(better), _sheet(better), _hard(answers)], _tables(answers))


def _numbers(answer: Answer) -> Figure:
    breeds, counts, colours = (answer.series(key)[0] for key in ("breeds", "counts", "colours"))
    titles = [breed.replace("_", " ") for breed in breeds]
    with page(1, 2, width=11, height=4.2) as figure:
        left = np.zeros(len(breeds))
        for colour, (key, found) in enumerate(counts.items()):
            figure.panels[0].barh(titles, found, left=left, color=COLOURS[colour], label=f"{key}: {sum(found):,} (source: {SOURCE[key]:,})")
            left += found
        for k, one in enumerate(np.array(colours).T):
            shades = ("#777777",) if len(colours[0]) == 1 else ("#cc3333", "#339944", "#3355cc")
            figure.panels[1].plot(one, titles, "o", color=shades[k], label=("red", "green", "blue")[k])
        figure.panels[0].set_xlim(0, 2.1 * left.max())  # room for the legend
        for panel in figure.panels:
            panel.invert_yaxis()
        name(figure.panels[0], "pictures", "", "How many")
        name(figure.panels[1], "mean level of the training pictures", "", "What colours")
    return Figure("numbers", "Pictures by partition and breed, and the mean colour of each breed's training pictures.", figure.png)


def _sheet(answer: Answer) -> Figure:
    breeds, pictures = answer.series("breeds")[0], list(answer.picture("first"))
    rows = [pictures[SHOWN * k : SHOWN * (k + 1)] for k in range(len(breeds))]
    drawn, height = sheet(rows, gap=4), len(pictures[0])
    with page(width=0.8 * SHOWN + 3, height=0.8 * len(rows)) as figure:
        panel = figure.panels[0]
        show(panel, drawn)
        for k, breed in enumerate(breeds):
            panel.text(-6, (height + 4) * (k + 0.5), breed.replace("_", " "), ha="right", va="center", fontsize=8)
    return Figure("sheet", f"The first {SHOWN} test pictures of each breed.", figure.png, private=True)


def _hard(answers: Mapping[str, Answer]) -> Figure:
    wanted = " or ".join(dict.fromkeys(answer.settings["breed"] for answer in answers.values()))
    with page(len(answers), HARD, width=3.2 * HARD, height=3.7 * len(answers)) as figure:
        panels = iter(figure.panels)
        for line, answer in answers.items():
            for one, picture in zip(answer.series("hard")[0], answer.picture("hard"), strict=True):
                if one["breed"] == answer.settings["breed"]:
                    why = f"{line}: said to be {one['said']}, loss {one['loss']:.1f}\n{reason(one['ranks'])}"
                    show(next(panels), picture, why.replace("_", " "))
    caption = f"The three test pictures of {wanted} with the largest loss, one row for each network, and why."
    return Figure("hard", caption, figure.png, private=True)


def _tables(answers: Mapping[str, Answer]) -> list[Table]:
    any_line = answers["better"]
    breeds, counts, colours, spreads = (any_line.series(key)[0] for key in ("breeds", "counts", "colours", "spreads"))
    rows: list[list[str | int | float]] = [
        [breed, *(counts[key][k] for key in SOURCE), *(f"{level:.0f}" for level in colours[k]), f"{spreads[k]:.0f}"]
        for k, breed in enumerate(breeds)
    ]
    total = [["all", *(sum(counts[key]) for key in SOURCE)], ["the source's own set", *SOURCE.values()]]
    rows += [[*one, *[""] * (len(rows[0]) - len(one))] for one in total]
    head = ["breed", *SOURCE, *(("red", "green", "blue") if len(colours[0]) == 3 else ("grey",)), "deviation"]
    tables = [Table("Pictures by partition, mean levels and their deviation in the training pictures", head, rows)]
    for line, answer in answers.items():
        found = [
            (
                one["breed"],
                one["picture"],
                one["said"],
                f"{one['loss']:.2f}",
                *(f"{rank:.2f}" for rank in one["ranks"]),
                reason(one["ranks"]),
            )
            for one in answer.series("hard")[0]
        ]
        columns = ("breed", "test picture", "said to be", "loss", *(f"{one}, rank" for one in REASONS), "reason")
        tables.append(Table(f"{line}: the {HARD} hardest test pictures of each breed, of the first seed", columns, found))
    return tables


_QUICK = {"data": "digits-64", "epochs": 2, "breed": "3"}
DOGS_LOOK = Study(
    name="dogs-look",
    question="What is in the pictures of dogs, and what makes one hard?",
    help=(
        "Before anything is learned the pictures are counted, by partition and breed, and their colours and sizes measured. The source's own "
        "set (7,665 training, 2,000 validation and 555 test pictures of ten breeds) is not public: 4,930 pictures of another course's ten "
        "breeds stand in, and both counts are shown.\n\n"
        "Then a network is trained, and the three test pictures of each breed with the largest loss are its hard ones. Three reasons are "
        "measured for every test picture, at 32 x 32 pixels and without a network. Little dog: the share of pixels whose colour is nearer to "
        "one of the picture's middle (8 x 8) than to any of its border (2 wide) is small; this is an estimate, good where a dog stands before "
        "a background of other colours. Unusual background: the border's mean colour is far from that of the breed's training pictures. "
        "Unusual pose: the picture in grey, its light and contrast taken off, or its mirror image, has little correlation with the mean of "
        "the breed's training pictures.\n\n"
        "Each is turned into a rank: the share of the breed's test pictures that a picture goes beyond. The reason named is the one with the "
        "highest rank, if that is 0.9 or more. Whether these reasons explain the loss at all is said by the rank correlation (Spearman) of "
        "the two over all test pictures of a breed: 0 means that they do not."
    ),
    lines=(
        Line(
            name="source",
            help="The network of two convolutions of the study dogs-cnn says which pictures are hard.",
            settings={
                "network": "convnet",
                "data": "dogs",
                "epochs": 100,
                "batch": 32,
                "rate": 0.001,
                "patience": 3,
                "least": 1e-4,
                "breed": "siberian_husky",
            },
            quick=_QUICK,
            marks=(Mark(measure="pictures that there are twice", floor=0, lower=True),),
            minutes=0.4,
        ),
        Line(
            name="better",
            help="The residual network of the study dogs-cnn says it, in fewer epochs: it is right more often, so what it misses is harder.",
            settings={
                "network": "residual",
                "data": "dogs",
                "widths": (32, 64, 128, 256),
                "epochs": 20,
                "batch": 64,
                "rate": 0.05,
                "weight_decay": 0.001,
                "smoothing": 0.1,
                "crop": 8,
                "precision": "bfloat16",
                "breed": "siberian_husky",
            },
            quick={**_QUICK, "widths": (8, 16)},
            marks=(Mark(measure="pictures that there are twice", floor=0, lower=True),),
            minutes=1.5,
        ),
    ),
    run=run,
    tell=tell,
)
