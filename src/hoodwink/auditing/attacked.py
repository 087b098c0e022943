"""One attack on pictures in hand: searched on the part that the network sees, judged by the original network."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from html import escape
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoodwink.attacks.balls import BALLS, L0, find_ball
from hoodwink.attacks.objectives import MARGIN
from hoodwink.attacks.table import ATTACKS, Row
from hoodwink.auditing.audit import PROVED, Pictures, check_inputs
from hoodwink.auditing.journal import Journal
from hoodwink.auditing.records import Labels
from hoodwink.auditing.sight import Sight, Sights
from hoodwink.auditing.work import Rows, Work
from hoodwink.models.model import Model
from hoodwink.models.prepare import prepare
from hoodwink.pictures.levels import Levels, radius

Floats = np.ndarray[Any, np.dtype[np.float32]]
_OURS = ("target", "norm", "eps", "steps", "free", "generator")  # parameters that `attack` itself names or makes
_BALLS = {**BALLS, L0.name: L0}
_CHANGED = 1e-3  # levels: of a free search, less is the rounding of float32


class AttackError(ValueError):
    """An attack that is not there, or that cannot be asked so; the message says what to type instead."""


@dataclass(frozen=True, eq=False)
class Attacked:
    """What one attack made of N pictures.

    pictures: uint8 N x H x W x C, or float32 in [0, 1] of a free search; a list where they differ in size. labels: int64 N, as given or
    the network's own answers. answers: int64 N, the original network's for the new pictures. success: bool N, another label than its
    own (the target), and inside eps where one was given. distance: float64 N, in [0, 1] units (l0: subpixels). gradients, forwards:
    int64 N.
    """

    name: str
    norm: str
    pictures: Levels | Floats | list[Levels] | list[Floats]
    labels: Labels
    answers: Labels
    success: np.ndarray[Any, np.dtype[np.bool_]]
    distance: np.ndarray[Any, np.dtype[np.float64]]
    gradients: Labels
    forwards: Labels
    seconds: float

    def __len__(self) -> int:
        return len(self.success)

    def _repr_html_(self) -> str:
        fooled = self.distance[self.success]
        middle = f"{np.median(fooled):.4g}" if len(fooled) else "-"
        cells = (f"{int(self.success.sum())} of {len(self)}", middle, f"{self.gradients.mean():.1f}", f"{self.forwards.mean():.1f}")
        heads = ("fooled", f"median {self.norm} distance", "gradients a picture", "forwards a picture")
        rows = "".join(f"<tr><th>{head}</th><td>{cell}</td></tr>" for head, cell in zip(heads, cells, strict=True))
        return f"<table><caption>{escape(self.name)}</caption>{rows}</table>"


def attack(
    name: str,
    model: Model,
    pictures: Pictures,
    labels: Labels | Sequence[int] | None = None,
    *,
    eps: float | None = None,
    norm: str | None = None,
    target: str | int | Labels | Sequence[int] | None = None,
    steps: int | None = None,
    free: bool = False,
    seed: int = 0,
    **options: Any,
) -> Attacked:
    """Send one attack of `hw.attacks.ATTACKS` to pictures, through the network's own preparation of them.

    pictures: uint8 N x H x W x C, or a list of H x W x C of different sizes. labels: int64 N; None: the network's own answers. eps: [0, 1]
    units (l0: subpixels), needed where the attack's goal is a budget; of a minimal one what is farther is no success. norm: by default
    the attack's own. target: a class by name, synonym or index, or int64 N; None: any other label. steps, options: as the attack has
    them. free: off the grid of whole levels. Raises AttackError, ClassError and AuditError.
    """
    row = find_attack(name)
    ball = norm or _own_norm(row)
    _check_asked(row, ball, {"eps": eps, "target": target, "steps": steps, "free": free or None}, options)
    shown, truth, _ = check_inputs(model, pictures, labels)
    goals = _targets(target, model, len(truth))
    fast = prepare(model, _first(model, shown))
    work = Work(Sights(model, fast.network), shown, truth, journal=Journal(), seed=seed)
    asked = {"norm": ball, "eps": eps, "steps": steps, "free": free or None, **options}
    begun = time.perf_counter()
    found = _Found.empty(len(truth))
    for number, part in enumerate(work.parts(np.arange(len(truth)))):
        generator = torch.Generator().manual_seed(seed + number)
        _send(
            work, part, row, _taken(row, {**asked, "generator": generator}), None if goals is None else goals[part], eps, ball, free, found
        )
    wanted = found.answers != truth if goals is None else found.answers == goals
    near = True if eps is None else found.distance <= eps * (1 + 1e-6) + 1e-6
    levels = np.stack(found.pictures) if isinstance(shown, np.ndarray) else found.pictures
    return Attacked(
        name=row.name,
        norm=ball,
        pictures=levels,
        labels=truth,
        answers=found.answers,
        success=wanted & near,
        distance=found.distance,
        gradients=found.gradients,
        forwards=found.forwards,
        seconds=time.perf_counter() - begun,
    )


def find_attack(name: str) -> Row:
    """The row of an attack, "-" or "_" alike; AttackError names the nearest."""
    known = {_plain(key): row for key, row in ATTACKS.items()}
    if _plain(name) not in known:
        near = get_close_matches(_plain(name), known, n=1, cutoff=0.0)[0]
        raise AttackError(f"there is no attack {name!r}; the nearest is {near!r}, hoodwink attacks lists all")
    return known[_plain(name)]


def parameters_of(row: Row) -> dict[str, inspect.Parameter]:
    """What an attack's function takes by name, beside queries, pictures and labels."""
    return {name: one for name, one in inspect.signature(row.function).parameters.items() if one.kind is one.KEYWORD_ONLY}


