"""A 12-megapixel photograph beside a small one: memory of the whole process and seconds per gradient evaluation.

    python benchmarks/large.py [--repeats 3] [--steps 300] [--out docs/results/large]

The large photograph is scikit-image's coffee.png enlarged to 4000 x 3000 by Pillow. Each run is a process of its own: the command
`hoodwink fool PHOTO --as strawberry`, as a user types it. Runs alternate, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import skimage
from PIL import Image


def main() -> None:
    """Run both, several times, and write the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("docs/results/large"))
    asked = parser.parse_args()
    small = Path(skimage.__file__).parent / "data" / "coffee.png"
    runs: dict[str, list[dict[str, Any]]] = {"small": [], "large": []}
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.png"
        Image.open(small).convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC).save(large)
        for repeat in range(asked.repeats):
            for name, photo in (("small", small), ("large", large)):
                runs[name].append(one(photo, Path(folder) / f"{name}-{repeat}", asked.steps))
                print(name, json.dumps(runs[name][-1]), flush=True)
    middle = {name: statistics.median(run["seconds_per_gradient"] for run in found) for name, found in runs.items()}
    figures = {
        "steps": asked.steps,
        "seconds_per_gradient": middle,
        "ratio": round(middle["large"] / middle["small"], 2),
        "most_memory_gib": max(run["memory_gib"] for run in runs["large"]),
        "runs": runs,
        "machine": {"cores": os.cpu_count(), "torch": version("torch"), "pillow": version("pillow")},
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "results.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(f"12 megapixels: {figures['ratio']} times the seconds per gradient evaluation, {figures['most_memory_gib']:.2f} GiB at most")


def one(photo: Path, out: Path, steps: int) -> dict[str, Any]:
    """One process: its search's seconds per gradient evaluation and its peak memory."""
    line = [sys.executable, "-m", "hoodwink", "fool", str(photo), "--as", "strawberry", "--steps", str(steps), "--out", str(out), "--quiet"]
    process = subprocess.Popen(line)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(f"{' '.join(line)} ended with {os.waitstatus_to_exitcode(status)}")
    result = json.loads((out / "run.json").read_text())["result"]
    return {
        "seconds_per_gradient": round(result["seconds"] / result["gradients"], 4),
        "gradients": result["gradients"],
        "forwards": result["forwards"],
        "l2": round(result["distances"]["l2"], 3),
        "memory_gib": round(usage.ru_maxrss / 2**20, 3),
    }


if __name__ == "__main__":
    main()
