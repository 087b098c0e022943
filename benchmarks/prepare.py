"""What preparing a network gains: one forward pass and input gradient, done in the usual way and in each cheaper one.

python benchmarks/prepare.py [--model efficientnet-lite0] [--batch 8] [--repeats 9] [--threads N] [--compiled] [--out FILE.json]

Every way is timed once a round, so that a busy machine slows all alike; the table has medians in milliseconds and ratios to the first
row. A file of weights needs what `load_model` needs: --network --mean --std --classes.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import hoodwink as hw
from hoodwink.models.fold import Changes, rebuild
from hoodwink.models.model import Model
from hoodwink.models.prepare import prepare
from hoodwink.pictures.read import read_picture


def backward(network: nn.Module, pictures: Tensor) -> None:
    """The usual way: .backward(), which fills the gradients of the parameters too."""
    network.zero_grad()
    pictures = pictures.clone().requires_grad_()
    network(pictures).sum().backward()


def gradient(network: Callable[[Tensor], Tensor], pictures: Tensor) -> None:
    pictures = pictures.clone().requires_grad_()
    torch.autograd.grad(network(pictures).sum(), pictures)


class Folded(Changes):
    """Only what folding means: no merged paddings, no activations in place, no other layout."""

    def take(self, kind: str, layer: str) -> bool:
        return kind in ("traced", "idle layer removed", "batch norm folded") and super().take(kind, layer)


def ways(model: Model, pictures: Tensor, compiled: bool) -> tuple[dict[str, Callable[[], None]], dict[str, Any]]:
    """Each row of the table as a call, and what `prepare` said."""
    plain = copy.deepcopy(model.network).requires_grad_(True)
    folded = rebuild(model.network, Folded(), pictures[:1])
    laid = copy.deepcopy(folded).to(memory_format=torch.channels_last)
    rows: dict[str, Callable[[], None]] = {
        "backward, parameter gradients": lambda: backward(plain, pictures),
        "autograd.grad": lambda: gradient(model.network, pictures),
        "folded": lambda: gradient(folded, pictures),
        "folded, channels-last": lambda: gradient(lambda x: laid(x.contiguous(memory_format=torch.channels_last)), pictures),
    }
    said = {}
    wishes: dict[str, dict[str, Any]] = {"prepared": {}, "prepared, bfloat16": {"dtype": torch.bfloat16}}
    if compiled:
        wishes["prepared, compiled"] = {"compiled": True}
    for name, wish in wishes.items():
        made = prepare(model, pictures, **wish)
        said[name] = {"steps": made.steps, "left": made.left, "largest": made.largest, "seconds": made.seconds}
        if not wish or made.steps[-1] in ("bfloat16", "torch.compile"):
            rows[name] = lambda network=made.network: gradient(network, pictures)
    return rows, said


def measure(rows: dict[str, Callable[[], None]], repeats: int) -> dict[str, dict[str, float]]:
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for call in rows.values():
        call()
    for _ in range(repeats):
        for name, call in rows.items():
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    first = statistics.median(next(iter(seconds.values())))
    return {
        name: {"ms": 1e3 * statistics.median(some), "least_ms": 1e3 * min(some), "ratio": first / statistics.median(some)}
        for name, some in seconds.items()
    }


def load(options: argparse.Namespace) -> Model:
    fields: dict[str, Any] = {"network": options.network, "mean": options.mean, "std": options.std, "classes": options.classes}
    return hw.load_model(options.model, **{name: value for name, value in fields.items() if value is not None})


def real_or_made_up(model: Model, batch: int) -> Tensor:
    """The packaged photo and its mirror image, moved about and made darker, until the batch is full."""
    seen = model.encode(read_picture(Path(hw.__file__).parent / "assets" / "cat.png"))
    sides = [seen, seen.flip(3)]
    return torch.cat([sides[k % 2].roll(7 * k, 3) * (1 - k / (2 * batch)) for k in range(batch)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--network")
    parser.add_argument("--mean", type=float, nargs="+")
    parser.add_argument("--std", type=float, nargs="+")
    parser.add_argument("--classes", type=int)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--compiled", action="store_true", help="torch.compile too; the first pass takes a minute or more")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load(options)
    pictures = real_or_made_up(model, options.batch)
    rows, said = ways(model, pictures, options.compiled)
    table = measure(rows, options.repeats)
    print(f"{model.card.name}, {' x '.join(map(str, pictures.shape))}, {options.threads} threads, median of {options.repeats}")
    for name, row in table.items():
        print(f"{name:32}{row['ms']:9.1f} ms{row['ratio']:7.2f} x")
    for name, one in said.items():
        print(
            f"{name}: {', '.join(one['steps'])}; largest difference {one['largest']:.1e}; {one['seconds']:.1f} s",
            *one["left"],
            sep="\n  left: ",
        )
    if options.out:
        machine = {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": options.threads,
            "capability": torch.backends.cpu.get_cpu_capability(),
        }
        asked = {"model": model.card.name, "shape": list(pictures.shape), "repeats": options.repeats}
        record = {
            "asked": asked,
            "versions": {"hoodwink": hw.__version__, "torch": torch.__version__},
            "machine": machine,
            "ways": table,
            "said": said,
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
