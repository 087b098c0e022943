"""Why the objective cannot fall along the masked gradient, and where it stalls all the same: on networks built to stall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean

import torch
from torch import Tensor

from hoodwink.attacks.climb import upward
from hoodwink.attacks.objectives import Goal
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.spaces import Pixels, tangent
from hoodwink.attacks.trail import AT_BOUND, NO_GRADIENT, NO_STEP, SPENT
from hoodwink.data.keys import keyed
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import curve, name, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study

SIDE = 8  # of the pictures, which are grey: the left half is A, the right half B
Network = Callable[[Tensor], Tensor]  # pictures N x 1 x 8 x 8 in [0, 1] -> the objective J, N
REACHED = "the threshold is reached"


def halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """The means of A and B."""
    return x[..., : SIDE // 2].mean((1, 2, 3)), x[..., SIDE // 2 :].mean((1, 2, 3))


def corner(x: Tensor) -> Tensor:
    """J = 2A + B - 1.5 relu(A + B - 2): inside 0..1 both halves help, up to the bound; outside B does harm."""
    a, b = halves(x)
    return 2 * a + b - 1.5 * (a + b - 2).relu()


def dead(x: Tensor) -> Tensor:
    """J = relu(m - 0.95) - relu(0.8 - m), m the mean: between 0.8 and 0.95 both ReLUs are dead, and nothing tells that J could rise on."""
    m = x.mean((1, 2, 3))
    return (m - 0.95).relu() - (0.8 - m).relu()


def ridge(x: Tensor) -> Tensor:
    """J = m - 9 relu(m - 0.8001), m the mean: no picture of whole levels stands on the ridge, and beyond it J falls steeply."""
    m = x.mean((1, 2, 3))
    return m - 9 * (m - 0.8001).relu()


def drawn(generator: torch.Generator) -> Network:
    """Two layers with random weights, 64-32-1, ReLU."""
    first, second = (torch.randn(shape, generator=generator) for shape in ((SIDE * SIDE, 32), (32,)))
    return lambda x: ((x.flatten(1) - 0.5) @ first).relu() @ second / 32


# Each network built to stall, and J asked of it; the best there is: 3, 0.05, and 0.8001 between two levels.
BUILT: dict[str, tuple[Network, float]] = {"corner": (corner, 3.5), "dead": (dead, 0.04), "ridge": (ridge, 0.8001)}


@dataclass
class Climb:
    """What a climb did. held: J of the file, by step; within: J in memory; identity: the largest |<g, g'> - |g'|^2| / |g|^2."""

    held: list[float] = field(default_factory=list)
    within: list[float] = field(default_factory=list)
    identity: float = 0.0
    end: str = SPENT

    @property
    def fall(self) -> float:
        """How much J of the file falls at most from one step to the next."""
        return max([0.0, *(before - after for before, after in pairwise(self.held))])


def ascend(network: Network, start: Tensor, *, wanted: float, size: float, steps: int, mask: bool, check: bool) -> Climb:
    """Climb J in whole levels from 1 x 1 x 8 x 8 levels, in steps of L2 size `size` ([0, 1] units), until it is `wanted`.

    mask: the gradient's entries that point out of 0..255 are set to zero; without it levels may leave, and the file cuts them.
    check: a step is taken only if J does not fall by it, else half of it is tried, down to one level of one subpixel.
    """
    space, x, found = Pixels(start / 255), start.clone(), Climb()
    for k in range(steps + 1):
        here = (x / 255).requires_grad_()
        value = network(here)
        found.within.append(value.item())
        found.held.append(_look(network, x.clamp(0, 255)))
        if found.held[-1] >= wanted:
            found.end = REACHED
        if found.end != SPENT or k == steps:
            return found
        g = torch.autograd.grad(value.sum(), here)[0]
        free = tangent(g, x - start, space) if mask else g  # g': g, but 0 where x is at a bound and g points out
        if not free.any():
            found.end = AT_BOUND if g.any() else NO_GRADIENT
            return found
        # J grows along g' at the rate <g, g'> = |g'|^2 > 0: it cannot fall, if only the step is short enough.
        found.identity = max(found.identity, float(((g * free).sum() - free.square().sum()).abs() / g.square().sum()))
        for move in _moves(free, size):
            there = (x + move).clamp(0, 255) if mask else x + move
            if not check or _look(network, there) > found.within[-1]:
                x = there
                break
        else:
            found.end = NO_STEP
            return found
    return found


def _look(network: Network, levels: Tensor) -> float:
    return float(network(levels / 255))


def _moves(free: Tensor, size: float) -> Iterator[Tensor]:
    """Whole levels along g', of L2 size `size`, half of it and so on, and at last one level of the steepest subpixel."""
    length = torch.linalg.vector_norm(free)
    while size * 255 >= 0.5:
        move = (free / length * size * 255).round()
        if move.any():
            yield move
        size /= 2
    last = torch.zeros_like(free)
    steepest = int(free.abs().argmax())
    last.view(-1)[steepest] = free.view(-1)[steepest].sign()
    yield last


