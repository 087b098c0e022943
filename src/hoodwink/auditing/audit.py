"""An audit, top to bottom: prepare, classify, search, post sentinels, judge from the file, say what can be trusted."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoodwink.attacks.losses import Loss
from hoodwink.attacks.pgd import pgd
from hoodwink.attacks.square import square
from hoodwink.auditing import sentinels, trust
from hoodwink.auditing.around import around
from hoodwink.auditing.journal import FOUND, JOURNAL, Journal
from hoodwink.auditing.plan import Plan
from hoodwink.auditing.records import BUDGETS, AuditError, AuditResult, Case, Labels, Settings, make_cases
from hoodwink.auditing.sight import DRAWS, Sights
from hoodwink.auditing.tally import tally
from hoodwink.auditing.work import Attack, OutOfTime, Rows, Work
from hoodwink.bounds import certify
from hoodwink.evidence.audits import FOOLED, Felled, holding
from hoodwink.evidence.record import first_record
from hoodwink.models.model import Model
from hoodwink.models.prepare import Prepared, prepare
from hoodwink.pictures.levels import Levels
from hoodwink.runs import Run, RunError, as_json

Pictures = Levels | Sequence[Levels]
Given = np.ndarray[Any, np.dtype[np.floating[Any]]]
_LATE = "the time was up before the search was finished: what it did not reach counts as standing"
PROVED = 8  # clean pictures on which the prepared copy is proven equal


@dataclass(frozen=True, kw_only=True)
class Help:
    """What an audit is given besides its settings, none of which changes what is asked.

    transfer: another network, pictures made for which are tried. own: attacks of the user's (name and function).
    given: by name others' pictures, float N x C x H x W in [0, 1], judged beside ours. minutes: after them the audit ends with what it
    has. compiled: torch.compile the searched copy. watch: told (stage, pictures done, pictures in all).
    """

    transfer: Model | None = None
    own: tuple[tuple[str, Attack], ...] = ()
    objective: Loss | None = None
    given: tuple[tuple[str, Given], ...] = ()
    minutes: float | None = None
    compiled: bool = False
    say: Callable[[str], None] | None = None
    watch: Callable[[str, int, int], None] | None = None
    data: dict[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


def audit(
    model: Model,
    pictures: Pictures,
    labels: Labels | Sequence[int] | None = None,
    *,
    eps: float | Sequence[float],
    norm: str | Sequence[str] = "linf",
    budget: str = "standard",
    certify: bool = False,
    out: str | Path | None = None,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
    help: Help | None = None,
    **settings: Any,
) -> AuditResult:
    """Say how many of these pictures a file can fool the network with, inside each ball.

    pictures: uint8 N x H x W x C, or a list of H x W x C of different sizes. labels: int64 N; None: the model's own. eps: [0, 1]
    units, one or several; norm: linf, l2, l1, one or several. budget: quick, standard, exhaustive. certify: also count the pictures
    proven to stand. out: the run folder, where the journal is kept and `resume` goes on. settings: sentinels=59, free=False,
    precision="float32", batch=None (see `records.Settings`). Raises AuditError for a request that makes no sense, RunError for the folder.
    """
    asked = Settings(cases=make_cases(eps, norm), budget=budget, certify=certify, seed=seed, **settings)
    given = Help() if help is None else help
    shown, truth, notes = check_inputs(model, pictures, labels)
    run = None if out is None else _open(Path(out), asked, model, given, shown, truth, resume, force)
    result = _Audit(model, shown, truth, asked, given, Journal(None if run is None else run.directory), notes).result(run)
    if run is not None:
        _keep(run, result)
    return result


@dataclass
class _Audit:
    """One audit under way."""

    model: Model
    pictures: Pictures
    labels: Labels
    asked: Settings
    given: Help
    journal: Journal
    notes: tuple[str, ...]
    samples: dict[Case, Any] = field(default_factory=dict)
    won: dict[str, int] = field(default_factory=dict)
    moved: list[bool] = field(default_factory=list)
    far: dict[Case, float] = field(default_factory=dict)
    done: set[Case] = field(default_factory=set)

    def result(self, run: Run | None) -> AuditResult:
        begun = time.perf_counter()
        prepared = self._prepare()
        deadline = None if self.given.minutes is None else time.monotonic() + 60 * self.given.minutes
        work = Work(
            Sights(self.model, prepared.network),
            self.pictures,
            self.labels,
            journal=self.journal,
            seed=self.asked.seed,
            batch=self.asked.batch,
            deadline=deadline,
            say=self.given.say,
            watch=self.given.watch,
        )
        probe = trust.probe(work)
        work.sights.random = probe.random
        if probe.zero > 0.1 or probe.sums:
            work.sights.network = around(self.model.outputs)
        work.sights.scale = trust.scale(work)
        if self.asked.certify:  # what cannot be proven at all is said before hours of search
            for norm in {case.norm for case in self.asked.cases}:
                self._prove(work, np.arange(1), Case(norm, 0.0))
        self._search(work, probe)
        wrong = self._judge(work, run)
        by_eps = tuple(
            tally(work, case, self.samples.get(case), case in self.done, self.asked, self._certified(work, case))
            for case in self.asked.cases
        )
        falls = [(one.case, one.felled, one.robust) for one in by_eps]
        signs = trust.signs(
            probe,
            work.sights.scale,
            self.far,
            self.won.get("square", 0),
            self.won.get("transfer"),
            falls,
            sum(self.moved) / len(self.moved) if self.moved else None,
            work.disputed,
            len(wrong),
        )
        return AuditResult(
            by_eps=by_eps,
            signs=signs,
            gradients=work.gradients,
            forwards=work.forwards,
            pictures=_pictures(work),
            seconds=time.perf_counter() - begun,
            notes=(*self.notes, *wrong),
            disputed=work.disputed,
            prepared={"steps": list(prepared.steps), "left": list(prepared.left), "largest": prepared.largest},
        )

    def _prepare(self) -> Prepared:
        first = [
            levels if levels.ndim == 3 else levels[:, :, None]
            for levels in (self.pictures[k] for k in range(min(PROVED, len(self.labels))))
        ]
        encoded = [self.model.encode(levels) for levels in first]
        alike = [one for one in encoded if one.shape == encoded[0].shape]
        dtype = torch.bfloat16 if self.asked.precision == "bfloat16" else torch.float32
        return prepare(self.model, torch.cat(alike), dtype=dtype, compiled=self.given.compiled)

    def _search(self, work: Work, probe: trust.Probe) -> None:
        """Everything that asks the network, ball by ball; when the time is up, what is not finished counts as standing."""
        work.classify()
        plan = Plan(work, BUDGETS[self.asked.budget])
        for case in self.asked.cases:
            work.open(case)
            try:
                self._one_ball(work, plan, case, probe)
                self.done.add(case)
            except OutOfTime:
                self.notes = (*(note for note in self.notes if note != _LATE), _LATE)

    def _one_ball(self, work: Work, plan: Plan, case: Case, probe: trust.Probe) -> None:
        plan.run(case)
        for name, levels in self.given.given:
            sight = work.sights.of(*work.size(0))  # they are all of one size
            seen = levels[:, :, sight.rows, sight.columns]
            work.attack(case, f"given: {name}", work.standing(case), _given(seen), given=work.standing(case))
        if self.given.objective is not None:
            work.attack(case, "objective", work.standing(case), pgd, loss=self.given.objective, steps=50, restarts=2)
        for name, attack in self.given.own:
            work.attack(case, f"own: {name}", work.standing(case), attack)
        if probe.hidden and case.norm in ("linf", "l2"):  # what gradients cannot find, queries may
            work.attack(case, "queries", work.standing(case), square, steps=sentinels.QUERIES)
        if self.asked.sentinels:
            self._post(work, plan, case)
        if self.asked.free:
            plan.run_free(case)

    def _post(self, work: Work, plan: Plan, case: Case) -> None:
        rows, before = work.standing(case), work.lead[case].copy()
        if len(rows):
            sample = np.sort(np.random.default_rng([self.asked.seed, 1]).permutation(rows)[: trust.PROBED])
            self.far[case] = trust.far_left(work, case, sample)
        kinds = sentinels.kinds(len(self.model.classes), self._other(work))
        self.samples[case], won = sentinels.post(work, plan, case, self.asked.sentinels, kinds, self.asked.seed)
        for name, count in won.items():
            self.won[name] = self.won.get(name, 0) + count
        chosen = [index for index in self.samples[case].chosen if index not in work.felled[case]]
        self.moved += [bool(work.lead[case][index] > 0.8 * before[index]) for index in chosen]

    def _other(self, work: Work) -> Callable[[Tensor], Tensor] | None:
        """The other network, from the part of the pictures that this one sees."""
        if self.given.transfer is None:
            return None
        own, other = work.sights.of(*work.size(0)), Sights(self.given.transfer, self.given.transfer.outputs).of(*work.size(0))
        if not isinstance(work.pictures, np.ndarray) or (own.rows, own.columns) != (other.rows, other.columns):
            raise AuditError("transfer: pictures of one size were wanted, and a network that sees the same part of them")
        return other.judge

    def _certified(self, work: Work, case: Case) -> int | None:
        """How many of those standing are proven to."""
        if not self.asked.certify:
            return None
        rows = work.standing(case)
        return sum(self._prove(work, part, case) for part in work.parts(rows)) if len(rows) else 0

    def _prove(self, work: Work, rows: Rows, case: Case) -> int:
        wanted, pictures = self.model.card.picture, work.tensor(rows)
        if pictures.shape[2:] != self.model.encode(work.picture(rows[0])).shape[2:]:
            raise AuditError("certify: nothing can be proven through a resize; give pictures of the network's own size")
        proven = certify(self.model.network, pictures, work.targets(rows), eps=case.eps, norm=case.norm, mean=wanted.mean, std=wanted.std)
        return int(proven.sum())

    def _judge(self, work: Work, run: Run | None) -> list[str]:
        """The last verdict: every picture that fells, read back from its file and judged by code that knows no attack.

        What does not hold there does not count.
        """
        found = _felled(work, self.asked.cases)
        if run is not None:
            found = Felled.read(run.write(FOOLED, found.pack())) if len(found) else found
        cases, wrong = self.asked.cases, []
        faults = holding(found, [asdict(case) for case in cases], self.model, draws=DRAWS if work.sights.random else 1)
        for index, k, why in zip(found.index.tolist(), found.case.tolist(), faults, strict=True):
            if why:
                wrong.append(f"picture {index}: {why} when it is judged from its file, so it counts as standing ({cases[k].norm})")
                work.forget(cases[k].norm, index)
        if wrong and run is not None:
            run.write(FOOLED, _felled(work, cases).pack())
        return wrong


def _given(found: Given) -> Attack:
    """Others' pictures as an attack: those of the rows asked about, onto the grid and into the ball by the work's own guard."""

    def given(queries: Any, pictures: Tensor, labels: Tensor, *, given: Tensor, **asked: Any) -> Tensor:
        return torch.from_numpy(found[given.cpu().numpy()]).to(pictures)

    return given


def _felled(work: Work, cases: Sequence[Case]) -> Felled:
    """The felling pictures by index, of each norm one."""
    found = sorted((index, cases.index(case), at) for (_, index), (case, at) in work.at.items())
    indices = [index for index, _, _ in found]
    return Felled(
        pictures=[work.journal.fetch(at, work.picture(index).shape) for index, _, at in found],
        originals=[work.picture(index) for index in indices],
        index=np.array(indices, dtype=np.int64),
        label=work.labels[indices] if indices else np.zeros(0, dtype=np.int64),
        case=np.array([case for _, case, _ in found], dtype=np.int64),
    )


def _pictures(work: Work) -> Levels | list[Levels]:
    """For each picture the one that fells it in the last ball, or the original."""
    last = list(work.felled)[-1]
    out = [
        work.journal.fetch(work.at[last.norm, k][1], work.picture(k).shape) if k in work.felled[last] else work.picture(k)
        for k in range(len(work))
    ]
    return np.stack(out) if isinstance(work.pictures, np.ndarray) else out


def check_inputs(model: Model, pictures: Pictures, labels: Labels | Sequence[int] | None) -> tuple[Pictures, Labels, tuple[str, ...]]:
    """The pictures and labels in the house's form, and what was done to them; ModelError for a network without classes."""
    model.card.need("classify")
    if isinstance(pictures, Tensor):
        pictures = pictures.cpu().numpy()
    if not len(pictures):
        raise AuditError("pictures: one or more were wanted, none came")
    channels = model.card.picture.channels
    if isinstance(pictures, np.ndarray):
        if pictures.ndim == 3 and channels == 1:
            pictures = pictures[..., None]
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != channels:
            shape = " x ".join(map(str, pictures.shape))
            raise AuditError(f"pictures: uint8 N x H x W x {channels} was wanted, {pictures.dtype} {shape} came")
    elif isinstance(pictures, (list, tuple)):
        pictures = [_one(levels, k, channels) for k, levels in enumerate(pictures)]
    if labels is None:
        own = [int(model.outputs(model.encode(pictures[k])).argmax()) for k in range(len(pictures))]
        return pictures, np.array(own, dtype=np.int64), ("there are no labels: the network's own first answers were taken for them",)
    truth = np.asarray(labels.cpu() if isinstance(labels, Tensor) else labels)
    if truth.shape != (len(pictures),) or truth.dtype.kind not in "iu":
        raise AuditError(f"labels: {len(pictures)} whole numbers were wanted, {truth.dtype} of shape {truth.shape} came")
    if truth.min() < 0 or truth.max() >= len(model.classes):
        raise AuditError(
            f"labels: numbers in 0..{len(model.classes) - 1} were wanted, there is {int(truth.min() if truth.min() < 0 else truth.max())}"
        )
    return pictures, truth.astype(np.int64), ()


