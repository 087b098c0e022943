from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from hoodwink.search.ahead import ahead


def test_order_and_end() -> None:
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert list(ahead(iter(()))) == []


def test_what_is_raised_comes_after_what_was_made_before() -> None:
    def failing() -> Iterator[int]:
        yield from (1, 2, 3)
        raise OSError("gone")

    items = ahead(failing())
    assert [next(items) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(OSError, match="gone"):
        next(items)


@pytest.mark.parametrize("depth", [1, 3])
def test_no_further_ahead_than_asked(depth: int) -> None:
    made = []

    def making() -> Iterator[int]:
        for at in range(50):
            made.append(at)
            yield at

    with closing(ahead(making(), depth)) as items:
        for used, one in enumerate(items):
            assert one == used
            if used == 3:
                time.sleep(0.3)  # time to make them all
                assert 3 < made[-1] <= 3 + depth + 1
                break
    assert made[-1] <= 3 + depth + 1


def test_the_next_is_made_while_the_last_is_used() -> None:
    def slowly() -> Iterator[int]:
        for at in range(5):
            time.sleep(0.1)
            yield at

    begun = time.perf_counter()
    for _ in ahead(slowly()):
        time.sleep(0.1)
    assert time.perf_counter() - begun < 0.85  # 1.0 one after the other, 0.6 at best


def test_who_stops_asking_stops_the_thread() -> None:
    before = threading.active_count()
    with closing(ahead(iter(range(1000)))) as items:
        assert next(items) == 0
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