def hoodwinks(network: Network, start: Tensor, wanted: float, steps: int, seed: int) -> Climb:
    """The climb of `hoodwink fool` on the same network, which from a stall tries other ways, too."""
    goal = Goal(lambda value: value, lambda value: value, wanted)
    trail = upward(Queries(network), Pixels(start / 255), goal, steps=steps, generator=keyed("masked-gradient", seed))
    values = [step.objective for step in trail.steps]
    return Climb(values, values, 0.0, trail.stall or REACHED)


def run(desk: Desk) -> Found:
    start, steps = torch.full((1, 1, SIDE, SIDE), float(desk["start"])), desk["steps"]
    generator = keyed("networks of masked-gradient", desk.seed)
    drawn_ones = {f"random {k + 1}": (drawn(generator), float("inf")) for k in range(desk["networks"])}

    def climb(network: Network, wanted: float) -> Climb:
        if desk["search"] == "hoodwink":
            return hoodwinks(network, start, wanted, steps, desk.seed)
        return ascend(network, start, wanted=wanted, size=desk["size"], steps=steps, mask=desk["mask"], check=desk["check"])

    built, others = ({title: climb(*one) for title, one in some.items()} for some in (BUILT, drawn_ones))
    climbs = [*built.values(), *others.values()]
    values = {
        "largest fall of the objective": max(one.fall for one in climbs),
        "networks on which it falls": float(sum(one.fall > 0 for one in climbs)),
        "<g, g'> against |g'|^2": max(one.identity for one in climbs),
        **{f"{title}: J of the file": one.held[-1] for title, one in built.items()},
        "random networks: J of the file, mean": fmean(one.held[-1] for one in others.values()),
    }
    series = {
        "held": {title: one.held for title, one in {**built, "random 1": others["random 1"]}.items()},
        "in memory": {title: one.within[-1] for title, one in built.items()},
        "stall": {title: one.end for title, one in built.items()},
        "stalls of random networks": Counter(one.end for one in others.values()),
    }
    return Found(values, series=series)


def tell(answers: Mapping[str, Answer]) -> Story:
    guarded = answers["mask-and-check"]
    with page(2, 2, width=10, height=7) as figure:
        for panel, title in zip(figure.panels, guarded.series("held")[0], strict=True):
            for place, (line, answer) in enumerate(answers.items()):
                if answer.settings["search"] == "loop":
                    held = answer.series("held")[0][title]
                    curve(panel, range(len(held)), [held], line, place, linewidth=6 - 1.5 * place, linestyle=("-", "-", "-", "--")[place])
            stall = guarded.series("stall")[0].get(title)
            name(panel, "steps", "J of the file", f"{title}: {stall}" if stall else "random weights", legend=title == "corner")
    caption = (
        "The objective of the file by step; lines that lie on one another are drawn thick to thin. Over each network the name of its stall, "
        "with mask and step check."
    )
    findings = [_sentence(line, answer) for line, answer in answers.items()]
    return Story(findings, [Figure("objective", caption, figure.png)], [_table(answers)])


