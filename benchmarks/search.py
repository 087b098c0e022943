"""Image search: how fast a store fills, what its index costs to build, and how fast and how completely it answers.

    python benchmarks/search.py --count 1000000 [--lance] [--vectors FILE.npy] [--folder DIR] [--threads 1] [--out docs/results/search]

Without --vectors (N x D, the last 500 are the questions) embeddings are made whose covariance falls off as that of the packaged network's
pooled features of CIFAR-10 does (measured on 3,000: half of the variance in 50 directions, 80 % in 240, 90 % in 450; the mean has 29 % of the
square), in heaps of a thousand pictures that hold 35 % of the variance. The questions are not in the store. Filling, building, asking, and asking after
100 pictures came and 100 went are processes of their own, so that the memory is each one's: `resident` is the most that it had, as the
system says, with Python and NumPy and without a network. Of a machine that does other things, look at the CPU times. --folder keeps the
store: what is there is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.search.engine import Index
from hoodwink.search.exact import exact, questions
from hoodwink.search.index import open_index
from hoodwink.search.store import File, Storage, open_store

PARTS = ("fill", "build", "ask", "change")
QUESTIONS, NEAREST, HEAP, BATCH = 500, 20, 1000, 4096


def main() -> None:
    """Run the parts one after the other, print a line each, and write them to results.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=1280)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--lance", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--large", type=int, help="from how many pictures on there are cells")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--part", choices=PARTS)
    asked = parser.parse_args()
    if asked.part:
        print(json.dumps(measured(asked)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        row: dict[str, Any] = {"count": asked.count, "threads": asked.threads, "machine": platform.processor() or platform.machine()}
        for part in PARTS:
            command = [sys.executable, __file__, *sys.argv[1:], "--part", part, "--folder", str(folder)]
            threads = {"OMP_NUM_THREADS": str(asked.threads), "OPENBLAS_NUM_THREADS": str(asked.threads)}
            done = subprocess.run(command, env={**os.environ, **threads}, stdout=subprocess.PIPE, check=True, text=True)
            row[part] = json.loads(done.stdout)
            print(part, done.stdout.strip(), flush=True)
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "results.json").write_text(json.dumps(row, indent=2) + "\n")


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """One part, its seconds, CPU seconds and the most memory that it had."""
    if asked.large:
        import hoodwink.search.index as indexes

        indexes.LARGE = asked.large
    where = f"lance:{asked.folder / 'store'}" if asked.lance else asked.folder / "store"
    dimension = np.load(asked.vectors, mmap_mode="r").shape[1] if asked.vectors else asked.dimension
    with closing(open_store(where, model="benchmark", weights_sha256="0" * 64, dimension=dimension)) as store:
        begun, used = time.perf_counter(), time.process_time()
        out = {"fill": fill, "build": build, "ask": ask, "change": change}[asked.part](store, asked)
        out |= {"seconds": round(time.perf_counter() - begun, 2), "cpu_seconds": round(time.process_time() - used, 2)}
        return out | {"resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def fill(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """Put the embeddings into the store, 4096 in a commit; the time is that of `add` alone."""
    seconds, at, there = 0.0, 0, len(store)
    for vectors in made(asked):
        if at >= there:
            files = [File(f"/photos/{at + k:09d}.jpg", 10**6 + k, 10**18 + at + k, f"{at + k:064x}") for k in range(len(vectors))]
            begun = time.perf_counter()
            store.add(files, vectors)
            seconds += time.perf_counter() - begun
        at += len(vectors)
    return {"pictures": len(store), "add_seconds": round(seconds, 2), "bytes": on_disk(store.place)}


def build(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """Build the index, or open it."""
    with closing(open_index(store, say=lambda text: print(text, file=sys.stderr))) as index:
        built = {} if index.built is None else vars(index.built)
    return {"built": built, "bytes": on_disk(store.place)}


def ask(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """Ask one question after the other, then all at once; compare with the exact search."""
    begun = time.perf_counter()
    index = open_index(store)
    opened, vectors = time.perf_counter() - begun, held_out(asked)
    single, cpu, found = [], [], []
    for vector in vectors:
        begun, used = time.perf_counter(), time.process_time()
        found.append(index.query(vector[None], NEAREST)[0][0])
        single.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - used)
    begun = time.perf_counter()
    index.query(vectors, NEAREST)
    batch = (time.perf_counter() - begun) / len(vectors)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    begun = time.perf_counter()
    store.files(found[0])
    names = time.perf_counter() - begun
    truth, _ = exact(store.rows(), questions(vectors, 1, store.card.dimension), NEAREST)
    recall = np.mean([len(set(a.tolist()) & set(b.tolist())) / NEAREST for a, b in zip(found, truth, strict=True)])
    index.close()
    return {
        "open_ms": ms(opened),
        "query_ms": ms(float(np.median(single))),
        "query_cpu_ms": ms(float(np.median(cpu))),
        "query_ms_of_95": ms(float(np.quantile(single, 0.95))),
        "query_ms_in_batch": ms(batch),
        "names_ms": ms(names),
        "recall": round(float(recall), 4),
        "resident_while_asking_mib": resident,
    }


def change(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """A hundred come, a hundred go, and the index is asked again."""
    vectors = held_out(asked)[:100]
    store.add([File(f"/new/{time.time_ns()}-{at}", 1, 1, f"new{at}") for at in range(100)], vectors)
    store.remove(list(store.known())[:100])
    begun = time.perf_counter()
    index = open_index(store)
    seconds = time.perf_counter() - begun
    assert not isinstance(index, Index) or (index.query(vectors, 1)[1] > 0.999).all()
    index.close()
    return {"up_to_date_seconds": round(seconds, 2)}


def made(asked: argparse.Namespace) -> Iterator[np.ndarray[Any, Any]]:
    """The embeddings of the store in batches."""
    if asked.vectors:
        kept = np.load(asked.vectors, mmap_mode="r")[: -min(QUESTIONS, asked.count)][: asked.count]
        yield from (np.asarray(kept[at : at + BATCH]) for at in range(0, len(kept), BATCH))
    else:
        for at in range(0, asked.count, BATCH):
            yield draw(asked, min(BATCH, asked.count - at), at + 1)


def held_out(asked: argparse.Namespace) -> np.ndarray[Any, Any]:
    """The questions."""
    return np.load(asked.vectors, mmap_mode="r")[-QUESTIONS:] if asked.vectors else draw(asked, QUESTIONS, 0)


def draw(asked: argparse.Namespace, count: int, seed: int) -> np.ndarray[Any, Any]:
    """Embeddings as the module's text has them."""
    dimension, many = asked.dimension, max(1, asked.count // HEAP)
    fixed, own = np.random.default_rng(-1 % 2**32), np.random.default_rng(seed)
    scale = (np.arange(dimension) + 20.0) ** -0.75
    scale /= np.linalg.norm(scale)
    mean = np.sign(fixed.standard_normal(dimension)) * np.sqrt(0.29 / 0.71 / dimension)
    heaps = fixed.standard_normal((many, dimension), dtype=np.float32) * scale
    noise = own.standard_normal((count, dimension), dtype=np.float32) * scale
    return (mean + np.sqrt(0.35) * heaps[own.integers(0, many, count)] + np.sqrt(0.65) * noise).astype(np.float32)


def on_disk(place: Path | None) -> int:
    """Bytes below a folder."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) if place else 0


def ms(seconds: float) -> float:
    """Milliseconds, rounded."""
    return round(seconds * 1e3, 3)


if __name__ == "__main__":
    main()
