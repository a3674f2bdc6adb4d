"""Run a function over many items in all cores, even if an item crashes or hangs its process."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

from pebble import ProcessExpired, ProcessPool

Item = TypeVar("Item")
Result = TypeVar("Result")
Lost = ProcessExpired | TimeoutError  # instead of a result: the process crashed; it hung

CHUNK = 16  # items a task: few enough to spread, enough to make the hand-over cheap
AHEAD = 4 * (os.cpu_count() or 1)  # tasks handed over: no core waits, and memory stays bounded


def map_processes(
    function: Callable[[Item], Result], items: Iterable[Item], seconds: float = 60.0
) -> Iterator[tuple[Item, Result | Lost]]:
    """Yield (item, function(item)) in the order of the items.

    An item that ends its process (a decoder that crashes, a process killed for its memory) or
    takes longer than `seconds` gets the error instead of a result; the function may run twice on
    the items around it. Exceptions of the function are raised here. Function, items and results
    are pickled. At most 2 x AHEAD x CHUNK items are in memory.
    """
    remaining = iter(items)
    chunks = iter(lambda: list(islice(remaining, CHUNK)), [])
    # spawn: a fork would copy locks that this process's threads hold. Ctrl-C is the parent's.
    pool = ProcessPool(
        max_workers=os.cpu_count() or 1,
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
        context=get_context("spawn"),
    )
    try:
        for chunk, results in _in_order(pool, partial(_apply, function), chunks, seconds):
            if isinstance(results, list):
                yield from zip(chunk, results, strict=True)
            else:  # one by one, which tells the bad item from the others
                yield from _in_order(pool, function, chunk, seconds)
    finally:
        pool.stop()
        pool.join()


def _in_order(
    pool: ProcessPool, function: Callable[[Item], Result], items: Iterable[Item], seconds: float
) -> Iterator[tuple[Item, Result | Lost]]:
    waiting: deque = deque()  # of (item, future)
    remaining = iter(items)
    while True:
        for item in islice(remaining, AHEAD - len(waiting)):
            waiting.append((item, pool.schedule(function, args=[item], timeout=seconds)))
        if not waiting:
            return
        item, future = waiting.popleft()
        try:
            yield item, future.result()
        except (ProcessExpired, TimeoutError) as error:
            yield item, error


def _apply(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [function(item) for item in items]