def _one(levels: Any, index: int, channels: int) -> Levels:
    """One picture of a list, uint8 H x W x C."""
    found = np.asarray(levels.cpu() if isinstance(levels, Tensor) else levels)
    found = found[..., None] if found.ndim == 2 and channels == 1 else found
    if found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != channels or not found.size:
        shape = " x ".join(map(str, found.shape))
        raise AuditError(f"pictures: uint8 H x W x {channels} was wanted for each, picture {index} is {found.dtype} {shape}")
    return found


def _open(out: Path, asked: Settings, model: Model, given: Help, pictures: Pictures, labels: Labels, resume: bool, force: bool) -> Run:
    """The run folder: a new one, or one that is unfinished and of the same audit."""
    record = {
        **first_record("audit", asked.to_json(), [model], given.arguments, asked.seed),
        "inputs": [_inputs(given.data, pictures, labels)],
    }
    if not (resume and (out / "run.json").is_file()):
        if force:
            for name in (JOURNAL, FOUND):
                (out / name).unlink(missing_ok=True)
        return Run.create(out, record, force=force)
    run = Run.open(out)
    if run.finished:
        raise RunError(f"{out}: this audit is finished; type hoodwink verify {out}, or name another folder")
    for key in ("settings", "models", "inputs"):
        if run.record.get(key) != as_json(record[key]):
            raise RunError(f"{out}: holds another audit (its {key} differ); name another folder, or type --force to replace it")
    return run


