"""Image search: how fast a store fills, what its index costs to build, how fast and how completely it answers, beside LanceDB and FAISS alone.

    python benchmarks/search.py --count 1000000 [--part NAME ...] [--lance] [--vectors FILE.npy] [--folder DIR] [--out docs/results/search]

Without --vectors (N x D, the last 500 are the questions) embeddings are made whose covariance falls off as that of the packaged network's
pooled features of CIFAR-10 does (measured on 3,000: half of the variance in 50 directions, 80 % in 240, 90 % in 450; the mean has 29 % of the
square), in heaps of a thousand pictures that hold 35 % of the variance. The questions are not in the store.

Each part is a process of its own, so that the memory is each one's: `resident_mib` is the most that it had, as the system says, with Python
and NumPy and without a network; `resident_while_asking_mib` what it has after the questions. All get the same vectors, the same questions
one by one, as many threads, and are compared with the same exact answers (`truth`: all that is in the store, one by one). `flat` is FAISS
alone over float32 in memory; `lance_*` is the lancedb package alone, with an index of its own: IVF-SQ, a byte
a number as in ours, its candidates ranked again with the float32 rows, and of some numbers of probes the fewest that find 99 %. `--lance` keeps our own store in LanceDB.
--folder keeps what was made: what is there is not done again. Of a machine that does other things, look at the CPU times.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from audit import keep

from hoodwink.search.engine import Index
from hoodwink.search.exact import exact, questions, widened
from hoodwink.search.index import open_index
from hoodwink.search.storage import File, Storage
from hoodwink.search.store import open_store

QUESTIONS, NEAREST, HEAP, BATCH = 500, 20, 1000, 4096
FLAT_QUESTIONS = 50  # half a second each
REFINE, PROBES, GOOD = 5, (10, 20, 40, 80, 160), 0.99  # of LanceDB: candidates for an answer, probes to try, recall


def main() -> None:
    """Run the parts one after the other, print a line each, and add them to results.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=1280)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--lance", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--large", type=int, help="from how many pictures on there are cells")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--part", action="append", choices=list(PARTS))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        print(json.dumps(measured(asked)))
        return
    about = {"count": asked.count, "dimension": asked.dimension, "store": "lance" if asked.lance else "sqlite", "threads": asked.threads}
    with tempfile.TemporaryDirectory() as temporary:
        arguments = [*sys.argv[1:], "--inside", "--folder", str(asked.folder or temporary)]
        row: dict[str, Any] = {"case": "search", **about, "parts": {}, "machine": machine()}
        for part in asked.part or PARTS:
            command = [sys.executable, __file__, *arguments, "--part", part]
            done = subprocess.run(command, env={**os.environ, **bounds(asked.threads)}, stdout=subprocess.PIPE, check=True, text=True)
            row["parts"][part] = json.loads(done.stdout)
            print(part, done.stdout.strip(), flush=True)
            if asked.out:
                keep(asked.out / "results.json", row, same=("case", "count", "dimension", "store", "threads"))


