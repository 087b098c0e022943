"""What the recipes reach and how long they take here: each is trained as `hoodwink train` does it.

    python benchmarks/recipes.py --recipe mnist-cnn --recipe cifar-fast [--seeds 3] [--threads 2] [--out docs/results/recipes]

A row for each recipe and seed: seconds of training (evaluation apart) and of everything, test accuracies, the loss by epoch.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from audit import keep, machine

from hoodwink.training.recipes import RECIPES
from hoodwink.training.run import Watch, history, train


def main() -> None:
    """Train, print a line for each run, and add them to results.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--recipe", action="append", choices=list(RECIPES), required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    for name in asked.recipe:
        for seed in range(asked.seeds):
            row = {"recipe": name, "seed": seed, "threads": asked.threads, **trained(name, seed), **machine()}
            print(json.dumps(row), flush=True)
            if asked.out is not None:
                keep(asked.out / "results.json", row, same=("recipe", "seed", "threads"))


def trained(name: str, seed: int) -> dict[str, Any]:
    """One run in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run = train(name, out=Path(folder) / "run", seed=seed, watch=Watch(epoch=lambda epoch: print(epoch, flush=True)))
        seconds, result = time.perf_counter() - begun, run.record["result"]
        found = {key: round(result[key]["test_accuracy"], 4) for key in ("best", "last", "flips") if key in result}
        losses = [round(epoch.loss, 4) for epoch in history(run)]
    return {"epochs": result["epochs"], "seconds": result["seconds"], "seconds_in_all": round(seconds, 1), **found, "losses": losses}


if __name__ == "__main__":
    main()
