"""The work of an audit: attacks sent to pictures batch by batch, judged by the original network, written into the journal."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoodwink.attacks.balls import find_ball
from hoodwink.attacks.losses import margin
from hoodwink.attacks.objectives import MARGIN
from hoodwink.attacks.queries import Queries
from hoodwink.auditing.journal import Journal, Line
from hoodwink.auditing.records import Case, Labels
from hoodwink.auditing.sight import DRAWS, Logits, Sight, Sights
from hoodwink.pictures.levels import Levels

Rows = np.ndarray[Any, np.dtype[np.int64]]
Leads = np.ndarray[Any, np.dtype[np.float64]]
Attack = Callable[..., Tensor]
Ask = Callable[[Queries, Tensor, Tensor], dict[str, Tensor]]
_SUBPIXELS = {"cpu": 1 << 20, "cuda": 1 << 27}  # of a batch: as much as the caches of a CPU, or the cores of a GPU, like


class OutOfTime(Exception):
    """The time given is up; what is finished is in the journal."""


class Work:
    """Pictures, labels and a network, and what is known of each picture so far; everything passes through the journal.

    right: bool N, rightly classified. felled[case], free[case]: which stage felled a picture on the grid, and off it. lead[case]: the
    best lead seen, N. at[norm, picture]: the ball, and where in the journal's store a picture lies that fells it. gradients, forwards:
    int64 N, sentinels apart. disputed: finds of the prepared network that the original did not confirm.
    """

    def __init__(
        self,
        sights: Sights,
        pictures: Sequence[Levels] | Levels,
        labels: Labels,
        *,
        journal: Journal,
        seed: int = 0,
        batch: int | None = None,
        deadline: float | None = None,
        say: Callable[[str], None] | None = None,
        watch: Callable[[str, int, int], None] | None = None,
    ) -> None:
        count = len(labels)
        self.sights, self.pictures, self.labels, self.journal = sights, pictures, labels, journal
        self.seed, self.batch, self.deadline, self.say, self.watch = seed, batch, deadline, say, watch
        self.right = np.zeros(count, dtype=bool)
        self.felled: dict[Case, dict[int, str]] = {}
        self.free: dict[Case, dict[int, str]] = {}
        self.lead: dict[Case, Leads] = {}
        self.at: dict[tuple[str, int], tuple[Case, int]] = {}
        self.gradients, self.forwards = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        self.batches: list[dict[str, Any]] = []
        self.disputed = 0
        self._last: Queries | None = None
        self._shapes = pictures.shape[1:] if isinstance(pictures, np.ndarray) else [self.picture(i).shape for i in range(count)]

    def __len__(self) -> int:
        return len(self.labels)

    def picture(self, index: int) -> Levels:
        """One picture, uint8 H x W x C."""
        found = self.pictures[int(index)]
        return found if found.ndim == 3 else found[:, :, None]

    def size(self, index: int) -> tuple[int, int]:
        """The height and width of a picture."""
        shape = self._shapes if isinstance(self.pictures, np.ndarray) else self._shapes[int(index)]
        return int(shape[0]), int(shape[1])

    def open(self, case: Case) -> None:
        """Begin a ball: what a smaller one of the same norm felled falls here too."""
        smaller = [other for other in self.felled if other.norm == case.norm and other.eps < case.eps]
        last = max(smaller, key=lambda other: other.eps) if smaller else None
        self.felled[case] = dict(self.felled[last]) if last else {}
        self.free[case] = dict(self.free[last]) if last else {}
        self.lead[case] = self.lead[last].copy() if last else np.full(len(self), -np.inf)

    def standing(self, case: Case, free: bool = False) -> Rows:
        """The pictures that are right and not felled (free: not off the grid either)."""
        mask = self.right.copy()
        mask[[*self.felled[case], *(self.free[case] if free else ())]] = False
        return np.flatnonzero(mask)

    def classify(self) -> None:
        """The clean verdict of every picture, by the original network."""
        for _, lines in self._do("clean", np.arange(len(self)), self._classify, stage="clean"):
            for line in lines[:-1]:
                self.right[line["picture"]] = line["right"]

    def note(self, stage: str, rows: Rows, ask: Ask, *, case: Case | None = None) -> dict[int, dict[str, list[float]]]:
        """Ask something of each picture that is no attack: `ask(queries, pictures, labels)` returns tensors of N rows; by picture.

        case: the ball that it is about; then its cost is counted with the sentinels'.
        """
        notes: dict[int, dict[str, list[float]]] = {}
        for _, lines in self._do(stage, rows, lambda part, key: self._note(part, ask), stage=stage, case=case, sentinel=case is not None):
            notes |= {line["picture"]: line["notes"] for line in lines[:-1]}
        return notes

    def attack(
        self, case: Case, stage: str, rows: Rows, attack: Attack, *, free: bool = False, sentinel: bool = False, **asked: Any
    ) -> Leads:
        """Send an attack to pictures; returns the lead that each was left with, as long as `rows` (infinite: felled).

        asked: arguments of the attack; int64 arrays as long as `rows` go picture by picture. sentinel: costs are not counted with the
        search's.
        """
        place = {int(index): k for k, index in enumerate(rows)}
        out = np.full(len(rows), -np.inf)

        def send(part: Rows, key: str) -> list[Line]:
            where = [place[int(index)] for index in part]
            own = {name: torch.from_numpy(value[where]) if isinstance(value, np.ndarray) else value for name, value in asked.items()}
            return self._attack(case, key, part, attack, free, own)

        name = f"{case.norm} {case.eps!r} {'free ' if free else ''}{stage}"
        about = {
            "case": case,
            "stage": stage,
            "attack": getattr(attack, "__name__", type(attack).__name__),
            "free": free,
            "sentinel": sentinel,
        }
        for _, lines in self._do(name, rows, send, **about):
            for line in lines[:-1]:
                self._settle(case, stage, line, free)
                out[place[line["picture"]]] = np.inf if line["felled"] else line["lead"]
        return out

    def forget(self, norm: str, index: int) -> None:
        """A picture's fall did not hold in its file: it stands again, in every ball of the norm."""
        for case in self.felled:
            if case.norm == norm:
                self.felled[case].pop(index, None)
                self.free[case].pop(index, None)
        del self.at[norm, index]

    def tensor(self, rows: Rows) -> Tensor:
        """Pictures of one size as the network sees them: [0, 1], N x C x h x w, the seen part only."""
        sight = self.sights.of(*self.size(rows[0]))
        parts = np.stack([self.picture(index)[sight.rows, sight.columns] for index in rows])
        # Channels stay last in memory, where convolutions are fastest.
        return torch.from_numpy(parts).permute(0, 3, 1, 2).to(self.sights.model.device).float().div_(255)

    def targets(self, rows: Rows) -> Tensor:
        """The labels of pictures, on the network's device."""
        return torch.from_numpy(self.labels[rows]).to(self.sights.model.device)

    def queries(self, sight: Sight, free: bool = False) -> Queries:
        """Queries to the searched network."""
        return self.ask(sight.free if free else sight.search)

    def ask(self, function: Logits) -> Queries:
        """Queries to a function of pictures; a batch that did not fit once is not tried again."""
        self._last = Queries(function, batch=self.batch if self._last is None else self._last.batch, say=self.say)
        return self._last

    def _do(self, name: str, rows: Rows, send: Callable[[Rows, str], list[Line]], **about: Any) -> Iterator[tuple[Rows, list[Line]]]:
        """Each batch's lines, from the journal or done now."""
        parts = list(self.parts(rows))
        done = 0
        for number, part in enumerate(parts):
            key = f"{name} #{number}"
            lines = self.journal.batch(key)
            if lines is None or [line["picture"] for line in lines[:-1]] != part.tolist():
                if self.deadline is not None and time.monotonic() > self.deadline and about["stage"] != "clean":
                    raise OutOfTime
                begun = time.perf_counter()
                lines = send(part, key)
                lines = self.journal.write(key, lines, seconds=time.perf_counter() - begun)
            done += len(part)
            self._account(lines, about)
            if self.watch is not None:
                self.watch(name, done, len(rows))
            yield part, lines

    def parts(self, rows: Rows) -> Iterator[Rows]:
        """The pictures in batches of one size each, in order."""
        sizes: dict[tuple[int, int], list[int]] = {}
        for index in rows:
            sizes.setdefault(self.size(index), []).append(int(index))
        for size, members in sizes.items():
            sight = self.sights.of(*size)
            area = (sight.rows.stop - sight.rows.start) * (sight.columns.stop - sight.columns.start)
            channels = self.sights.model.card.picture.channels
            count = self.batch or max(8, _SUBPIXELS.get(self.sights.model.device.type, 1 << 20) // (area * channels))
            for start in range(0, len(members), count):
                yield np.array(members[start : start + count])

    def _classify(self, part: Rows, key: str) -> list[Line]:
        labels = self._labels(self.sights.of(*self.size(part[0])).judge, self.tensor(part)).cpu().numpy()
        return [{"picture": int(i), "right": bool(label == self.labels[i]), "forwards": 1} for i, label in zip(part, labels, strict=True)]

    def _note(self, part: Rows, ask: Ask) -> list[Line]:
        queries = self.queries(self.sights.of(*self.size(part[0])))
        found = {name: values.tolist() for name, values in ask(queries, self.tensor(part), self.targets(part)).items()}
        lines = [{"picture": int(index), "notes": {name: values[k] for name, values in found.items()}} for k, index in enumerate(part)]
        return self._counted(lines, queries)

    def _attack(self, case: Case, key: str, part: Rows, attack: Attack, free: bool, asked: dict[str, Any]) -> list[Line]:
        sight = self.sights.of(*self.size(part[0]))
        queries, pictures, labels = self.queries(sight, free), self.tensor(part), self.targets(part)
        asked = {name: value.to(labels.device) if isinstance(value, Tensor) else value for name, value in asked.items()}
        generator = torch.Generator().manual_seed(zlib.crc32(f"{self.seed} {key}".encode()))
        found = attack(
            queries, pictures, labels, norm=case.norm, eps=case.eps, generator=generator, **({"free": True} if free else {}), **asked
        )
        pictures, labels = self.tensor(part), self.targets(part)  # anew: an attack of the user's may have written into its own
        found = inside(found, pictures, case, free)
        lead = margin(queries.logits(found), None, labels)
        felled = lead > 0
        if bool(felled.any()):
            felled = self._confirm(sight, found, labels, felled, free)
        lines = [
            {"picture": int(index), "felled": bool(fell), "lead": float(value)}
            for index, fell, value in zip(part, felled, lead, strict=True)
        ]
        for k in () if free else felled.nonzero()[:, 0].tolist():
            lines[k]["at"] = self.journal.store(self._whole(int(part[k]), found[k], sight))
        return self._counted(lines, queries)

    def _confirm(self, sight: Sight, found: Tensor, labels: Tensor, felled: Tensor, free: bool) -> Tensor:
        """Ask the original network about those that the searched one says fell."""
        rows = felled.nonzero()[:, 0]
        fell = self._labels(sight.judge_free if free else sight.judge, found[rows]) != labels[rows]
        self.disputed += int((~fell).sum())
        return felled.index_put((rows,), fell)

    def _labels(self, judge: Logits, part: Tensor) -> Tensor:
        """The labels that the original network gives, int64 N; near a tie one by one, as a file is judged.

        Of a network that answers at random the most frequent of several.
        """
        queries = self.ask(judge)
        if self.sights.random:
            return torch.stack([queries.logits(part).argmax(1) for _ in range(DRAWS)]).mode(0).values
        logits = queries.logits(part)
        best = logits.topk(2, 1).values
        labels, size = logits.argmax(1), logits.abs().amax(1).clamp(max=1)  # of tiny logits the differences that mean something are tiny
        for k in (best[:, 0] - best[:, 1] < MARGIN * size).nonzero()[:, 0].tolist():
            labels[k] = queries.logits(part[k : k + 1])[0].argmax()
        return labels

    def _whole(self, index: int, part: Tensor, sight: Sight) -> Levels:
        """The whole picture, uint8, with the part that was searched put in."""
        levels = self.picture(index).copy()
        levels[sight.rows, sight.columns] = (part * 255).round().permute(1, 2, 0).to(torch.uint8).cpu().numpy()
        return levels

    def _counted(self, lines: list[Line], queries: Queries) -> list[Line]:
        gradients, forwards = queries.each(len(lines))
        return [{**line, "gradients": int(g), "forwards": int(f)} for line, g, f in zip(lines, gradients, forwards, strict=True)]

    def _settle(self, case: Case, stage: str, line: Line, free: bool) -> None:
        index = line["picture"]
        if not line["felled"]:
            if np.isfinite(line["lead"]) and not free:
                self.lead[case][index] = max(self.lead[case][index], line["lead"])
            return
        self.free[case].setdefault(index, stage)
        if not free:
            self.felled[case].setdefault(index, stage)
            self.at.setdefault((case.norm, index), (case, line["at"]))

    def _account(self, lines: list[Line], about: dict[str, Any]) -> None:
        gradients, forwards = (sum(line.get(name, 0) for line in lines[:-1]) for name in ("gradients", "forwards"))
        felled = sum(bool(line.get("felled")) for line in lines[:-1])
        self.batches.append(
            {
                **about,
                "met": len(lines) - 1,
                "felled": felled,
                "gradients": gradients,
                "forwards": forwards,
                "seconds": lines[-1]["seconds"],
            }
        )
        if not about.get("sentinel"):
            for line in lines[:-1]:
                self.gradients[line["picture"]] += line.get("gradients", 0)
                self.forwards[line["picture"]] += line.get("forwards", 0)


def inside(found: Tensor, pictures: Tensor, case: Case, free: bool) -> Tensor:
    """What an attack returned, brought into the box and the ball, and onto whole levels unless `free`: nobody is taken at his word."""
    ball, levels = find_ball(case.norm), (pictures * 255).round()
    change = (found.to(pictures).clamp(0, 1) * 255 - levels).nan_to_num(0.0)
    change = ball.project(change, case.eps)
    change = change if free else ball.whole(change, case.eps)
    return ((levels + change).clamp(0, 255)) / 255