def bounds(threads: int) -> dict[str, str]:
    """What keeps each library to so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LANCE_CPU_THREADS", "RAYON_NUM_THREADS", "TOKIO_WORKER_THREADS")
    return dict.fromkeys(names, str(threads))


def machine() -> dict[str, Any]:
    """Where it ran, on what."""
    versions = {name: importlib.metadata.version(name) for name in ("numpy", "faiss-cpu", "lancedb")}
    return {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        **versions,
    }


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """One part, its seconds, CPU seconds and the most memory that it had."""
    if asked.large:
        import hoodwink.search.index as indexes

        indexes.LARGE = asked.large
    where = f"lance:{asked.folder / 'store'}" if asked.lance else asked.folder / "store"
    asked.dimension = np.load(asked.vectors, mmap_mode="r").shape[1] if asked.vectors else asked.dimension
    with closing(open_store(where, model="benchmark", weights_sha256="0" * 64, dimension=asked.dimension)) as store:
        begun, used = time.perf_counter(), time.process_time()
        out = PARTS[asked.part[-1]](store, asked)
        out |= {"seconds": round(time.perf_counter() - begun, 2), "cpu_seconds": round(time.process_time() - used, 2)}
        return out | {"resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def fill(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """Put the embeddings into the store, 4096 in a commit; the time is that of `add` alone."""
    seconds, at, there = 0.0, 0, len(store)
    for vectors in made(asked):
        if at >= there:
            files = [File(name(at + k), 10**6 + k, 10**18 + at + k, f"{at + k:064x}") for k in range(len(vectors))]
            begun = time.perf_counter()
            store.add(files, vectors)
            seconds += time.perf_counter() - begun
        at += len(vectors)
    return {"pictures": len(store), "add_seconds": round(seconds, 2), "bytes": on_disk(store.place)}


def build(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """Build the index, or open it."""
    with closing(open_index(store, say=lambda text: print(text, file=sys.stderr))) as index:
        return {"built": {} if index.built is None else vars(index.built), "bytes": on_disk(store.place)}


def truth(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """The exact answers, by their names, for all parts."""
    path = asked.folder / "truth.json"
    if not path.exists():
        ids, _ = exact(store.rows(), questions(held_out(asked), 1, store.card.dimension), NEAREST)
        path.write_text(json.dumps(named(store, ids)))
    return {"questions": len(json.loads(path.read_text()))}


def ask(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """Ask one question after the other, then all at once."""
    begun = time.perf_counter()
    with closing(open_index(store)) as index:
        opened, vectors = time.perf_counter() - begun, held_out(asked)
        found, out = one_by_one(vectors, lambda vector: index.query(vector[None], NEAREST)[0][0])
        begun = time.perf_counter()
        index.query(vectors, NEAREST)
        batch = (time.perf_counter() - begun) / len(vectors)
        out |= {"resident_while_asking_mib": resident()}
    begun = time.perf_counter()
    store.files(found[0])
    times = {"open_ms": ms(opened), "query_ms_in_batch": ms(batch), "names_ms": ms(time.perf_counter() - begun)}
    return {**out, **times, "recall": recall(named(store, found), asked)}


def flat(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """FAISS alone: every float32 vector in memory is compared."""
    import faiss

    begun = time.perf_counter()
    engine, ids = faiss.IndexFlatIP(asked.dimension), []
    for some, halves in store.rows():
        engine.add(widened(halves))
        ids.append(some)
    filled, names = time.perf_counter() - begun, np.concatenate(ids)
    found, out = one_by_one(held_out(asked)[:FLAT_QUESTIONS], lambda vector: names[engine.search(vector[None], NEAREST)[1][0]])
    return {**out, "fill_seconds": round(filled, 2), "resident_while_asking_mib": resident(), "recall": recall(named(store, found), asked)}


def lance_fill(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """Put the store's rows into a table of lancedb's own, 4096 in a commit, float32; the time is that of `add` alone."""
    import lancedb
    import pyarrow as arrow

    kind = arrow.list_(arrow.float32(), asked.dimension)
    schema = arrow.schema([("path", arrow.string()), ("vector", kind)])
    table = lancedb.connect(asked.folder / "lance").create_table("pictures", schema=schema, exist_ok=True)
    seconds, at, there = 0.0, 0, table.count_rows()
    for ids, halves in store.rows():
        if at >= there:
            vectors = arrow.FixedSizeListArray.from_arrays(arrow.array(widened(halves).reshape(-1)), asked.dimension)
            paths = [name(at + k) for k in range(len(ids))]
            begun = time.perf_counter()
            table.add(arrow.table({"path": paths, "vector": vectors}, schema=schema))
            seconds += time.perf_counter() - begun
        at += len(ids)
    begun = time.perf_counter()
    table.optimize()  # joins the small files
    joined = time.perf_counter() - begun
    found = {"pictures": table.count_rows(), "add_seconds": round(seconds, 2), "join_seconds": round(joined, 2)}
    return found | {"bytes": on_disk(asked.folder / "lance")}


def lance_build(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """Build an index of lancedb's: as many cells as it proposes, a byte a number as in ours, and as many pictures a cell to learn from."""
    import lancedb
    from lancedb.index import IvfSq

    table = lancedb.connect(asked.folder / "lance").open_table("pictures")
    cells = {"num_partitions": round(asked.count**0.5), "sample_rate": 32, "max_iterations": 20}
    if not table.list_indices():
        table.create_index("vector", config=IvfSq(distance_type="cosine", **cells))
    stats = table.index_stats(table.list_indices()[0].name)
    return {"index": str(stats.index_type), **cells, "indexed": stats.num_indexed_rows, "bytes": on_disk(asked.folder / "lance")}


