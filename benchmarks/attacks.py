"""Our attacks beside the same ones of other libraries, in one run: pictures a second, success, and what the loop costs.

    python benchmarks/attacks.py --subject lite0 [--attacks fgsm pgd apgd square ddn] [--repeats 3] [--out docs/results/attacks]

Subjects: `lite0` (the packaged ImageNet network, 224 x 224 crops of photographs, linf 1/255) and `cifar`
(HOODWINK_DATA/hardened/resnet2b.pth, the first test pictures, linf 2/255); labels are the network's own. Everybody gets the same
pictures, batches, steps and eps, turn by turn; seconds are medians. Settings: `falls`, as it comes, with pictures leaving where an
attack lets them; `holds`, where a head behind everybody's network keeps the label on top whatever the picture is, so that all take all
their steps: the figure of throughput. Peers get the original network as its users give it (normalisation inside, contiguous, with
parameter gradients unless --frozen), ours the prepared copy, in bfloat16 too as rows of their own. Evaluations are counted for each picture.
Success is read from the pictures as they are returned and from the file (whole levels inside the ball), by the original network.
`overhead` is our time over that of as many bare passes of the same function on the same batch (`holds`, each pair measured in turn).
A peer that cannot be imported is left out and named (AutoAttack's folder belongs on PYTHONPATH).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from audit import MEAN, STD, crops, machine, own_size
from peers import Make, Network, absent, find, hold, peers
from torch import Tensor

import hoodwink as hw
from hoodwink.attacks.queries import Queries
from hoodwink.auditing.sight import Sights
from hoodwink.data.load import load
from hoodwink.models.model import Model
from hoodwink.models.prepare import prepare

STEPS = {"fgsm": 1, "pgd": 40, "apgd": 100, "square": 100, "ddn": 100}
MINIMAL = ("ddn",)  # these have no ball
SETTINGS = ("falls", "holds")
SHORT = 5  # times as many repeats of one step
PEAKS = (10, 200)  # steps after which the memory is compared
KEY = ("subject", "attack", "name", "setting", "precision", "threads", "pictures", "batch", "steps", "frozen")


@dataclass(frozen=True)
class Subject:
    """A network, pictures [0, 1] N x C x H x W on the grid, the network's own labels, and how it is attacked.

    search: by precision, the prepared function from pictures to logits.
    """

    name: str
    model: Model
    pictures: Tensor
    labels: Tensor
    eps: float
    batch: int
    search: dict[str, Callable[[Tensor], Tensor]]

    def labelled(self, pictures: Tensor) -> Tensor:
        """The labels that the original network gives to [0, 1] pictures as they are, on the grid or off it."""
        mean, std = (torch.tensor(value).view(1, -1, 1, 1) for value in (self.model.card.picture.mean, self.model.card.picture.std))
        with torch.no_grad():
            return self.model.outputs(pictures.contiguous().sub(mean).div(std)).argmax(1)


def main() -> None:
    """Run the contest, print a line for each row, and add them to results.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--subject", choices=["lite0", "cifar"], default="lite0")
    parser.add_argument("--attacks", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--only", nargs="+", help="names that take part, such as hoodwink foolbox; all by default")
    parser.add_argument("--pictures", type=int, help="16 of lite0, 250 of cifar by default")
    parser.add_argument("--steps", type=int, help="for a quick look: instead of each attack's own")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--frozen", action="store_true", help="peers get a network without parameter gradients")
    parser.add_argument("--memory", action="store_true", help="our peak memory after few and after many steps, and nothing else")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.peak is not None:
        print(peak(make_subject(asked), asked.attacks[0], asked.peak))
        return
    for rows in memory(asked) if asked.memory else contests(asked):
        print(*(json.dumps(row) for row in rows), sep="\n", flush=True)
        if asked.out is not None:
            keep(asked.out / "results.json", rows)


def make_subject(asked: argparse.Namespace) -> Subject:
    """The network, its pictures and the functions that ours ask."""
    if asked.subject == "lite0":
        model, levels, eps, batch = own_size(hw.load_model("efficientnet-lite0")), crops(asked.pictures or 16), 1 / 255, 8
    else:
        path = Path(os.environ["HOODWINK_DATA"]) / "hardened" / "resnet2b.pth"
        model = hw.load_model(path, network="resnet2b", mean=MEAN, std=STD, classes=10)
        levels, eps, batch = np.asarray(load("cifar10:test", limit=asked.pictures or 250).pictures), 2 / 255, 250
    encoded = torch.cat([model.encode(one) for one in levels[:8]])
    search = {}
    for dtype in (torch.float32, torch.bfloat16):
        prepared = prepare(model, encoded, dtype=dtype)
        sight = Sights(model, prepared.network).of(*levels.shape[1:3])
        if dtype is torch.float32 or "bfloat16" in prepared.steps:
            search[str(dtype).removeprefix("torch.")] = sight.search
    pictures = torch.from_numpy(levels).permute(0, 3, 1, 2).float().div(255)
    with torch.no_grad():
        labels = torch.cat([sight.judge(part).argmax(1) for part in pictures.split(50)])
    return Subject(asked.subject, model, pictures, labels, eps, batch, search)


def contests(asked: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    """A contest for each attack and setting."""
    subject, missing = make_subject(asked), absent()
    for name, reason in missing.items():
        print(f"{name} is left out: {reason}")
    for attack, setting in product(asked.attacks, asked.settings):
        yield contest(subject, attack, setting, asked, missing)


@dataclass(frozen=True)
class Entry:
    """Who takes part. run: an attack on a batch, to its pictures and the gradients and forwards that it asked. ask: the network that it has."""

    name: str
    precision: str
    run: Callable[[Tensor, Tensor], tuple[Tensor, int, int]]
    ask: Callable[[Tensor], Callable[[Tensor], Tensor]]  # labels of a batch -> pictures to logits


def ours(subject: Subject, attack: str, precision: str, steps: int, holds: bool) -> Entry:
    """Our row, given the prepared function."""
    function, search = find(f"hoodwink.attacks.{attack}", attack), subject.search[precision]
    options = {"norm": "l2"} if attack in MINIMAL else {"norm": "linf", "eps": subject.eps}
    options |= {} if attack == "fgsm" else {"steps": steps}

    def ask(y: Tensor) -> Callable[[Tensor], Tensor]:
        return (lambda x: hold(search(x), y)) if holds else search

    def run(x: Tensor, y: Tensor) -> tuple[Tensor, int, int]:
        queries = Queries(ask(y))
        return function(queries, x, y, **options), queries.gradients, queries.forwards

    return Entry("hoodwink", precision, run, ask)


def theirs(subject: Subject, name: str, make: Make, holds: bool, frozen: bool) -> Entry:
    """A library's attack on the network as its users give it."""
    network = Network(subject.model, frozen).eval()
    attack = make(network)

    def ask(y: Tensor) -> Callable[[Tensor], Tensor]:
        network.labels, network.gradients, network.forwards = y if holds else None, 0, 0
        return network

    def run(x: Tensor, y: Tensor) -> tuple[Tensor, int, int]:
        ask(y)
        return attack(x, y).detach(), network.gradients, network.forwards

    return Entry(name, "float32", run, ask)


@dataclass
class Turn:
    """What one turn over all batches took (on the wall, of all cores), asked (gradients, forwards) and found; bare: as many bare passes."""

    seconds: np.ndarray[Any, Any] = field(default_factory=lambda: np.zeros(2))
    bare: np.ndarray[Any, Any] = field(default_factory=lambda: np.zeros(2))
    asked: np.ndarray[Any, Any] = field(default_factory=lambda: np.zeros(2))
    found: list[Tensor] = field(default_factory=list)


def contest(subject: Subject, attack: str, setting: str, asked: argparse.Namespace, missing: dict[str, str]) -> list[dict[str, Any]]:
    """Everybody runs one attack in one setting, turn by turn."""
    steps, holds = 1 if attack == "fgsm" else asked.steps or STEPS[attack], setting == "holds"
    entries = [ours(subject, attack, precision, steps, holds) for precision in subject.search]
    entries += [
        theirs(subject, name, make, holds, asked.frozen) for name, make in peers(attack, subject, steps).items() if name not in missing
    ]
    entries = [entry for entry in entries if asked.only is None or entry.name in asked.only]
    turns: list[list[Turn]] = [[] for _ in entries]
    for entry in entries:  # a network's first passes are slower than those after them
        x, y = shown(subject, entry)[0]
        passes(entry.ask(y), x, y, 1, 1)
    for _ in range(asked.repeats * (SHORT if attack == "fgsm" else 1)):
        for entry, taken in zip(entries, turns, strict=True):
            taken.append(turn(entry, shown(subject, entry), holds))
    known = {"subject": subject.name, "attack": attack, "setting": setting, "steps": steps, "pictures": len(subject.labels)}
    known |= {"batch": subject.batch, "threads": asked.threads, "frozen": asked.frozen, "eps": None if attack in MINIMAL else subject.eps}
    rows = [known | result(entry, taken, subject, attack, holds) | machine() for entry, taken in zip(entries, turns, strict=True)]
    rivals = [row for row in rows if row["name"] != "hoodwink"]
    for row in rows if rivals else []:  # times as fast as the fastest peer
        row |= {f"{kind}times": round(min(rival[f"{kind}seconds"] for rival in rivals) / row[f"{kind}seconds"], 2) for kind in ("", "cpu_")}
    return rows


def shown(subject: Subject, entry: Entry) -> list[tuple[Tensor, Tensor]]:
    """The batches, pictures and labels: ours have the channels last in memory, as the audit has them."""
    ours, pictures = entry.name == "hoodwink", subject.pictures
    pictures = pictures.contiguous(memory_format=torch.channels_last if ours else torch.contiguous_format)
    return list(zip(pictures.split(subject.batch), subject.labels.split(subject.batch), strict=True))


def turn(entry: Entry, batches: list[tuple[Tensor, Tensor]], holds: bool) -> Turn:
    """One attack on all batches; of ours in between as many bare passes, where nothing falls."""
    taken = Turn()
    torch.manual_seed(0)
    np.random.seed(0)
    for x, y in batches:
        begun = clocks()
        found, *counts = entry.run(x, y)
        taken.seconds += clocks() - begun
        taken.asked += counts
        taken.found.append(found)
        if holds and entry.name == "hoodwink":
            begun = clocks()
            passes(entry.ask(y), x, y, *(count // len(y) for count in counts))
            taken.bare += clocks() - begun
    return taken


def clocks() -> np.ndarray[Any, Any]:
    """Now: on the wall, and of this process on all cores."""
    return np.array([time.perf_counter(), time.process_time()])


def passes(function: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, gradients: int, forwards: int) -> None:
    """Input gradients of the cross-entropy, and forward passes, and nothing else."""
    for _ in range(gradients):
        leaf = x.detach().requires_grad_()
        torch.autograd.grad(F.cross_entropy(function(leaf), y, reduction="sum"), leaf)
    with torch.no_grad():
        for _ in range(forwards):
            function(x)


def result(entry: Entry, turns: list[Turn], subject: Subject, attack: str, holds: bool) -> dict[str, Any]:
    """A row: who, how fast, at what cost, and where labels may fall, with what success."""
    count, (seconds, cpu) = len(subject.labels), np.median([turn.seconds for turn in turns], 0)
    row: dict[str, Any] = {"name": entry.name, "precision": entry.precision, "repeats": len(turns), "seconds": round(seconds, 4)}
    row |= {"cpu_seconds": round(cpu, 4), "pictures_per_second": round(count / seconds, 2)}
    row |= {kind: round(asked / count, 1) for kind, asked in zip(("gradients", "forwards"), turns[-1].asked, strict=True)}
    if turns[0].bare.any():
        ratios = np.median([turn.seconds / turn.bare for turn in turns], 0)
        row |= {"overhead": round(ratios[0], 3), "cpu_overhead": round(ratios[1], 3)}
    return row | ({} if holds else verdicts(subject, torch.cat(turns[-1].found), None if attack in MINIMAL else subject.eps))


def verdicts(subject: Subject, found: Tensor, eps: float | None) -> dict[str, Any]:
    """The share that fools, as it is and from the file, inside the ball; of minimal attacks the median L2 of those, too."""
    rounded = (found * 255).round().clamp(0, 255).div(255)
    row: dict[str, Any] = {}
    for kind, shown in (("float", found), ("file", rounded)):
        fools, change = torch.cat([subject.labelled(part) for part in shown.split(50)]) != subject.labels, shown - subject.pictures
        if eps is not None:
            fools &= change.flatten(1).abs().amax(1) <= (eps if kind == "float" else int(255 * eps + 1e-6) / 255) + 1e-6
        row[f"{kind}_success"] = round(float(fools.float().mean()), 4)
        if eps is None and bool(fools.any()):
            row[f"{kind}_l2"] = round(float(change[fools].flatten(1).norm(dim=1).median()), 5)
    return row


def memory(asked: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    """The peaks of processes that run our attacks for few steps, and for many."""
    for attack in asked.attacks:
        command = [sys.executable, __file__, "--subject", asked.subject, "--attacks", attack, "--threads", str(asked.threads), "--peak"]
        peaks = {f"peak_mb_{steps}": round(int(subprocess.check_output([*command, str(steps)])) / 1024, 1) for steps in PEAKS}
        known = {"subject": asked.subject, "attack": attack, "name": "hoodwink", "setting": "memory", "threads": asked.threads}
        yield [known | peaks | machine()]


def peak(subject: Subject, attack: str, steps: int) -> int:
    """The peak resident memory in KiB after an attack on the first batch of which nothing falls."""
    entry = ours(subject, attack, "float32", steps, holds=True)
    entry.run(*shown(subject, entry)[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def keep(path: Path, rows: list[dict[str, Any]]) -> None:
    """Add rows to the file, in the place of older ones of the same case."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = {tuple(row.get(key) for key in KEY) for row in rows}
    old = json.loads(path.read_text()) if path.is_file() else []
    kept = [row for row in old if tuple(row.get(key) for key in KEY) not in new]
    path.write_text(json.dumps(kept + rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
