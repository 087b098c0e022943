"""Networks of names, vectors of words and fooled names, each beside what it is measured against, in one run.

    python benchmarks/sequences.py --case names|vectors|fool [--repeats 3] [--threads 2] [--out docs/results/sequences]

names: an epoch of the names LSTM at batch 30 beside the tutorial's loop (one name at a time, a call of the same LSTM for each letter) and
beside our loop at batch 1; seconds an epoch are those of so many names, scaled. vectors: the canonical text file of 400,000 words read for
the first time and again, each in a process of its own. fool: names of the test split fooled by a network trained here, with the fewest
changes and by the random and greedy searches; seconds and queries a name.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from audit import keep, machine
from torch import nn

from hoodwink.data.fetch import data_folders
from hoodwink.data.texts import load_texts
from hoodwink.models.load import load_model
from hoodwink.rewording import METHODS, fool_text
from hoodwink.training.feeds import TextFeed
from hoodwink.training.inputs import gather, make_network
from hoodwink.training.loop import Parts, Training, fit
from hoodwink.training.precision import keep_memory
from hoodwink.training.recipes import RECIPES
from hoodwink.training.run import train
from hoodwink.training.updates import classify

NAMES, ONE_BY_ONE = 14_035, 1_000  # names of an epoch; names that the slow ways are timed on
QUERIES = 2_000  # of the random search
FOOLED = 100  # names
_FEW = 2  # letters: more are proven by asking about all texts with two


def main() -> None:
    """Run the cases, print a line for each, and add them to results.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", action="append", choices=list(CASES), required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    keep_memory()
    for case in asked.case:
        row = {"case": case, "threads": asked.threads, **CASES[case](asked.repeats), **machine()}
        print(json.dumps(row), flush=True)
        if asked.out is not None:
            keep(asked.out / "results.json", row, same=("case", "threads"))


