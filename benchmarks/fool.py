"""Every photograph to every target, from the file: success, distance, evaluations, seconds; foolbox's searches beside it.

    python benchmarks/fool.py [--steps 300] [--peers] [--out docs/results/fool]

Photographs: four of scikit-image's and those in $HOODWINK_DATA/photos. The verdict is read from the saved file by the judge.
`overhead` is the search's wall time over the bare passes it made (encode, forward, backward of the same network, timed alone on the
same picture, median of 15). Peers (where foolbox is installed) get as many gradient evaluations as the search used, on the picture
at the network's size and on the whole photograph through torch's antialiased resize; their result is rounded, saved and reloaded.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hoodwink.evidence.judge import judge
from hoodwink.fooling import Fooled, fool
from hoodwink.models.load import load_model
from hoodwink.models.model import Model
from hoodwink.pictures.levels import distances
from hoodwink.pictures.read import read_picture
from hoodwink.pictures.write import encode_png

TARGETS = ("strawberry", "zebra", "pirate")
SKIMAGE = ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg")


def main() -> None:
    """Run the benchmark and write results.json and README.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--peer-targets", type=int, default=1, help="targets that the peers are run on, of the three")
    parser.add_argument("--out", type=Path, default=Path("docs/results/fool"))
    asked = parser.parse_args()
    model = load_model("efficientnet-lite0")
    rows, peers = [], []
    for photo in photos():
        for index, target in enumerate(TARGETS):
            rows.append(ours(photo, target, model, asked.steps))
            print(json.dumps(rows[-1]), flush=True)
            if asked.peers and index < asked.peer_targets:
                peers += list(theirs(photo, target, model, rows[-1]["gradients"]))
                print(*(json.dumps(row) for row in peers[-6:]), sep="\n", flush=True)
    write(asked.out, asked.steps, rows, peers)


def photos() -> list[Path]:
    """The photographs, at least 12 where HOODWINK_DATA is set."""
    import skimage

    found = [Path(skimage.__file__).parent / "data" / name for name in SKIMAGE]
    return found + sorted(Path(os.environ.get("HOODWINK_DATA", "/nowhere")).glob("photos/*.jpg"))


