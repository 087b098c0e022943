"""How a claim about the answers of image search is judged: the file is embedded anew, and its store is asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoodwink.evidence.checks import FAILS, HOLDS, UNKNOWN, Check, inside, value
from hoodwink.evidence.searched import TOLERANCE, Answer, embed_alone, named, open_for_model, shared
from hoodwink.models.card import ModelError
from hoodwink.models.embed import Embedder, as_embedder
from hoodwink.models.model import Model
from hoodwink.pictures.read import PictureError, read_picture
from hoodwink.runs import RunError, one_line, sha256_file
from hoodwink.search.answers import find_answers
from hoodwink.search.exact import CHUNK, exact, questions
from hoodwink.search.index import LARGE
from hoodwink.search.storage import SearchError, Storage

_DEEPER = 50  # answers beyond twice as many as claimed: what an index found in place of one that it missed is among them


@dataclass(frozen=True)
class _Side:
    """What is claimed of one picture."""

    file: str
    sha256: str | None
    answers: tuple[Answer, ...]
    exact: int


@dataclass(frozen=True)
class _Found:
    """What came of judging it: what is wrong with the file or the answers, what cannot be checked, how many answers are the nearest."""

    file: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    near: int = 0
    indexed: int = 0


@dataclass(frozen=True)
class _Desk:
    """What both sides are judged with. same: whether the store is as it was when it was asked."""

    directory: Path
    embedder: Embedder
    store: Storage
    k: int
    same: bool


def search_claim(file: str, values: Mapping[str, Any], directory: Path, model: Model) -> Check:
    """Judge that a file's nearest pictures in a store are those claimed, through the store's index and by comparing all.

    values:
      store    the store: the full name of a folder, or "lance:" and one; an address on other machines is not asked
      stamp    of the store when it was asked (`Storage.stamp`), and count, its pictures then
      k        how many answers were asked for; there are min(k, count)
      layer    the layer that the embedding leaves out, "" for the network's last (`models.embed.as_embedder`)
      sha256   of the file
      answers  nearest first, each {path, sha256, cosine}
      exact    how many of the answers are nearest when all are compared (an index of cells may miss some); absent: all
      other    absent, or what is claimed of another picture: {file (in the run folder), sha256, answers, exact, shared}, where shared is
               how many of the file's answers are, by content, answers to the other picture too, at least
    `searched.claim_of` and `searched.side_of` make the two. Distances from an original are a claim of the kind "picture".

    Answers are compared by content and cosine; cosines within 1e-3 are equal, so what lies at the end may be exchanged for one as near.
    It does not hold for another file, another cosine, answers that are not the nearest, too few shared, or a first answer that is not the
    other's first. Whatever `exact` says, below 100,000 pictures, where an index compares all, each answer has to be among the nearest,
    from there on half of them. It cannot be checked where the store is gone or of other embeddings, or where it changed since and answers
    otherwise now.
    """
    name = model.card.name
    k, where, layer = (value(values, key, kind) for key, kind in (("k", int), ("store", str), ("layer", str)))
    sides = _sides(file, values)
    if k is None or k < 1 or where is None:
        raise RunError("run.json: a claim of a search names its store and its k, from 1; this one was changed by hand")
    if "://" in where:
        return Check("search", file, name, UNKNOWN, f"the store is at {one_line(where)}, which is not asked because a record says so")
    try:
        embedder = as_embedder(model, layer or "")
        with closing(open_for_model(where, model, layer or "")) as store:
            same = store.stamp() == value(values, "stamp", str)
            desk = _Desk(directory, embedder, store, k, same)
            count = len(store) if same else value(values, "count", int)
            found = [_judge(side, desk, count) for side in sides]
            return _conclude(file, name, values, sides, found, len(store))
    except (SearchError, ModelError) as error:
        return Check("search", file, name, UNKNOWN, str(error))


def _sides(file: str, values: Mapping[str, Any]) -> list[_Side]:
    """What is claimed of the file, and of the other picture if there is one."""
    other = values.get("other")
    try:
        sides = [_side(file, values)]
        return sides if other is None else [*sides, _side(str(other["file"]), other)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"run.json: the answers of a claim were changed by hand ({type(error).__name__}: {error})") from error


def _side(file: str, values: Mapping[str, Any]) -> _Side:
    answers = tuple(Answer(str(one["path"]), str(one["sha256"]), float(one["cosine"])) for one in values["answers"])
    near = value(values, "exact", int)
    return _Side(file, value(values, "sha256", str), answers, len(answers) if near is None else near)


def _judge(side: _Side, desk: _Desk, count: int | None) -> _Found:
    path = inside(desk.directory, side.file)
    if path is None:
        return _Found(missing=(f"{side.file} is not in the folder",))
    try:
        picture = read_picture(path, channels=desk.embedder.model.card.picture.channels)
        if side.sha256 not in (None, picture.sha256):
            return _Found(file=(f"another file: its SHA-256 is {picture.sha256[:12]}..., {str(side.sha256)[:12]}... was claimed",))
        vector = embed_alone(picture, desk.embedder)
    except PictureError as error:
        if side.sha256 == sha256_file(path):  # as it was claimed: larger than is read here
            return _Found(missing=(str(error),))
        return _Found(file=(str(error),))
    deep = 2 * desk.k + _DEEPER
    true = named(desk.store, *exact(desk.store.rows(CHUNK), questions(vector, deep, desk.store.card.dimension), deep))
    indexed = find_answers(desk.store, vector, desk.k)
    return _compare(side, true, named(desk.store, indexed.ids, indexed.cosines), desk, count)


def _compare(side: _Side, true: Sequence[Answer], indexed: Sequence[Answer], desk: _Desk, count: int | None) -> _Found:
    """The answers claimed beside the nearest of all, more of them than claimed, and beside the index's."""
    here, wrong, missing = _matched(side.answers, true), list[str](), list[str]()
    cosines = [answer.cosine for answer in side.answers]
    if len(cosines) != min(desk.k, len(cosines) if count is None else count) or cosines != sorted(cosines, reverse=True):
        wrong.append(f"{desk.k} answers, nearest first, were wanted")
    other = [f"{one.path}: {found.cosine:.4f}" for one, found in zip(side.answers, here, strict=True) if found and _far(one, found)]
    if other:
        wrong.append(f"{len(other)} of {len(here)} cosines are others ({one_line(other[0])})")
    strange = sum(bool(found and found.path != one.path) for one, found in zip(side.answers, here, strict=True)) if desk.same else 0
    if strange:
        wrong.append(f"{strange} of {len(here)} answers have other paths")
    end = true[min(desk.k, len(true)) - 1].cosine - TOLERANCE if true else 0.0
    near = sum(found is not None and found.cosine >= end for found in here)
    through = shared(side.answers, indexed) + _as_near(side.answers, here, indexed)
    unseen = [one.sha256 for one, found in zip(side.answers, here, strict=True) if found is None]
    held = {one.sha256 for one in desk.store.known().values()} if unseen else set()
    lost = [one in held for one in unseen]
    floor = len(here) if len(desk.store) < LARGE else -(-len(here) // 2)
    wanted, word = (side.exact, "were claimed") if side.exact >= floor else (floor, "are wanted")
    said = [f"{near} of {len(here)} answers are the nearest, {wanted} {word}"] * (near < wanted)
    said += [f"its index finds {through} of {len(here)} answers, {wanted} {word}"] * (through < wanted)
    said += [f"{sum(lost)} of {len(here)} answers are not even near"] * any(lost)
    said += [f"{len(lost) - sum(lost)} of {len(here)} answers are not in the store"] * (not all(lost))
    if said:
        (wrong if desk.same else missing).extend(said if desk.same else [*said, "the store was changed since"])
    return _Found((), tuple(wrong), tuple(missing), near, min(through, len(here)))


def _matched(answers: Sequence[Answer], true: Sequence[Answer]) -> list[Answer | None]:
    """For each answer the one with its content among those that are true now, each taken once, by its path if that is there."""
    left: dict[str, list[Answer]] = {}
    for one in true:
        left.setdefault(one.sha256, []).append(one)
    found: list[Answer | None] = []
    for answer in answers:
        same = left.get(answer.sha256, [])
        best = min(same, key=lambda one: one.path != answer.path, default=None)
        found.append(best)
        if best is not None:
            same.remove(best)
    return found


def _as_near(answers: Sequence[Answer], here: Sequence[Answer | None], indexed: Sequence[Answer]) -> int:
    """How many answers the index has exchanged for others as near as its last."""
    if not indexed:
        return 0
    found = {one.sha256 for one in indexed}
    strangers = [true for one, true in zip(answers, here, strict=True) if true is not None and one.sha256 not in found]
    return sum(abs(one.cosine - indexed[-1].cosine) <= TOLERANCE for one in strangers)


def _far(claimed: Answer, found: Answer) -> bool:
    return not abs(claimed.cosine - found.cosine) <= TOLERANCE


def _conclude(file: str, model: str, values: Mapping[str, Any], sides: Sequence[_Side], found: Sequence[_Found], count: int) -> Check:
    about = [f"{side.file}: " if len(sides) > 1 else "" for side in sides]
    wrong = {part: [who + why for who, one in zip(about, found, strict=True) for why in getattr(one, part)] for part in ("file", "answer")}
    missing = [who + why for who, one in zip(about, found, strict=True) for why in one.missing]
    measured: dict[str, Any] = {"pictures": count, "nearest": found[0].near, "indexed": found[0].indexed}
    told = f"{found[0].near} of {len(sides[0].answers)} answers are the nearest of {count} pictures, the index finds {found[0].indexed}"
    if len(sides) > 1:
        measured["shared"] = shared(sides[0].answers, sides[1].answers)
        wanted = value(values["other"], "shared", int) or 0
        told += f"; {measured['shared']} are answers to {sides[1].file} too"
        if measured["shared"] < wanted:
            wrong["answer"].append(f"{wanted} were claimed to be answers to {sides[1].file} too")
        first = [[one.sha256 for one in side.answers[:1]] for side in sides]
        if first[0] != first[1]:
            wrong["answer"].append(f"the first answer is not that of {sides[1].file}")
    faults = [*wrong["file"], *wrong["answer"]]
    return Check(
        kind="search",
        file=file,
        model=model,
        status=FAILS if faults else UNKNOWN if missing else HOLDS,
        why="; ".join([*faults, *missing, *([told] if not wrong["file"] else [])]),
        wrong=tuple(part for part, why in wrong.items() if why),
        measured=measured,
    )
