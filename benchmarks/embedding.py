"""How much of the network's own speed is left when pictures are embedded into a store.

    python benchmarks/embedding.py [--pictures 128] [--batch 32] [--repeats 7] [--threads N] [--device cpu] [--out docs/results/embedding]

In each round the same pictures go four ways, one after the other, so that a busy machine slows all alike. `forward`: the prepared network
alone, on batches that lie ready. `embedded`: what `hoodwink search index` does with pictures that are decoded and resized already:
batches handed over by the reading thread, embedded, committed to a new store. `indexed`: the same from JPEG files, read, decoded and resized in
that thread meanwhile. `decoded`: reading, decoding and resizing alone. Ratios are of medians; `waiting` is what `indexed` takes, compared
with `decoded` and `forward` one after the other. With --threads 1 the CPU time of the main thread is all that the network's side of the work
costs, whatever else the machine does: of that there are ratios, too.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from audit import keep
from PIL import Image

import hoodwink as hw
from hoodwink.models.embed import Embedder, as_embedder
from hoodwink.pictures.read import read_picture
from hoodwink.search import folder as folders
from hoodwink.search.folder import Plan, embed_new, plan
from hoodwink.search.storage import File, Storage
from hoodwink.search.store import open_store

SIZE = (500, 375)  # pixels of the files: what ImageNet's have on average


def draw(folder: Path, count: int) -> None:
    """JPEG files of the packaged photo, moved about."""
    photo = Image.open(Path(hw.__file__).parent / "assets" / "cat.png").convert("RGB").resize(SIZE)
    for at in range(count):
        moved = Image.fromarray(np.roll(np.asarray(photo), 7 * at, axis=1))
        buffer = io.BytesIO()
        moved.save(buffer, "JPEG", quality=90)
        (folder / f"{at:05d}.jpg").write_bytes(buffer.getvalue())


def ready(found: Plan, embed: Embedder, batch: int) -> list[tuple[list[File], list[Any], list[Any]]]:
    """What the reading thread hands over, for all files."""
    encoded = [(file, embed.model.encode(read_picture(file.path))) for file in found.new]
    parts = [encoded[at : at + batch] for at in range(0, len(encoded), batch)]
    return [([file for file, _ in part], [one for _, one in part], []) for part in parts]


def ways(folder: Path, model: Any, batch: int) -> dict[str, Callable[[], object]]:
    """Each way as a call that goes over all pictures once."""
    embed = as_embedder(model)
    with closing(new_store(folder, embed)) as store:
        found = plan(folder / "photos", store)
    batches = ready(found, embed, batch)
    joined = [torch.cat(rows) for _, rows, _ in batches]

    def indexed(given: Plan, reads: Any = folders._batches) -> None:
        kept, folders._batches = folders._batches, reads
        try:
            with closing(new_store(folder, embed)) as store:
                done = embed_new(store, given, lambda rows: embed.embed(torch.cat(rows)), batch, prepare=embed.model.encode)
            assert done.added == len(found.new)
        finally:
            folders._batches = kept

    def at_hand(*given: Any) -> Iterator[Any]:
        return iter([(list(files), list(rows), []) for files, rows, _ in batches])

    return {
        "forward": lambda: [embed.embed(one) for one in joined],
        "embedded": lambda: indexed(found, at_hand),
        "indexed": lambda: indexed(found),
        "decoded": lambda: [embed.model.encode(read_picture(file.path)) for file in found.new],
    }


def new_store(folder: Path, embed: Embedder) -> Storage:
    place = tempfile.mkdtemp(dir=folder)
    return open_store(place, model="measured", weights_sha256=embed.model.card.weights_sha256, dimension=embed.dimension)


def main() -> None:
    """Measure, print and keep a row."""
    parser = argparse.ArgumentParser()
    for name, value in (("pictures", 128), ("batch", 32), ("repeats", 7), ("threads", torch.get_num_threads())):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    spent, computed = dict[str, list[float]](), dict[str, list[float]]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        draw(folder / "photos", asked.pictures)
        calls = ways(folder, hw.load_model("efficientnet-lite0", device=asked.device), asked.batch)
        for call in calls.values():
            call()  # the first pass prepares the network
        for _ in range(asked.repeats):
            for way, call in calls.items():
                begun, at_work = time.perf_counter(), time.thread_time()
                call()
                spent.setdefault(way, []).append(time.perf_counter() - begun)
                computed.setdefault(way, []).append(time.thread_time() - at_work)
    middle, cpu = ({way: statistics.median(some) for way, some in times.items()} for times in (spent, computed))
    rate = {way: round(asked.pictures / seconds, 1) for way, seconds in middle.items()}
    ratios = {
        "embedded to forward": middle["forward"] / middle["embedded"],
        "indexed to forward": middle["forward"] / middle["indexed"],
        "waiting": middle["indexed"] / (middle["decoded"] + middle["forward"]),
    }
    if asked.threads == 1 and asked.device == "cpu":
        ratios |= {f"{way} to forward, CPU time of the main thread": cpu["forward"] / cpu[way] for way in ("embedded", "indexed")}
    device = torch.cuda.get_device_name() if asked.device.startswith("cuda") else platform.processor() or platform.machine()
    row = {
        "device": asked.device,
        "pictures": asked.pictures,
        "batch": asked.batch,
        "threads": asked.threads,
        "repeats": asked.repeats,
        "pixels": list(SIZE),
        "pictures_per_second": rate,
        "ratios": {key: round(value, 3) for key, value in ratios.items()},
        "machine": {"processor": device, "cores": os.cpu_count(), "load": [round(one, 1) for one in os.getloadavg()]},
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__},
    }
    print(
        f"{asked.pictures} JPEG files of {SIZE[0]} x {SIZE[1]}, batches of {asked.batch}, {asked.threads} threads, {asked.repeats} rounds"
    )
    for way, value in rate.items():
        print(f"  {way:10}{value:8.1f} pictures a second")
    for key, value in ratios.items():
        print(f"  {key}: {value:.3f}")
    if asked.out:
        keep(asked.out / "results.json", row, same=("device", "pictures", "batch", "threads"))


if __name__ == "__main__":
    main()
