"""The shortest way to fool a network: climb a picture's loss by the gradient of its input until the label changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hoodwink.models.load import load_model
from hoodwink.models.model import Model
from hoodwink.pictures.draw import difference
from hoodwink.pictures.levels import Levels
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, name, page, show
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study

Network = Callable[[Tensor], Tensor]
POINTS = 400  # of a path, at most


@dataclass
class Path:
    """Where the climbs of N pictures ended. pictures: N x C x H x W, as they were judged; steps: N, until the label changed, or in all."""

    pictures: Tensor
    changed: Tensor
    steps: Tensor
    scores: list[list[float]] = field(default_factory=list)  # of the first picture, the logit of each class by step


def plain(x: Tensor, g: Tensor, rate: float) -> Tensor:
    """The source's step: x <- x + rate dL/dx."""
    return x + rate * g


def kept(x: Tensor, g: Tensor, length: float) -> Tensor:
    """A step of a given L2 length along the gradient, its parts that point out of [0, 1] left out; the last part stays inside, too."""
    out = ((x >= 1) & (g > 0)) | ((x <= 0) & (g < 0))
    g = g.masked_fill(out, 0.0)
    size = torch.linalg.vector_norm(g.flatten(1), dim=1).clamp(
        min=1e-30
    )  # of a gradient of 1e-20, too: its direction counts, not its length
    stepped: Tensor = (x + length * g / size[:, None, None, None]).clamp(0, 1)
    return stepped


def whole(x: Tensor) -> Tensor:
    """What an 8-bit file of the picture holds."""
    return (x.clamp(0, 1) * 255).round().div(255)


def unchanged(x: Tensor) -> Tensor:
    return x


# Each way's step, and what of the picture is shown to the network to ask for its label.
WAYS: dict[str, tuple[Callable[[Tensor, Tensor, float], Tensor], Callable[[Tensor], Tensor]]] = {
    "plain": (plain, unchanged),
    "kept": (kept, whole),
}


def ascend(network: Network, pictures: Tensor, labels: Tensor, *, way: str, size: float, steps: int) -> Path:
    """Climb each picture's loss until its label changes: N x C x H x W in [0, 1], labels int64 N.

    way: "plain" (size: the rate; the floats' label counts) or "kept" (size: a step's length; the label of whole levels counts).
    """
    move, seen = WAYS[way]
    x, going = pictures.clone(), torch.arange(len(pictures))
    path = Path(x, torch.zeros(len(x), dtype=torch.bool), torch.zeros(len(x), dtype=torch.int64))
    for k in range(steps + 1):
        with torch.no_grad():
            logits = network(seen(x[going]))
        if len(going) and going[0] == 0:
            path.scores.append(logits[0].tolist())
        path.changed[going] = logits.argmax(1) != labels[going]
        going = going[~path.changed[going]]
        if not len(going) or k == steps:
            break
        here = x[going].requires_grad_()
        loss = F.cross_entropy(network(here), labels[going], reduction="sum")  # L = -log p(label): its gradient is zero for no picture
        x[going] = move(here.detach(), torch.autograd.grad(loss, here)[0], size)
        path.steps[going] += 1
    path.pictures = seen(x)
    return path


