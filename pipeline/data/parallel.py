"""Run a function over many items in all cores, also when an item kills its process."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 16  # items a task: few enough to spread, enough to make the hand-over cheap


def map_processes(
    function: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[tuple[Item, Result | None]]:
    """Yield (item, function(item)) as they become ready, in any order.

    The result is None for an item that ends its process (a decoder that crashes, a process
    killed for its memory). Exceptions of the function are raised here. Function, items and
    results are pickled.
    """
    lost: list[Item] = []
    pool = _pool()
    try:
        futures: dict[Future[list[Result]], Sequence[Item]] = {}
        for start in range(0, len(items), CHUNK):
            chunk = items[start : start + CHUNK]
            try:
                futures[pool.submit(_apply, function, chunk)] = chunk
            except BrokenProcessPool:
                lost.extend(chunk)
        for future in as_completed(futures):
            try:
                yield from zip(futures[future], future.result(), strict=True)
            except BrokenProcessPool:
                lost.extend(futures[future])
    finally:
        pool.shutdown(cancel_futures=True)
    yield from _one_by_one(function, lost)


def _one_by_one(
    function: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[tuple[Item, Result | None]]:
    """One item at a time in one process, so that the item that ends it is known."""
    pool = _pool(1)
    for item in items:
        try:
            yield item, pool.submit(function, item).result()
        except BrokenProcessPool:
            yield item, None
            pool = _pool(1)
    pool.shutdown()


def _pool(workers: int | None = None) -> ProcessPoolExecutor:
    # spawn: a fork would copy locks that this process's threads hold. Ctrl-C is the parent's.
    return ProcessPoolExecutor(
        workers, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )


def _apply(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [function(item) for item in items]
