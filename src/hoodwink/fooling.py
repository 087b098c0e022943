"""The main job: read a photograph, climb until the network says something else, shrink the change, write the file, judge the file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from torch import Tensor

from hoodwink.attacks.climb import upward
from hoodwink.attacks.objectives import Goal, all_of, named, not_named
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.shrink import downward
from hoodwink.attacks.spaces import Pixels
from hoodwink.attacks.trail import Step, Trail, Watch
from hoodwink.evidence.fooled import Fooled, Settings, holds, keep, record_of
from hoodwink.evidence.judge import Verdict, judge
from hoodwink.models.model import Model
from hoodwink.models.preprocess import Preprocess
from hoodwink.pictures.levels import NORMS, distances, radius
from hoodwink.pictures.read import MAX_PIXELS, Picture, picture_from_array, read_picture
from hoodwink.runs import Run

CONFIDENCE = 0.9  # asked with a target, where nothing else is said
SHRINK = 185  # gradient evaluations after which a longer shrink of a photograph gains little; half the budget if that is more
Levels = np.ndarray[Any, np.dtype[np.uint8]]


class FoolError(ValueError):
    """A request that makes no sense for this picture; the message says what to type instead."""


def fool(
    picture: str | Path | Picture | Levels | Sequence[Any],
    *,
    target: str | int | None = None,
    model: Model | Sequence[Model],
    confidence: float | None = None,
    eps: float | None = None,
    norm: str = "l2",
    steps: int = 300,
    mask: str | Path | np.ndarray[Any, Any] | None = None,
    seed: int = 0,
    at_model_size: bool = False,
    watch: Watch | None = None,
) -> Any:
    """Change a picture, in whole levels and as little as can be found, until the network reading its file calls it `target`.

    picture: a path, a Picture or uint8 H x W x C; N x H x W x C or a list gives a tuple of results. target: a class by name,
    synonym or index; None: any other label. model: one, or several that must all be fooled. confidence: at least, in (0, 1)
    (default 0.9 with a target, none without). eps: instead of the smallest change, the most confident one inside this ball, [0, 1]
    units (l0: subpixels). norm: l2, linf, l1 or l0. steps: gradient evaluations in all. mask: a picture, white where it may change,
    or bool H x W. at_model_size: fool the part that the network sees, resized and cropped, as a picture of its own.
    Returns Fooled. Raises FoolError, PictureError, ClassError or ValueError, which say what to type instead.
    """
    models = tuple(model) if isinstance(model, Sequence) else (model,)

    def one(source: Any) -> Fooled:
        job = _prepare(
            source,
            models,
            target=target,
            confidence=confidence,
            eps=eps,
            norm=norm,
            steps=steps,
            mask=mask,
            seed=seed,
            at_model_size=at_model_size,
        )
        return _search(job, watch)

    if isinstance(picture, (list, tuple)) or (isinstance(picture, np.ndarray | Tensor) and picture.ndim == 4):
        return tuple(one(source) for source in picture)
    return one(picture)


def fool_into(
    directory: str | Path,
    picture: str | Path,
    *,
    model: Model | Sequence[Model],
    force: bool = False,
    arguments: Sequence[str] = (),
    watch: Watch | None = None,
    **options: Any,
) -> Fooled:
    """`fool` one picture with its run folder open from the start: record first, events while it works, manifest last."""
    models = tuple(model) if isinstance(model, Sequence) else (model,)
    job = _prepare(picture, models, **options)
    run = Run.create(directory, record_of(job.befores, job.settings, models, arguments), force=force)

    def tell(step: Step) -> None:
        run.event(**asdict(step))
        if watch is not None:
            watch(step)

    return keep(run, _search(job, tell))


@dataclass(frozen=True, eq=False)
class _Job:
    """One picture, read and checked: all that the search needs."""

    levels: Levels
    models: tuple[Model, ...]
    befores: tuple[Verdict, ...]
    settings: Settings
    mask: np.ndarray[Any, np.dtype[np.bool_]] | None
    goal: Goal
    view: _View


def _prepare(
    source: Any,
    models: tuple[Model, ...],
    *,
    target: str | int | None = None,
    confidence: float | None = None,
    eps: float | None = None,
    norm: str = "l2",
    steps: int = 300,
    mask: Any = None,
    seed: int = 0,
    at_model_size: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> _Job:
    if norm not in NORMS:
        raise FoolError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
    if steps < 1:
        raise FoolError(f"steps must be at least 1 gradient evaluation, got {steps}")
    channels = _channels(models)
    if isinstance(source, (str, Path)):
        source = read_picture(source, channels=channels, max_pixels=max_pixels)
    elif not isinstance(source, Picture):
        source = picture_from_array(source, channels=channels)
    levels = _seen(source, models) if at_model_size else source.levels
    befores = tuple(judge(levels if at_model_size else source, one, at_model_size=at_model_size) for one in models)
    # What is said of the original is said of the file that came, also where a part of it was judged.
    path = None if source.path is None else str(source.path.absolute())
    befores = tuple(replace(one, file=path, sha256=source.sha256, notes=source.notes) for one in befores)
    if target is not None and confidence is None:
        confidence = CONFIDENCE
    name = None if target is None else models[0].class_name(models[0].find(target))
    settings = Settings(name, None if name else befores[0].label, confidence, eps, norm, steps, seed, mask is not None, at_model_size)
    goal = all_of([_goal(one, before, target, confidence) for one, before in zip(models, befores, strict=True)])
    if all(holds(before, before, settings) for before in befores):
        raise FoolError(
            f"the network already calls this picture {name} (confidence {befores[0].confidence(name or 0):.3f}); name another class"
        )
    radius(1.0 if eps is None else eps, norm)  # says at once what is wrong with it
    view = _View(models, levels.shape, at_model_size)
    if not at_model_size:
        _check_exact(view, levels)
    return _Job(levels, models, befores, settings, _read_mask(mask, levels.shape[:2], view), goal, view)


def _goal(model: Model, before: Verdict, target: str | int | None, confidence: float | None) -> Goal:
    if target is None:
        return not_named(before.label_index, confidence)
    return named(model.find(target), CONFIDENCE if confidence is None else confidence)


def _channels(models: Sequence[Model]) -> int:
    found = {model.card.picture.channels for model in models}
    if len(found) != 1:
        raise FoolError("the networks take pictures of different channels (grey and colour); fool them one by one")
    return found.pop()


def _seen(picture: Picture, models: Sequence[Model]) -> Levels:
    views = [model.see(picture) for model in models]
    if any(not np.array_equal(view, views[0]) for view in views):
        raise FoolError("the networks resize or crop differently, so they share no picture at model size; leave out --at-model-size")
    return views[0]


def _read_mask(mask: Any, shape: tuple[int, ...], view: _View) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Where the part of the picture that is searched may change."""
    if mask is None:
        return None
    allowed = read_picture(mask, channels=1).levels[..., 0] >= 128 if isinstance(mask, (str, Path)) else np.asarray(mask, dtype=bool)
    if allowed.shape != tuple(shape):
        wanted, came = (" x ".join(str(side) for side in sides[::-1]) for sides in (shape, allowed.shape))
        raise FoolError(f"the mask must have the picture's size, {wanted} pixels, got {came}")
    if not allowed.any():
        raise FoolError("the mask is black everywhere, so nothing may change; paint white where it may")
    seen = allowed[view.rows, view.columns]
    if not seen.any():
        raise FoolError("the mask allows only pixels that the network never sees (it crops); paint white nearer to the middle")
    return seen


