"""Run a function over many items in all cores, also when an item kills its process."""

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 16  # items a task: few enough to spread, enough to make the hand-over cheap
AHEAD = 4 * (os.cpu_count() or 1)  # tasks handed over: no core waits, and memory stays bounded


def map_processes(
    function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[tuple[Item, Result | None]]:
    """Yield (item, function(item)) in the order of the items.

    The result is None for an item that ends its process (a decoder that crashes, a process
    killed for its memory); the function may run again on the items about it. Exceptions of the
    function are raised here. Function, items and results are pickled. However many items there
    are, only AHEAD tasks of them are in hand.
    """
    remaining = iter(items)
    tasks = iter(lambda: list(islice(remaining, CHUNK)), [])
    while True:
        pool = _pool()
        try:
            lost = yield from _until_broken(pool, function, tasks)
        finally:
            pool.shutdown(cancel_futures=True)
        if not lost:
            return
        yield from _one_by_one(function, lost)


def _until_broken(
    pool: ProcessPoolExecutor, function: Callable[[Item], Result], tasks: Iterator[list[Item]]
) -> Generator[tuple[Item, Result | None], None, Sequence[Item]]:
    """Work through the tasks; return the items in hand when a process ended, none at the end."""
    in_hand: deque[list[Item]] = deque()
    futures: deque[Future[list[Result]]] = deque()
    try:
        while True:
            for task in islice(tasks, AHEAD - len(in_hand)):
                in_hand.append(task)
                futures.append(pool.submit(_apply, function, task))
            if not in_hand:
                return ()
            results = futures.popleft().result()
            yield from zip(in_hand.popleft(), results, strict=True)
    except BrokenProcessPool:
        return [item for task in in_hand for item in task]


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