def lance_ask(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """Ask with more and more probes until enough is found."""
    import lancedb

    table, vectors, tried = lancedb.connect(asked.folder / "lance").open_table("pictures"), held_out(asked), []
    for probes in PROBES:

        def query(vector: Any, probes: int = probes) -> list[str]:
            asking = table.search(vector).distance_type("cosine").nprobes(probes).refine_factor(REFINE)
            found: list[str] = asking.select(["path", "_distance"]).limit(NEAREST).to_arrow()["path"].to_pylist()
            return found

        found, out = one_by_one(vectors, query)
        tried.append({"probes": probes, "refine": REFINE, **out, "recall": recall(found, asked)})
        if tried[-1]["recall"] >= GOOD:
            break
    return {**tried[-1], "resident_while_asking_mib": resident(), "tried": tried}


def change(store: Storage, asked: argparse.Namespace) -> dict[str, Any]:
    """A hundred come, a hundred go, and the index is asked again."""
    vectors = held_out(asked)[:100]
    store.add([File(f"/new/{time.time_ns()}-{at}", 1, 1, f"new{at}") for at in range(100)], vectors)
    store.remove(list(store.known())[:100])
    begun = time.perf_counter()
    with closing(open_index(store)) as index:
        seconds = time.perf_counter() - begun
        assert not isinstance(index, Index) or (index.query(vectors, 1)[1] > 0.999).all()
        _, out = one_by_one(held_out(asked), lambda vector: index.query(vector[None], NEAREST)[0][0])
    return {"up_to_date_seconds": round(seconds, 2), **out}


PARTS: dict[str, Callable[[Storage, argparse.Namespace], dict[str, Any]]] = {
    part.__name__: part for part in (fill, build, truth, ask, flat, lance_fill, lance_build, lance_ask, change)
}


def one_by_one(vectors: Any, query: Callable[[Any], Any]) -> tuple[list[Any], dict[str, Any]]:
    """The answers to questions that come one after the other, and how long one takes."""
    single, cpu, found = [], [], []
    query(vectors[0])
    for vector in vectors:
        begun, used = time.perf_counter(), time.process_time()
        found.append(query(vector))
        single.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - used)
    times = {"query_ms": np.median(single), "query_ms_of_95": np.quantile(single, 0.95), "query_cpu_ms": np.median(cpu)}
    return found, {"questions": len(found), **{key: ms(float(value)) for key, value in times.items()}}


def recall(found: list[list[str]], asked: argparse.Namespace) -> float:
    """The share of the true answers that were found."""
    true = json.loads((asked.folder / "truth.json").read_text())[: len(found)]
    return round(float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, true, strict=True)])), 4)


def named(store: Storage, ids: Any) -> list[list[str]]:
    """The paths of answers."""
    return [[files[int(one)].path for one in row] for row in ids for files in [store.files(row)]]


def name(at: int) -> str:
    """The path of a picture."""
    return f"/photos/{at:09d}.jpg"


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


def resident() -> int:
    """MiB that this process has in memory now; where the system does not tell, the most that it had."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) // 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def ms(seconds: float) -> float:
    """Milliseconds, rounded."""
    return round(seconds * 1e3, 3)


if __name__ == "__main__":
    main()
