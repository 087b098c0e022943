"""A process that keeps an index: `python indexing.py STORE NAME TURNS READY GO` adds and removes a few pictures a turn, brings the index up to
date, in memory or on the disk, and prints the turn. It makes the file READY and begins when GO is there."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from hoodwink.search.index import open_index
from hoodwink.search.storage import File
from hoodwink.search.store import open_store

if __name__ == "__main__":
    where, name, turns, ready, go = sys.argv[1:]
    import faiss  # noqa: F401  # takes long

    if where.startswith("lance:"):
        import lancedb  # noqa: F401
    draw = np.random.default_rng(len(name))
    Path(ready).touch()
    while not Path(go).exists():
        time.sleep(0.001)
    with closing(open_store(where, model="m", weights_sha256="ab", dimension=4)) as store:
        store.add([File(f"/{name}/{at}", at, at, f"{name}{at}") for at in range(300)], draw.standard_normal((300, 4)))
        for turn in range(int(turns)):
            for at in range(3):  # two that are held in memory, and then the index is made anew
                store.add([File(f"/{name}/new/{turn}-{at}", at, at, f"{name}{turn}{at}")], draw.standard_normal((1, 4)))
                store.remove([f"/{name}/{3 * turn + at}", f"/{name}/new/{turn - 5}-{at}"])
                with closing(open_index(store)) as index:
                    index.query(draw.standard_normal((2, 4)), 5)
            print(turn, flush=True)