def names(repeats: int) -> dict[str, Any]:
    """Seconds of an epoch each way, turn by turn, and their ratios."""
    one_hot = {"width": 0, "fixed": True, "dropout": 0.0}  # as the tutorials have it
    recipe = replace(RECIPES["names-lstm"].changed(one_hot), validation=0, epochs=1, keep="last")
    material = gather(recipe)
    network = make_network(recipe, material)
    feed = material.train
    assert isinstance(feed, TextFeed)
    few = feed.part(torch.arange(ONE_BY_ONE))

    def ours(part: TextFeed, batch: int) -> None:
        parts = Parts(replace(recipe, batch=batch), copy.deepcopy(network).train(), classify(), part, None)
        fit(Training.start(parts), watch=lambda epoch: None, tick=lambda training: None)

    ways: dict[str, tuple[int, Callable[[], None]]] = {
        "batch 30": (len(feed), lambda: ours(feed, 30)),
        "batch 1": (ONE_BY_ONE, lambda: ours(few, 1)),
        "letter by letter": (ONE_BY_ONE, lambda: letter_by_letter(copy.deepcopy(network).train(), few, recipe.rate)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, (count, way) in ways.items():
            begun = time.perf_counter()
            way()
            seconds[name].append((time.perf_counter() - begun) * NAMES / count)
    found: dict[str, Any] = {f"{name}, seconds an epoch": round(statistics.median(values), 2) for name, values in seconds.items()}
    for name in ("batch 1", "letter by letter"):
        ratios = [slow / fast for slow, fast in zip(seconds[name], seconds["batch 30"], strict=True)]
        found[f"{name} over batch 30"] = round(statistics.median(ratios), 1)
    return found


def letter_by_letter(network: nn.Module, feed: TextFeed, rate: float) -> None:
    """The tutorial's loop: for each name a call of the recurrent layer for each letter, then backward and a step; the same network."""
    recurrent, linear = network.recurrent, network.linear  # type: ignore[assignment]
    assert isinstance(recurrent, nn.LSTM) and isinstance(linear, nn.Linear) and feed.labels is not None
    optimiser, total = torch.optim.Adam(network.parameters(), lr=rate), 0.0
    for index in torch.randperm(len(feed)).tolist():
        indices = feed.data.indices[index, : int(feed.data.lengths[index])]
        letters = F.one_hot(indices, recurrent.input_size).float()
        state = None
        optimiser.zero_grad()
        for letter in letters:
            output, state = recurrent(letter.view(1, 1, -1), state)
        loss = F.cross_entropy(linear(output[:, -1]), feed.labels[index : index + 1])
        loss.backward()
        optimiser.step()
        total += loss.item()


def vectors(repeats: int) -> dict[str, Any]:
    """Seconds and memory of reading the canonical file, for the first time and again."""
    file = next((folder / "glove.6B.50d.txt" for folder in data_folders("glove") if (folder / "glove.6B.50d.txt").is_file()), None)
    if file is None:
        sys.exit("glove.6B.50d.txt was wanted in a folder glove of HOODWINK_DATA")
    firsts, seconds, peaks = list[float](), list[float](), list[float]()
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            for found in (firsts, seconds):
                took, peak = _reading(file, cache)
                found.append(took)
                if found is firsts:
                    peaks.append(peak)
    return {
        "words": 400_000,
        "first, seconds": round(statistics.median(firsts), 2),
        "again, seconds": round(statistics.median(seconds), 3),
        "peak over the array, MB": round(statistics.median(peaks), 0),
    }


def _reading(file: Path, cache: str) -> tuple[float, float]:
    """The seconds of reading in a new process, and its peak memory above what it had before, the array's 80 MB left out."""
    code = (
        "import time\nfrom hoodwink.texts.vectors import read_vectors\nfrom pathlib import Path\n"
        "def peak(): return int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) / 1024\n"
        "before = peak(); begun = time.perf_counter()\n"
        f"found = read_vectors({str(file)!r}, cache=Path({cache!r})); found['king']\n"
        "took = time.perf_counter() - begun\n"
        "print(took, peak() - before - found.array.nbytes / 2**20)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    return float(found[0]), float(found[1])


def fool(repeats: int) -> dict[str, Any]:
    """Seconds and queries of fooling names, each way."""
    with tempfile.TemporaryDirectory() as folder:
        model = load_model(train("names-lstm", out=Path(folder) / "run", epochs=5).directory)
        process = _process(folder, repeats)
    texts = load_texts("names").texts[:FOOLED]
    found: dict[str, Any] = {"names": len(texts), "whole process, seconds": process}
    for method in METHODS:
        limit = {"queries": QUERIES} if method == "random" else {}
        results = [fool_text(text, model=model, method=method, **limit) for text in texts]  # type: ignore[arg-type]
        fooled = [one for one in results if one.fooled]
        found[method] = {
            "fooled": len(fooled),
            "changes": round(statistics.fmean(one.count for one in fooled), 2),
            "proven minimal": sum(one.minimal for one in fooled),
            "median queries until one fools": statistics.median(one.found_after or 0 for one in fooled),
            "mean queries": round(statistics.fmean(one.queries for one in results), 1),
            "median seconds": round(statistics.median(one.seconds for one in results), 4),
            "slowest, seconds": round(max(one.seconds for one in results), 3),
            "slowest of those with two letters or fewer, seconds": round(max(one.seconds for one in fooled if one.count <= _FEW), 3),
            "with more": sum(one.count > _FEW for one in fooled),
        }
    return found


def _process(folder: str, repeats: int) -> float:
    """The median seconds of `hoodwink fool --text`, from the shell to its files."""
    words = ["fool", "--text", "Okonkwo", "--untargeted", "--model", f"{folder}/run", "--out", f"{folder}/out", "--force", "--quiet"]
    seconds = []
    for _ in range(max(repeats, 3)):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "hoodwink", *words], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begun)
    return round(statistics.median(seconds), 2)


CASES: dict[str, Callable[[int], dict[str, Any]]] = {"names": names, "vectors": vectors, "fool": fool}

if __name__ == "__main__":
    main()
