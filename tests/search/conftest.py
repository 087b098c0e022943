"""What the tests of image search share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.search.storage import File, Storage
from hoodwink.search.store import open_store

from .greys import draw, keep_up

CARD: dict[str, Any] = {"model": "tiny", "weights_sha256": "ab" * 32, "dimension": 16, "card_sha256": "12" * 32}
Open = Callable[..., Storage]


@pytest.fixture(params=["sqlite", "lance"])
def kind(request: pytest.FixtureRequest) -> str:
    """Every test that asks for it runs over both stores."""
    name: str = request.param
    if name == "lance" and find_spec("lancedb") is None:
        pytest.skip("lancedb is not installed (pip install 'hoodwink[lance]')")
    return name


@pytest.fixture
def reopen(tmp_path: Path, kind: str) -> Iterator[Open]:
    """Open the store of this test, anew at each call; what is given replaces what the card says."""
    stores = []

    def opened(place: Path | None = None, **changes: Any) -> Storage:
        where = place or tmp_path / "store"
        stores.append(open_store(f"lance:{where}" if kind == "lance" else where, **{**CARD, **changes}))
        return stores[-1]

    yield opened
    for store in stores:
        store.close()


@pytest.fixture
def store(reopen: Open) -> Storage:
    """An empty one."""
    return reopen()


@pytest.fixture
def filled() -> Callable[..., Any]:
    """Put pictures into a store: made-up files and embeddings in a few heaps, which come back."""

    def fill(store: Storage, count: int, seed: int = 0, name: str = "p") -> np.ndarray[Any, np.dtype[np.float32]]:
        draw = np.random.default_rng(seed)
        heaps = draw.standard_normal((12, store.card.dimension))
        vectors = heaps[draw.integers(0, 12, count)] + 0.4 * draw.standard_normal((count, store.card.dimension))
        store.add([File(f"/{name}{at:06d}.png", at, at, f"{name}{at:062x}") for at in range(count)], vectors)
        return vectors.astype(np.float32)

    return fill


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """a to e, of different greys; e lies deeper."""
    for at, name in enumerate(["a.png", "b.png", "c.PNG", "d.png", "sub/deeper/e.png"]):
        draw(tmp_path / "photos" / name, 10 * (at + 1))
    return tmp_path / "photos"


@pytest.fixture
def kept(store: Storage, photos: Path) -> Storage:
    """A store that has seen the photos."""
    keep_up(store, photos)
    return store
