"""How long each study takes with --quick: every study is to take under 10 seconds, all together under 3 minutes.

    python benchmarks/studies.py [--threads 2] [--out docs/results/studies]

Each runs in a process of its own, as `hoodwink study run NAME --quick` does, so that a row holds the import of torch, too; the last row is
all of them in one process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from audit import keep, machine

from hoodwink.studies.table import STUDIES

ALL = "all"


def main() -> None:
    """Run, print a line for each study, and add them to results.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    for name in (*STUDIES, ALL):
        row = {"study": name, "threads": asked.threads, "seconds": round(quick(name, asked.threads), 1), **machine()}
        print(json.dumps(row), flush=True)
        if asked.out is not None:
            keep(asked.out / "results.json", row, same=("study", "threads"))


def quick(name: str, threads: int) -> float:
    """The seconds of a process that runs a study."""
    with tempfile.TemporaryDirectory() as folder:
        words = [
            sys.executable,
            "-m",
            "hoodwink",
            "study",
            "run",
            name,
            "--quick",
            "--quiet",
            "--threads",
            str(threads),
            "--out",
            folder + "/run",
        ]
        begun = time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun


if __name__ == "__main__":
    main()