@dataclass
class _Found:
    """What is known of each picture so far."""

    pictures: list[Any]
    answers: Labels
    distance: np.ndarray[Any, np.dtype[np.float64]]
    gradients: Labels
    forwards: Labels

    @classmethod
    def empty(cls, count: int) -> _Found:
        answers, gradients, forwards = (np.zeros(count, dtype=np.int64) for _ in range(3))
        return cls([None] * count, answers, np.zeros(count), gradients, forwards)


def _send(
    work: Work,
    part: Rows,
    row: Row,
    asked: Mapping[str, Any],
    goals: Labels | None,
    eps: float | None,
    norm: str,
    free: bool,
    found: _Found,
) -> None:
    """Send the attack to one batch and note what came of it."""
    sight = work.sights.of(*work.size(part[0]))
    queries, pictures, labels = work.queries(sight, free), work.tensor(part), work.targets(part)
    wanted = {} if goals is None else {"target": torch.from_numpy(goals).to(labels.device)}
    try:
        made = row.function(queries, pictures, labels, **asked, **wanted)
    except ValueError as error:
        raise AttackError(f"{row.name}: {error}") from error
    made = _settled(made, pictures, norm, eps if row.goal == "budget" else None, free)
    found.answers[part] = _answers(work.sights.model, sight, made, free, work.size(part[0])).cpu().numpy()
    found.distance[part] = _distances(made, pictures, norm, free).cpu().numpy()
    found.gradients[part], found.forwards[part] = (counts.numpy() for counts in queries.each(len(part)))
    for index, one in zip(part.tolist(), made, strict=True):
        found.pictures[index] = _put_back(work.picture(index), one, sight, free)


def _settled(made: Tensor, pictures: Tensor, norm: str, eps: float | None, free: bool) -> Tensor:
    """What an attack returned, brought into the box, the ball (if any) and onto whole levels (unless free): nobody is taken at his word."""
    ball, levels = find_ball(norm, _BALLS), (pictures * 255).round()
    change = (made.to(pictures).clamp(0, 1) * 255 - levels).nan_to_num(0.0)
    if eps is not None:
        change = ball.project(change, eps)
        change = change if free else ball.whole(change, eps)
    elif not free:
        change = change.round()
    return (levels + change).clamp(0, 255) / 255