class _View:
    """The networks as one function of the part of the picture that any of them sees."""

    def __init__(self, models: Sequence[Model], shape: tuple[int, ...], at_model_size: bool) -> None:
        height, width = shape[:2]
        cards = [replace(m.card.picture, resize=None, size=None) if at_model_size else m.card.picture for m in models]
        self.steps = [(Preprocess(card, height, width, model.device), model) for card, model in zip(cards, models, strict=True)]
        self.rows = _union([one.rows for one, _ in self.steps])
        self.columns = _union([one.columns for one, _ in self.steps])

    def __call__(self, part: Tensor) -> Tensor | tuple[Tensor, ...]:
        logits = tuple(model.outputs(one(self._cut(part, one)).to(model.device)).to(part.device) for one, model in self.steps)
        return logits if len(logits) > 1 else logits[0]

    def _cut(self, part: Tensor, one: Preprocess) -> Tensor:
        rows, columns = (slice(s.start - box.start, s.stop - box.start) for s, box in ((one.rows, self.rows), (one.columns, self.columns)))
        return part[:, :, rows, columns].to(one.device)


def _union(spans: Sequence[slice]) -> slice:
    return slice(min(span.start for span in spans), max(span.stop for span in spans))


def _search(job: _Job, watch: Watch | None) -> Fooled:
    started = time.perf_counter()
    settings, device = job.settings, job.models[0].device
    view = job.view
    pictures = _tensor(job.levels[view.rows, view.columns]).to(device)
    mask = None if job.mask is None else torch.from_numpy(np.ascontiguousarray(job.mask))[None, None].to(device)
    ball = None if settings.eps is None else float(radius(settings.eps, settings.norm))
    space = Pixels(pictures, mask, 255 if ball is None or settings.norm != "linf" else int(ball))
    queries = Queries(view)
    trail = _climb_and_shrink(queries, space, job.goal, settings, None if ball is None else settings.eps, watch)
    changed = job.levels.copy()
    whole = (space.levels + trail.change)[0].permute(1, 2, 0).to("cpu", torch.uint8).numpy()
    changed[view.rows, view.columns] = whole
    seconds = time.perf_counter() - started
    afters = tuple(judge(changed, model, at_model_size=settings.at_model_size) for model in job.models)
    fooled = all(holds(after, before, settings) for after, before in zip(afters, job.befores, strict=True))
    return Fooled(
        picture=changed,
        original=job.levels,
        fooled=fooled,
        befores=job.befores,
        afters=afters,
        distances=distances(job.levels, changed),
        gradients=queries.gradients,
        forwards=queries.forwards,
        seconds=seconds,
        history=trail.steps,
        stall=trail.stall,
        ways=trail.ways,
        settings=settings,
        models=job.models,
    )