def _sentence(line: str, answer: Answer) -> str:
    fall, count = max(answer.all("largest fall of the objective")), sum(answer.all("networks on which it falls"))
    networks = (len(BUILT) + answer.settings["networks"]) * len(answer.founds)
    if fall == 0:
        return f"{line}: the objective falls on none of {networks} climbs."
    found = [title for title in BUILT if Climb(answer.series("held")[0][title]).fall > 0]
    among = f" ({', '.join(found)} among them)" if found else ""
    return f"{line}: the objective of the file falls on {count:.0f} of {networks} climbs{among}, in one step by up to {fall:.3g}."


def _table(answers: Mapping[str, Answer]) -> Table:
    rows: list[Sequence[str]] = []
    for title, (_, wanted) in BUILT.items():
        for line, answer in answers.items():
            within, held = answer.series("in memory")[0][title], answer.series("held")[0][title][-1]
            rows.append((title, line, f"{wanted:g}", f"{within:.4f}", f"{held:.4f}", answer.series("stall")[0][title]))
    for line, answer in answers.items():
        ends = sum(map(Counter, answer.series("stalls of random networks")), Counter[str]())
        told = "; ".join(f"{count} x {end}" for end, count in sorted(ends.items()))
        rows.append(("random, mean", line, "as high as it goes", "", f"{answer.mean('random networks: J of the file, mean'):.4f}", told))
    return Table("Where the climbs end", ("network", "line", "J asked", "J in memory", "J of the file", "why it ends"), rows)


_QUICK = {"networks": 2, "steps": 40}
_NEVER = Mark(measure="largest fall of the objective", floor=0.0, lower=True)
_EQUAL = Mark(measure="<g, g'> against |g'|^2", floor=1e-6, lower=True)


def _line(title: str, help: str, mask: bool, check: bool, *marks: Mark) -> Line:
    settings = {"search": "loop", "start": 128, "size": 0.5, "steps": 60, "networks": 20, "mask": mask, "check": check}
    return Line(name=title, help=help, settings=settings, quick=_QUICK, marks=marks, minutes=0.02)


MASKED_GRADIENT = Study(
    name="masked-gradient",
    question="Why can the objective not fall along the masked gradient, and when does it stall?",
    help=(
        "Let g be the gradient of an objective J by the picture, and g' the same with zeros where a subpixel stands at 0 or 255 and g "
        "points out. In each entry g g' is g'^2, so <g, g'> = |g'|^2: along g' the objective rises, unless g' is zero. That holds for a "
        "step that is short enough. Levels are whole numbers, so a step has a least length, and the promise has to be checked.\n\n"
        "Three networks of a few ReLUs are built to stop the climb, each in another way, and others have random weights. All see a grey "
        "picture of 8 x 8 subpixels. Each is climbed with the mask and without, with the check of each step and without. What counts is J "
        "of the file: levels in 0..255."
    ),
    lines=(
        _line("mask-and-check", "A step along g' that makes J greater, else half of it, down to one level.", True, True, _NEVER, _EQUAL),
        _line("mask-only", "Every step along g' has the same length and is taken, whatever J does.", True, False, _EQUAL),
        _line("check-only", "Steps along g, checked in memory: levels may leave 0..255, and the file cuts them.", False, True),
        _line("neither", "Steps along g of one length, all taken; levels may leave 0..255, and the file cuts them.", False, False),
        Line(
            name="hoodwink",
            help="What `hoodwink fool` does: mask, check, steps that grow again, and from a stall other ways before it gives up.",
            settings={"search": "hoodwink", "start": 128, "steps": 200, "networks": 20},
            quick=_QUICK,
            marks=(_NEVER,),
            minutes=0.2,
        ),
    ),
    run=run,
    tell=tell,
)