def run(desk: Desk) -> Found:
    trained = desk.train(desk.recipe("pictures", "way", "size", "steps"), shared=True)
    model = load_model(trained.directory, device=desk.device)
    network, data = _view(model), desk.pictures("test")
    with torch.no_grad():
        right = (network(data.pictures.float() / 255).argmax(1) == data.labels).nonzero()[: desk["pictures"], 0]
    levels, labels = data.take(right)
    pictures = levels.float() / 255
    path = ascend(network, pictures, labels, way=desk["way"], size=desk["size"], steps=desk["steps"])
    with torch.no_grad():
        answers = network(whole(path.pictures)).argmax(1)
    far = torch.linalg.vector_norm((path.pictures - pictures).flatten(1), dim=1)[path.changed]
    values = {
        "test accuracy": trained.record["result"]["best"]["test_accuracy"],
        "label changed, share": float(path.changed.float().mean()),
        "label changed in the file, share": float((answers != labels).float().mean()),
        "steps, mean": float(path.steps[path.changed].float().mean()) if len(far) else float(desk["steps"]),
        "steps, median": float(path.steps.float().median()),
        "L2, mean": float(far.mean()) if len(far) else 0.0,
        "values outside 0..1, share": float(((path.pictures < 0) | (path.pictures > 1)).float().mean()),
    }
    thin = max(1, len(path.scores) // POINTS)
    at = sorted({*range(0, len(path.scores), thin), len(path.scores) - 1})
    series: dict[str, Any] = {
        "steps of each": path.steps.tolist(),
        "at step": at,
        "scores": [path.scores[k] for k in at],
        "label": int(labels[0]),
        "label of the file": int(answers[0]),
        "classes": list(model.classes.names),
    }
    return Found(values, series=series, pictures={"original": _levels(pictures[0]), "fooled": _levels(path.pictures[0])})


def _view(model: Model) -> Network:
    """The network as a function of pictures in [0, 1]: it was trained on (x - mean) / std."""
    mean, std = (torch.tensor(value, device=model.device)[:, None, None] for value in (model.card.picture.mean, model.card.picture.std))
    return lambda pictures: model.outputs((pictures - mean) / std)


def _levels(picture: Tensor) -> Levels:
    """C x H x W in [0, 1] to what a file holds, uint8 H x W x C."""
    return np.asarray((whole(picture) * 255).round().permute(1, 2, 0).to("cpu", torch.uint8).numpy())


def tell(answers: Mapping[str, Answer]) -> Story:
    with page(2, len(answers), height=6.0) as scores:
        for column, (line, answer) in enumerate(answers.items()):
            logits = np.array(answer.series("scores")[0])
            odds = np.exp(logits - logits.max(1, keepdims=True))
            _curves(scores.panels[column], answer, logits, "score (logit)", line)
            _curves(scores.panels[column + len(answers)], answer, odds / odds.sum(1, keepdims=True), "probability", "")
    with page(len(answers), 3, width=6.6, height=2.35 * len(answers)) as shown:
        for row, (line, answer) in enumerate(answers.items()):
            before, after = answer.picture("original"), answer.picture("fooled")
            names, end = answer.series("classes")[0], int(np.argmax(answer.series("scores")[0][-1]))
            show(shown.panels[3 * row], before, f"{line}: a {names[answer.series('label')[0]]}")
            held = f"in the file {names[answer.series('label of the file')[0]]}"
            show(shown.panels[3 * row + 1], after, f"step {answer.series('at step')[0][-1]}: {names[end]}, {held}")
            show(shown.panels[3 * row + 2], difference(before, after), "the change, enlarged")
    caption = "The score and the probability of each class of the first test picture, step by step, until its label changes or the steps are spent."
    return Story(
        findings=[_sentence(line, answer) for line, answer in answers.items()],
        figures=[
            Figure("scores", caption, scores.png),
            Figure(
                "pictures", "The same picture before and after, in whole levels, and the change between the two (grey: none).", shown.png
            ),
        ],
        tables=[_table(answers)],
    )


def _curves(panel: Any, answer: Answer, path: np.ndarray[Any, Any], what: str, title: str) -> None:
    """One curve for each class: its label and the three that end highest in colour."""
    label, names, steps = answer.series("label")[0], answer.series("classes")[0], answer.series("at step")[0]
    told = [label, *(int(k) for k in np.argsort(-path[-1]) if k != label)][:4]
    for k in range(path.shape[1]):
        colour = COLOURS[told.index(k)] if k in told else "#cccccc"
        text = "" if k not in told else f"{names[k]} (its label)" if k == label else names[k]
        panel.plot(steps, path[:, k], color=colour, label=text, linewidth=1.6 if k in told else 0.9, zorder=2 + (k in told))
    name(panel, "steps", what, title, legend=not title)


def _sentence(line: str, answer: Answer) -> str:
    count, most = answer.settings["pictures"], answer.settings["steps"]
    changed, held = answer.mean("label changed, share"), answer.mean("label changed in the file, share")
    out = answer.mean("values outside 0..1, share")
    return (
        f"{line}: of {count} test pictures that the network knows, {100 * changed:.0f} % get another label within {most} steps, "
        f"these after {answer.mean('steps, mean'):.1f} steps and at an L2 distance of {answer.mean('L2, mean'):.2f} on average; "
        f"saved in 8 bits, {100 * held:.0f} % are still misread"
        + (f" ({100 * out:.0f} % of their values had left 0..1, and were cut)." if out else " (no value had left 0..1).")
    )


def _table(answers: Mapping[str, Answer]) -> Table:
    measures = ("label changed, share", "label changed in the file, share", "steps, mean", "steps, median", "L2, mean")
    rows = [(line, *(f"{answer.mean(one):.3g}" for one in measures)) for line, answer in answers.items()]
    return Table("Until the label changes", ("line", *measures), rows)


_SETTINGS = {"recipe": "mnist-mlp", "data": "mnist", "validation": 10_000, "epochs": 5, "pictures": 100}
_QUICK = {"data": "digits-28", "validation": 200, "epochs": 6, "pictures": 20, "steps": 200}

ASCEND_INPUT = Study(
    name="ascend-input",
    question="How far is the nearest mistake, if one only follows the gradient of the input?",
    help=(
        "A network learns by going down the gradient of its loss by the weights. Here the weights stand still and the picture moves, up "
        "the gradient of the same loss by the picture: x <- x + rate dL/dx, until the network says something else. Nothing is asked of "
        "the new label.\n\n"
        "An MLP is trained on MNIST by the recipe mnist-mlp; of its test pictures the first 100 that it knows are climbed. Where the "
        "network is sure, p(label) is nearly 1 and the gradient nearly 0, for dL/dz = p - y: the plain step hardly moves such a picture. "
        "A step of fixed length, along the same gradient, moves all alike."
    ),
    lines=(
        Line(
            name="source",
            help=(
                "x <- x + rate dL/dx and nothing else: steps are as long as the gradient is (the rate, 0.1, is ours), values may leave 0..1, "
                "and the label of the floats counts, not that of a file."
            ),
            settings={**_SETTINGS, "way": "plain", "size": 0.1, "steps": 1000},
            quick=_QUICK,
            minutes=0.5,
        ),
        Line(
            name="better",
            help=(
                "A step of L2 length 0.05 along the gradient, without its parts that point out of 0..1; it ends when the label of the whole "
                "levels, as a file holds them, is another."
            ),
            settings={**_SETTINGS, "way": "kept", "size": 0.05, "steps": 1000},
            quick=_QUICK,
            marks=(
                Mark(measure="label changed, share", floor=1.0),
                Mark(measure="label changed in the file, share", floor=1.0),
                Mark(measure="values outside 0..1, share", floor=0.0, lower=True),
            ),
            minutes=0.5,
        ),
    ),
    run=run,
    tell=tell,
)