def _climb_and_shrink(queries: Queries, space: Pixels, goal: Goal, settings: Settings, eps: float | None, watch: Watch | None) -> Trail:
    generator = torch.Generator().manual_seed(settings.seed)
    trail = upward(queries, space, goal, norm=settings.norm, radius=eps, steps=settings.steps, generator=generator, watch=watch)
    left = settings.steps - queries.gradients
    if eps is not None or trail.stall is not None or left <= 0:
        return trail
    steps = min(left, max(SHRINK, settings.steps // 2))
    return downward(queries, space, goal, trail, norm=settings.norm, steps=steps, watch=watch)


def _check_exact(view: _View, levels: Levels) -> None:
    """The search may start only if it sees what the judge sees, bit for bit, in this very picture."""
    for preprocess, model in view.steps:
        mine = preprocess(_tensor(levels[preprocess.rows, preprocess.columns]).to(model.device))
        if not torch.equal(mine, model.encode(levels)):
            raise FoolError(f"Pillow {PIL.__version__} prepares this picture in a way that hoodwink does not know; use --at-model-size")


def _tensor(levels: Levels) -> Tensor:
    """uint8 H x W x C to 1 x C x H x W in [0, 1] on the grid."""
    return torch.tensor(np.ascontiguousarray(levels.transpose(2, 0, 1)))[None].float().div_(255)