def _inputs(data: dict[str, Any], pictures: Pictures, labels: Labels) -> dict[str, Any]:
    """What the pictures are: what the caller knows of them, how many, and the hash of their levels and labels."""
    digest = hashlib.sha256(labels.tobytes())
    for levels in pictures:
        digest.update(np.ascontiguousarray(levels).data)
    return {**data, "pictures": len(labels), "content_sha256": digest.hexdigest()}


def _keep(run: Run, result: AuditResult) -> None:
    """Write what came into the run folder: claims, answer, survivors, report."""
    from hoodwink.evidence.audit_report import audit_report_html

    random = any(sign.found for sign in result.signs if sign.name == trust.RANDOM)
    claims = [
        {
            "kind": "audit",
            "file": FOOLED,
            "model": 0,
            "values": {
                **asdict(one.case),
                "cases": [asdict(c.case) for c in result.by_eps],
                "felled": one.felled,
                "draws": DRAWS if random else 1,
            },
        }
        for one in result.by_eps
        if one.felled
    ]
    run.update(claims=claims, result=result.to_json())
    run.event(wrote=JOURNAL)
    run.write("report.html", audit_report_html(run.directory).encode())
    run.finish()
    (run.directory / FOUND).unlink(missing_ok=True)  # last: before that a killed audit may still need it