def ours(photo: Path, target: str, model: Model, steps: int) -> dict[str, Any]:
    """One photograph to one target."""
    result = fool(photo, target=target, model=model, steps=steps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fooled.png"
        path.write_bytes(encode_png(result.picture))
        verdict = judge(path, model)
    return {
        "photo": photo.name,
        "pixels": f"{result.original.shape[1]}x{result.original.shape[0]}",
        "target": target,
        "success": verdict.label == target and verdict.confidence(target) >= 0.9,
        "confidence": round(verdict.confidence(target), 5),
        "l2": round(result.l2, 4),
        "linf": result.linf,
        "changed": round(result.distances.l0 / result.original.size, 4),
        "gradients": result.gradients,
        "forwards": result.forwards,
        "seconds": round(result.seconds, 2),
        "overhead": round(result.seconds / bare_seconds(result, model), 3),
        "stall": result.stall,
        "ways": list(result.ways),
    }


def bare_seconds(result: Fooled, model: Model) -> float:
    """The time of the passes alone: as many gradients and forwards as the search made, each at its median of 15."""
    preprocess = model.preprocess(*result.original.shape[:2])
    part = result.picture[preprocess.rows, preprocess.columns]
    pictures = torch.from_numpy(np.ascontiguousarray(part.transpose(2, 0, 1)))[None].float().div_(255)

    def forward() -> None:
        with torch.no_grad():
            model.outputs(preprocess(pictures))

    def gradient() -> None:
        x = pictures.clone().requires_grad_()
        torch.autograd.grad(model.outputs(preprocess(x)).sum(), x)

    return result.gradients * median_seconds(gradient) + result.forwards * median_seconds(forward)


def median_seconds(action: Callable[[], None], repeats: int = 15) -> float:
    """The median time of an action, after one that is not counted."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


class _Whole(nn.Module):
    """The network behind torch's antialiased resize and a crop: what a user of the libraries would write for a whole photograph."""

    def __init__(self, model: Model, height: int, width: int, at_model_size: bool) -> None:
        super().__init__()
        self.network, self.spot = model.network, None if at_model_size else model.card.picture.geometry(height, width)
        self.mean, self.std = (torch.tensor(v).view(1, -1, 1, 1) for v in (model.card.picture.mean, model.card.picture.std))

    def forward(self, x: Tensor) -> Tensor:
        """[0, 1] pictures to logits."""
        if self.spot is not None:
            x = nn.functional.interpolate(x, self.spot.resized, mode="bicubic", antialias=True, align_corners=False)
            x = x[:, :, self.spot.top : self.spot.top + self.spot.size[0], self.spot.left : self.spot.left + self.spot.size[1]]
        logits: Tensor = self.network((x - self.mean) / self.std)
        return logits


def theirs(photo: Path, target: str, model: Model, gradients: int) -> Iterator[dict[str, Any]]:
    """foolbox's DDN, FMN and C&W at the same number of gradient evaluations, at model size and at the photo's own."""
    try:
        import foolbox as fb
    except ImportError:
        print("foolbox is not installed: its figures are left out (pip install foolbox==3.3.4)")
        return
    index = model.find(target)
    attacks = {
        "ddn": lambda: fb.attacks.DDNAttack(steps=gradients),
        "fmn": lambda: fb.attacks.L2FMNAttack(steps=gradients),
        "cw": lambda: fb.attacks.L2CarliniWagnerAttack(binary_search_steps=5, steps=gradients // 5, stepsize=0.01, initial_const=1.0),
    }
    for at_model_size in (True, False):
        levels = model.see(read_picture(photo)) if at_model_size else read_picture(photo).levels
        x = torch.from_numpy(levels.transpose(2, 0, 1).copy())[None].float() / 255
        wrapped = fb.PyTorchModel(_Whole(model, *levels.shape[:2], at_model_size).eval(), bounds=(0, 1), device="cpu")
        for name, make in attacks.items():
            start = time.perf_counter()
            _, found, _ = make()(wrapped, x, fb.criteria.TargetedMisclassification(torch.tensor([index])), epsilons=None)
            seconds = time.perf_counter() - start
            floats = found[0].detach()
            saved = (floats * 255).round().clamp(0, 255).byte().numpy().transpose(1, 2, 0)
            verdict = judge(np.ascontiguousarray(saved), model, at_model_size=at_model_size)
            yield {
                "photo": photo.name,
                "target": target,
                "attack": f"foolbox {name}",
                "size": "model" if at_model_size else "photo",
                "float_l2": round(float((floats - x[0]).norm()), 4),
                "file_l2": round(distances(levels, np.ascontiguousarray(saved)).l2, 4),
                "file_confidence": round(verdict.confidence(target), 4),
                "file_label": verdict.label == target,
                "file_090": verdict.label == target and verdict.confidence(target) >= 0.9,
                "seconds": round(seconds, 2),
            }


def write(out: Path, steps: int, rows: list[dict[str, Any]], peers: list[dict[str, Any]]) -> None:
    """Write results.json and a table to read."""
    out.mkdir(parents=True, exist_ok=True)
    packages = ("torch", "numpy", "pillow", "hoodwink")
    machine = {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }
    (out / "results.json").write_text(json.dumps({"machine": machine, "steps": steps, "rows": rows, "peers": peers}, indent=1) + "\n")
    (out / "README.md").write_text(table(machine, steps, rows, peers))


def cpu() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def table(machine: dict[str, Any], steps: int, rows: list[dict[str, Any]], peers: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    middle = {key: statistics.median(row[key] for row in rows) for key in ("l2", "gradients", "seconds", "overhead")}
    lines = [
        "# Fooling photographs, judged from the file",
        "",
        (
            f"Made by `benchmarks/fool.py --steps {steps}` on {machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, "
            f"torch {machine['torch']}, Pillow {machine['pillow']}."
        ),
        "",
        (
            f"{sum(row['success'] for row in rows)} of {len(rows)} succeed at confidence 0.9 from the file. Medians: L2 {middle['l2']:.3f}, "
            f"{middle['gradients']:.0f} gradient evaluations, {middle['seconds']:.1f} s, {middle['overhead']:.2f} times the bare passes."
        ),
        "",
        "| photo | pixels | target | from the file | L2 | largest change | changed | gradients | forwards | seconds | over bare passes |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['photo']} | {r['pixels']} | {r['target']} | {r['confidence']:.4f}{'' if r['success'] else ' **missed**'} | {r['l2']:.3f} | {r['linf']} | "
        f"{100 * r['changed']:.1f} % | {r['gradients']} | {r['forwards']} | {r['seconds']:.1f} | {r['overhead']:.2f} |"
        for r in rows
    ]
    if peers:
        lines += ["", *peer_table(peers)]
    return "\n".join(lines) + "\n"


def peer_table(peers: list[dict[str, Any]]) -> list[str]:
    """foolbox beside it: what is left of its results in the file."""
    lines = [
        (
            f"foolbox {version('foolbox')}, as many gradient evaluations as above, on {len({p['photo'] for p in peers})} photographs to "
            f"{', '.join(sorted({p['target'] for p in peers}))}; rounded, saved, reloaded and judged like ours. (It stops at the flip: it has no "
            "confidence to ask for.)"
        ),
        "",
        "| attack | picture | has the label in the file | at 0.9 | median confidence in the file | median L2, float | median L2, file |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, size in sorted({(p["attack"], p["size"]) for p in peers}):
        group = [p for p in peers if (p["attack"], p["size"]) == (name, size)]
        middle = {key: statistics.median(p[key] for p in group) for key in ("file_confidence", "float_l2", "file_l2")}
        lines.append(
            f"| {name} | at {size} size | {sum(p['file_label'] for p in group)} of {len(group)} | {sum(p['file_090'] for p in group)} | "
            f"{middle['file_confidence']:.3f} | {middle['float_l2']:.3f} | {middle['file_l2']:.3f} |"
        )
    return lines


if __name__ == "__main__":
    main()
