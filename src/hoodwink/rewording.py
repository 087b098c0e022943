"""Fooling a network that reads texts: the fewest letters or words to change, searched, written to a file, judged from the file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hoodwink.attacks.fewest import Fewest, Rank, fewest, greedy_edits, random_edits
from hoodwink.attacks.objectives import Goal, named, not_named
from hoodwink.evidence.judge import Verdict, judge
from hoodwink.evidence.reworded import EXACT, MOST, Asked, Reworded, holds, keep, record_of
from hoodwink.models.changes import Changer, Changes, Space
from hoodwink.models.model import Model
from hoodwink.networks.sequences import lengths_of
from hoodwink.runs import Run
from hoodwink.texts.edits import KINDS
from hoodwink.texts.read import Text, make_text, read_text

METHODS = ("fewest", "greedy", "random")


class RewordError(ValueError):
    """A request that makes no sense for this text; the message says what to type instead."""


def fool_text(
    text: str | Path | Text,
    *,
    target: str | int | None = None,
    model: Model,
    confidence: float | None = None,
    most: int = MOST,
    kinds: tuple[str, ...] = KINDS,
    method: str = "fewest",
    queries: int = EXACT,
    seed: int = 0,
    changer: Changer | None = None,
) -> Reworded:
    """Change as few letters of a text (or words, if that is what the network reads) as makes the network call it `target`.

    text: itself, or a Path of its file. target: a class by name or index; None: any other label. confidence: at least, in (0, 1); without
    one the label alone counts. most: changes at most. kinds: what may stand for a word (see `WordEdits`). method: "fewest" (what the
    gradient promises, then all texts of so many changes while these are at most `queries`), or, to compare with, "greedy" and "random". changer: of
    these kinds, where many texts share one.
    Raises RewordError, ModelError, ClassError, TextError.
    """
    job = _prepare(text, model, Asked(None, None, confidence, most, kinds, method, queries, seed), target)
    return _search(*job, changer)


def fool_text_into(
    directory: str | Path, text: str | Path | Text, *, model: Model, force: bool = False, arguments: Sequence[str] = (), **options: Any
) -> Reworded:
    """`fool_text` with a run folder: record first, manifest last."""
    target = options.pop("target", None)
    job = _prepare(text, model, Asked(**options), target)
    run = Run.create(directory, record_of(job[0].content, job[1], job[3], model, arguments), force=force)
    return keep(run, _search(*job, None))


def search(
    model: Model, space: Space, goal: Goal, *, most: int = MOST, method: str = "fewest", queries: int = EXACT, seed: int = 0
) -> Fewest[Any]:
    """The fewest changes of one text that reach a goal; items are the space's states."""

    def ask(items: Sequence[Any]) -> Tensor:
        return model.outputs(model.encode_all([space.text(item) for item in items])).float().cpu()

    further: Callable[[Any], Sequence[Any]] = space.further
    if method == "greedy":
        return greedy_edits(space.start, ask, further, goal, most=most)
    if method == "random":
        generator = torch.Generator().manual_seed(seed)
        return random_edits(space.start, ask, further, goal, queries=queries, most=most, generator=generator)
    return fewest(space.start, ask, further, goal, rank=promise(model, space, goal), most=most, exact=queries)


def promise(model: Model, space: Space, goal: Goal) -> Rank[Any] | None:
    """What a gradient promises of changes: the objective as if it were linear in the vectors of the steps (Ebrahimi 2018, HotFlip).

    None for a network without a table of such vectors.
    """
    table, classify = getattr(model.network, "table", None), getattr(model.network, "classify", None)
    if table is None or classify is None:
        return None

    def rank(item: Any, items: Sequence[Any]) -> Tensor:
        own = model.encode(space.text(item))
        with torch.enable_grad():
            steps = table(own).detach().requires_grad_()
            value = goal.objective(classify(steps, lengths_of(own)))
            (slope,) = torch.autograd.grad(value.sum(), steps)
        worth = slope[0] @ table.rows.T  # T x inputs: what each index would add at each step
        found = model.encode_all([space.text(one) for one in items])[:, : own.shape[1]]  # what comes behind has no slope
        places = torch.arange(found.shape[1], device=found.device)
        total: Tensor = worth[places, found].sum(1)
        return total.cpu()

    return rank


def _prepare(text: str | Path | Text, model: Model, asked: Asked, target: str | int | None) -> tuple[Text, Verdict, Model, Asked]:
    if asked.method not in METHODS:
        raise RewordError(f"method: one of {', '.join(METHODS)} was wanted, not {asked.method!r}")
    if asked.most < 1 or asked.queries < 1:
        raise RewordError(f"most and queries: 1 or more were wanted, not {asked.most} and {asked.queries}")
    source = text if isinstance(text, Text) else read_text(text) if isinstance(text, Path) else make_text(text)
    before = judge(source, model)
    name = None if target is None else model.class_name(model.find(target))
    asked = replace(asked, target=name, avoid=None if name else before.label, kinds=Changes.of(model, asked.kinds).kinds)
    if holds(before, before, asked):
        raise RewordError(f"the network already calls this text {name} (confidence {before.confidence(name or 0):.3f}); name another class")
    return source, before, model, asked


def _search(source: Text, before: Verdict, model: Model, asked: Asked, changer: Changer | None) -> Reworded:
    begun = time.perf_counter()
    changer = changer or Changer(model, Changes.of(model, asked.kinds))
    space = changer.of(source.content)
    if asked.target is None:
        goal = not_named(before.label_index, asked.confidence)
    else:
        goal = named(model.find(asked.target), asked.confidence or 1 / len(model.classes))
    found = search(model, space, goal, most=asked.most, method=asked.method, queries=asked.queries, seed=asked.seed)
    text = make_text(space.text(found.item))
    after = judge(text, model)
    return Reworded(
        text=text.content,
        original=source.content,
        fooled=found.found and holds(after, before, asked),
        before=before,
        after=after,
        count=space.changes(found.item),
        proven=found.proven,
        queries=found.queries,
        found_after=found.found_after,
        gradients=found.gradients,
        seconds=time.perf_counter() - begun,
        changes=changer.changes,
        asked=asked,
        model=model,
    )
