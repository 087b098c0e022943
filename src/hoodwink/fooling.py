"""The main job: read a photograph, climb until the network says something else, shrink the change, write the file, judge the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hoodwink.attacks.objectives import Goal, all_of, named, not_named
from hoodwink.attacks.trail import Step, Watch
from hoodwink.changing import Budget, FoolError, Mask, View, read_mask, search
from hoodwink.evidence.fooled import Fooled, Settings, holds, keep, record_of
from hoodwink.evidence.judge import Verdict, judge
from hoodwink.models.model import Model
from hoodwink.pictures.levels import Levels, distances
from hoodwink.pictures.read import MAX_PIXELS, Picture, take_picture
from hoodwink.runs import Run

__all__ = ["FoolError", "Fooled", "fool", "fool_into"]

CONFIDENCE = 0.9  # asked with a target, where nothing else is said


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
    budget: Budget
    mask: Mask | None
    goal: Goal
    view: View


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
    budget = Budget(norm, eps, steps, seed)
    budget.check()
    source = take_picture(source, channels=_channels(models), max_pixels=max_pixels)
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
    view = View(models, levels.shape, at_model_size)
    if not at_model_size:
        view.check_exact(levels)
    return _Job(levels, models, befores, settings, budget, read_mask(mask, levels.shape[:2], view), goal, view)


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


def _search(job: _Job, watch: Watch | None) -> Fooled:
    found = search(job.levels, job.view, job.goal, job.budget, job.mask, watch)
    afters = tuple(judge(found.picture, model, at_model_size=job.settings.at_model_size) for model in job.models)
    fooled = all(holds(after, before, job.settings) for after, before in zip(afters, job.befores, strict=True))
    return Fooled(
        picture=found.picture,
        original=job.levels,
        fooled=fooled,
        befores=job.befores,
        afters=afters,
        distances=distances(job.levels, found.picture),
        gradients=found.gradients,
        forwards=found.forwards,
        seconds=found.seconds,
        history=found.trail.steps,
        stall=found.trail.stall,
        ways=found.trail.ways,
        settings=job.settings,
        models=job.models,
    )
