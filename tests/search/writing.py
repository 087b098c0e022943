"""A process that writes: `python writing.py STORE NAME BATCHES READY GO` adds batches of three pictures of its own and one that every writer
has, and prints each batch that is committed. It makes the file READY and begins when GO is there."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from hoodwink.search.storage import File
from hoodwink.search.store import open_store


def file(name: str, batch: int, at: int) -> File:
    """The file that stands for a picture of a batch."""
    return File(f"/{name}/{batch}-{at}", batch, at, f"{name}{batch}{at}")


def vector(batch: int, at: int) -> list[float]:
    """Its embedding."""
    return [float(batch % 7 + 1), float(at + 1), 1.0, 0.0]


if __name__ == "__main__":
    where, name, batches, ready, go = sys.argv[1:]
    if where.startswith("lance:"):
        import lancedb  # noqa: F401  # takes long
    Path(ready).touch()
    while not Path(go).exists():
        time.sleep(0.001)
    with closing(open_store(where, model="m", weights_sha256="ab", dimension=4)) as store:
        for batch in range(int(batches)):
            files = [file(name, batch, at) for at in range(3)]
            shared = File(f"/shared/{batch}", batch, 0, name)
            store.add([*files, shared], np.array([vector(batch, at) for at in range(4)]))
            store.moved([(files[0].path, files[0])])  # reads before it writes
            print(batch, flush=True)