def _answers(model: Model, sight: Sight, made: Tensor, free: bool, size: tuple[int, int]) -> Tensor:
    """The original network's labels; near a tie one by one, as a file is judged."""
    ask = Sights(model, model.outputs).of(*size).free if free else sight.judge
    with torch.no_grad():
        logits = ask(made)
        best = logits.topk(2, 1).values
        labels = logits.argmax(1)
        for k in (best[:, 0] - best[:, 1] < MARGIN).nonzero()[:, 0].tolist():
            labels[k] = ask(made[k : k + 1]).argmax(1)[0]
    return labels


def _distances(made: Tensor, pictures: Tensor, norm: str, free: bool) -> Tensor:
    """How far each picture is from its original, N, in [0, 1] units (l0: subpixels)."""
    levels = [one.double().flatten(1) * 255 for one in (made, pictures)]
    now, before = (one if free else one.round() for one in levels)  # on the grid the sums are of whole numbers, so exact
    if norm == "l0":
        return ((now - before).abs() > _CHANGED).sum(1).double()
    found: Tensor = torch.linalg.vector_norm(now - before, {"linf": torch.inf, "l2": 2, "l1": 1}[norm], dim=1) / 255
    return found


def _put_back(levels: Levels, made: Tensor, sight: Sight, free: bool) -> Levels | Floats:
    """The whole picture with the part that was searched put in."""
    part = made.permute(1, 2, 0).cpu().numpy()
    whole = (levels / np.float32(255)).astype(np.float32) if free else levels.copy()
    whole[sight.rows, sight.columns] = part if free else (part * 255).round().astype(np.uint8)
    return whole


def _check_asked(row: Row, norm: str, asked: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Refuse what the attack does not take, and ask for what it needs."""
    taken = parameters_of(row)
    if norm not in row.norms:
        raise AttackError(f"{row.name}: norm {', '.join(row.norms)} was wanted, not {norm!r}")
    own = [name for name in taken if name not in _OURS]
    strange = [name for name in options if name not in own]
    if strange:
        raise AttackError(f"{row.name}: there is no option {strange[0]!r}; its options are {', '.join(own) or 'none'}")
    for name, value in asked.items():
        if value is not None and name not in taken and (name, row.goal) != ("eps", "minimal"):
            raise AttackError(f"{row.name} takes no {name}; leave it out, or take another attack")
    if asked["eps"] is None and "eps" in taken and taken["eps"].default is inspect.Parameter.empty:
        raise AttackError(f"{row.name}: an eps was wanted, the size of the ball; give eps={'0.5' if norm == 'l2' else '8/255'}")
    try:
        radius(1.0 if asked["eps"] is None else asked["eps"], norm)
    except ValueError as error:
        raise AttackError(str(error)) from error


def _taken(row: Row, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Of what was asked that which the attack takes; the rest keeps its own default."""
    taken = parameters_of(row)
    return {name: value for name, value in asked.items() if value is not None and name in taken}


def _own_norm(row: Row) -> str:
    named = parameters_of(row).get("norm")
    return row.norms[0] if named is None or named.default is inspect.Parameter.empty else str(named.default)


def _targets(target: Any, model: Model, count: int) -> Labels | None:
    if target is None:
        return None
    if isinstance(target, str | int | np.integer):
        return np.full(count, model.find(target), dtype=np.int64)
    found = np.asarray(target.cpu() if isinstance(target, Tensor) else target)
    if found.shape != (count,) or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= len(model.classes):
        wanted = f"a class, or {count} whole numbers in 0..{len(model.classes) - 1}"
        raise AttackError(f"target: {wanted} were wanted, {found.dtype} of shape {found.shape} came")
    return found.astype(np.int64)


def _first(model: Model, pictures: Pictures) -> Tensor:
    """The first pictures as the network gets them, to prove its fast copy on."""
    first = [pictures[k] for k in range(min(PROVED, len(pictures)))]
    encoded = [model.encode(levels if levels.ndim == 3 else levels[:, :, None]) for levels in first]
    return torch.cat([one for one in encoded if one.shape == encoded[0].shape])


def _plain(name: str) -> str:
    return name.replace("_", "-")
