"""How accuracy falls with the size of the change: one step along the sign of the gradient, forty steps, and the strongest there is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hoodwink.auditing.attacked import attack
from hoodwink.auditing.audit import audit
from hoodwink.models.load import load_model
from hoodwink.models.model import Model
from hoodwink.pictures.levels import Levels
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import curve, name, page, show
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study

PORTION = 500  # pictures at a time
SHOWN = 0.1  # the eps of the picture in three parts, or the largest
CURVES = {  # measure: its line, and what it is called
    "one step, unclamped": ("source", "source: FGSM, unclamped"),
    "FGSM": ("better", "better: FGSM"),
    "PGD-40": ("better", "better: PGD-40"),
    "audit": ("better", "better: audit, the strongest"),
}


def unclamped(model: Model, x: Tensor, labels: Tensor, sizes: Sequence[float]) -> tuple[list[Tensor], Tensor]:
    """The source's one step: the network's answers at every eps, int64 N each, and the sign of the gradient, N x C x H x W."""
    x = x.clone().requires_grad_()
    loss = F.cross_entropy(model.outputs(x), labels, reduction="sum")
    sign = torch.autograd.grad(loss, x)[0].sign()
    with torch.no_grad():
        return [model.outputs(x + eps * sign).argmax(1) for eps in sizes], sign  # x' = x + eps sign(dL/dx), and nothing more


def run(desk: Desk) -> Found:
    trained = desk.train(desk.recipe("way", "eps", "pictures", "steps", "budget", "sentinels"), shared=True)
    model = load_model(trained.directory, device=desk.device)  # its normalisation is (0, 0, 0) / (1, 1, 1): it takes x as it is
    data = desk.pictures("test")
    levels, labels = data.pictures[: desk["pictures"]], data.labels[: desk["pictures"]]
    ways = {"source": by_source, "better": by_better}[desk["way"]]
    return ways(desk, model, levels, labels)


def by_source(desk: Desk, model: Model, levels: Tensor, labels: Tensor) -> Found:
    sizes, right = desk["eps"], np.zeros(len(desk["eps"]))
    begun = time.perf_counter()
    for part, truth in zip(torch.split(levels, PORTION), torch.split(labels, PORTION), strict=True):
        answers, sign = unclamped(model, part.float() / 255, truth, sizes)
        right += [float((answer == truth).sum()) for answer in answers]
    accuracies = (right / len(labels)).tolist()
    times = {"seconds of all eps": time.perf_counter() - begun}
    first = levels[:1].float() / 255
    answers, sign = unclamped(model, first, labels[:1], sizes)
    shown = torch.cat([first + eps * sign for eps in sizes])
    series = {
        "eps": list(sizes),
        "one step, unclamped": accuracies,
        "answers": [model.classes.names[int(answer)] for answer in answers],
        "label": model.classes.names[int(labels[0])],
        "outside": [float(((shown[k] < 0) | (shown[k] > 1)).float().mean()) for k in range(len(sizes))],
    }
    pictures = {"first": _drawn(shown.clamp(0, 1)), "sign": _drawn((sign + 1) / 2)}
    return Found(_values("one step, unclamped", sizes, accuracies), times, series, pictures)


def by_better(desk: Desk, model: Model, levels: Tensor, labels: Tensor) -> Found:
    shown, truth, sizes = _hwc(levels), labels.cpu().numpy(), desk["eps"]
    begun = time.perf_counter()
    # All eps in one audit: what falls at one falls at every larger one, and is not searched again.
    result = audit(
        model, shown, truth, eps=[eps for eps in sizes if eps], budget=desk["budget"], sentinels=desk["sentinels"], seed=desk.seed
    )
    times = {"audit: seconds of all eps": time.perf_counter() - begun}
    standing = {one.case.eps: one.robust_accuracy for one in result.by_eps}
    curves = {"audit": [standing[eps] if eps else result.clean_accuracy for eps in sizes]}
    sheet, answers = list[Any](), list[str]()
    for title, row, options in (("FGSM", "fgsm", {}), ("PGD-40", "pgd", {"steps": desk["steps"]})):
        begun, curves[title] = time.perf_counter(), []
        for eps in sizes:
            found = attack(row, model, shown, truth, eps=eps, seed=desk.seed, **options) if eps else None
            curves[title].append(result.clean_accuracy if found is None else float((~found.success).mean()))
            if title == "FGSM":
                sheet.append(shown[0] if found is None else found.pictures[0])
                answers.append(model.classes.names[int(model.outputs(model.encode(sheet[-1])).argmax())])
        times[f"{title}: seconds of all eps"] = time.perf_counter() - begun
    values = {key: value for title, accuracies in curves.items() for key, value in _values(title, sizes, accuracies).items()}
    return Found(values, times, {"eps": list(sizes), **curves, "answers": answers}, {"first": np.stack(sheet)})


def _values(title: str, sizes: Sequence[float], accuracies: Sequence[float]) -> dict[str, float]:
    small = next(k for k, eps in enumerate(sizes) if eps)
    return {
        "accuracy at eps 0": accuracies[0],
        f"{title}: accuracy at eps {sizes[small]:g}": accuracies[small],
        f"{title}: accuracy at eps {sizes[-1]:g}": accuracies[-1],
        f"{title}: steps at which it does not fall": float(stands(accuracies)),
    }


def stands(accuracies: Sequence[float]) -> int:
    """How often a larger eps leaves the accuracy as high as it was, or higher; where it stays at 0 it has nowhere to fall."""
    return sum(after >= before and after > 0 for before, after in pairwise(accuracies))


def _hwc(levels: Tensor) -> Levels:
    """N x C x H x W to uint8 N x H x W x C."""
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).to("cpu", torch.uint8).numpy())


def _drawn(pictures: Tensor) -> Levels:
    """Pictures in [0, 1] as they are drawn."""
    return _hwc((pictures * 255).round())


def tell(answers: Mapping[str, Answer]) -> Story:
    sizes = answers["source"].series("eps")[0]
    with page(1, 2) as accuracy:
        for k, panel in enumerate(accuracy.panels):  # once from eps 0 on, and once enlarged, from the first step on
            for colour, (measure, (line, title)) in enumerate(CURVES.items()):
                runs = [[100 * one for one in run[k:]] for run in answers[line].series(measure)]
                curve(panel, sizes[k:], runs, title, colour, marker=".", linestyle=("--", "-", "-", ":")[colour])
            name(panel, "eps, of pictures in [0, 1]", "test pictures still read rightly, %", ("", f"from eps {sizes[1]:g} on")[k])
    with page(2, len(sizes), width=1.6 * len(sizes), height=4.0) as first:
        for row, (line, answer) in enumerate(answers.items()):
            for k, eps in enumerate(sizes):
                title = f"{line}, eps {eps:g}\n{answer.series('answers')[0][k]}"
                show(first.panels[row * len(sizes) + k], answer.picture("first")[k], title)
    with page(1, 3, width=7.5, height=3.0) as parts:
        _parts(parts.panels, answers["source"])
    label = answers["source"].series("label")[0]
    return Story(
        findings=_findings(answers, sizes),
        figures=[
            Figure(
                "accuracy",
                "Accuracy on the test pictures by eps. Of the better lines whole levels count, as files hold them.",
                accuracy.png,
            ),
            Figure(
                "first-picture",
                f"The first test picture, a {label}, at every eps, and what it is called: one step without clamp (what is outside 0..1 is "
                "drawn cut), and clamped on whole levels.",
                first.png,
            ),
            Figure(
                "three-parts", "x + eps sign: the picture, the sign of the loss's gradient by each of its values, and the sum.", parts.png
            ),
        ],
        tables=[_table(answers, sizes)],
    )


def _parts(panels: Sequence[Any], answer: Answer) -> None:
    """The picture, the sign, the sum."""
    sizes, called = answer.series("eps")[0], answer.series("answers")[0]
    k = min(range(len(sizes)), key=lambda k: abs(sizes[k] - SHOWN))
    shown = answer.picture("first")
    show(panels[0], shown[0], f"x: {called[0]}")
    show(panels[1], answer.picture("sign")[0], "sign of dL/dx, by channel\n(full: +1, none: -1)")
    show(panels[2], shown[k], f"x + {sizes[k]:g} sign: {called[k]}")


def _findings(answers: Mapping[str, Answer], sizes: Sequence[float]) -> list[str]:
    small, told = next(k for k, eps in enumerate(sizes) if eps), []
    told.append(f"Of the unchanged test pictures {100 * answers['better'].mean('accuracy at eps 0'):.1f} % are read rightly.")
    for measure, (line, title) in CURVES.items():
        mean = answers[line].mean_series(measure)
        often = [stands(run) for run in answers[line].series(measure)]
        falls = "it falls at every step until none is left" if not any(often) and not mean[-1] else "it falls at every step"
        still = f"at {max(often)} of {len(sizes) - 1} steps it does not fall" if any(often) else falls
        told.append(f"{title}: {100 * mean[small]:.2f} % at eps {sizes[small]:g}, {100 * mean[-1]:.2f} % at {sizes[-1]:g}; {still}.")
    out = answers["source"].series("outside")[0]
    told.append(
        f"Without clamp, {100 * out[-1]:.0f} % of the first picture's values lie outside 0..1 at eps {sizes[-1]:g}: no file holds it."
    )
    return told


def _table(answers: Mapping[str, Answer], sizes: Sequence[float]) -> Table:
    columns = [answers[line].mean_series(measure) for measure, (line, _) in CURVES.items()]
    rows = [(f"{eps:g}", *(f"{100 * column[k]:.2f}" for column in columns)) for k, eps in enumerate(sizes)]
    return Table("Accuracy by eps, %", ("eps", *(title for _, title in CURVES.values())), rows)


_SETTINGS = {
    "recipe": "cifar-cnn",
    "data": "cifar10",
    "validation": 10_000,
    "input": "unit",
    "epochs": 6,
    "pictures": 10_000,
    "eps": (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
}
_QUICK = {"data": "digits-32", "validation": 137, "epochs": 1, "pictures": 20, "eps": (0.0, 0.1, 0.3)}
FGSM_SWEEP = Study(
    name="fgsm-sweep",
    question="How far does accuracy fall with eps, and is one step of FGSM the measure of it?",
    help=(
        "The convolutional network of the recipe cifar-cnn is trained on CIFAR-10 with pictures in [0, 1] as they are (the source's "
        "normalisation, mean 0 and deviation 1, is the identity). Then every test picture takes one step of size eps along the sign of "
        "its loss's gradient, x + eps sign(dL/dx), for seven eps, and the accuracy is counted over the whole test set.\n\n"
        "One step is the weakest answer to the question: the gradient holds near x, and a long step may land where the loss is lower "
        "again. So the same eps are asked of forty smaller steps that stay in the ball, and of an audit, which looks for the weakest "
        "targets of every picture that still stands. No picture that falls at one eps can stand at a larger one; only the audit "
        "carries that over."
    ),
    lines=(
        Line(
            name="source",
            help=(
                "x + eps sign(dL/dx) as it is: values leave 0..1, where no picture can be, and what is counted are floats. All test "
                "pictures count, also those that were misread before."
            ),
            settings={**_SETTINGS, "way": "source"},
            quick=_QUICK,
            minutes=2.5,
        ),
        Line(
            name="better",
            help=(
                "On whole levels in 0..1, at most floor(255 eps) away, judged as a file is read: FGSM, PGD with forty steps, and the audit "
                "(budget and sentinels as hoodwink audit has them), which carries what fell over to the next eps."
            ),
            settings={**_SETTINGS, "way": "better", "steps": 40, "budget": "standard", "sentinels": 59},
            quick={**_QUICK, "steps": 10, "budget": "quick", "sentinels": 0},
            marks=(Mark(measure="audit: steps at which it does not fall", floor=0.0, lower=True),),
            minutes=5.5,
        ),
    ),
    run=run,
    tell=tell,
)
