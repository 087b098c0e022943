"""What is needed next is made while the last is used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
_TRY = 0.1  # seconds between looks whether anybody still wants what is made


def ahead(items: Iterator[T], depth: int = 1) -> Generator[T, None, None]:
    """The items in their order, made by a thread that is at most `depth` and the one in the making ahead of who uses them.

    What the iterator raises is raised here, after the items before it. Who stops asking stops the thread.
    """
    made: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)
    left = threading.Event()
    thread = threading.Thread(target=_make, args=(items, made, left), daemon=True)
    thread.start()
    try:
        while True:
            good, item = made.get()
            if not good:
                if item is not None:
                    raise item
                return
            yield item
    finally:
        left.set()
        thread.join()


def _make(items: Iterator[Any], made: queue.Queue[tuple[bool, Any]], left: threading.Event) -> None:
    end: BaseException | None = None
    try:
        for item in items:
            if not _hand_over((True, item), made, left):
                return
    except BaseException as error:  # noqa: BLE001  it is raised where the items are used
        end = error
    _hand_over((False, end), made, left)


def _hand_over(item: tuple[bool, Any], made: queue.Queue[tuple[bool, Any]], left: threading.Event) -> bool:
    while not left.is_set():
        with suppress(queue.Full):
            made.put(item, timeout=_TRY)
            return True
    return False
