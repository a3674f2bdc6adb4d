"""Run a function over many items in all cores, even if an item crashes or hangs its process."""

import os
import resource
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

from pebble import ProcessExpired, ProcessPool

from pipeline.core.layout import cores

Item = TypeVar("Item")
Result = TypeVar("Result")
Lost = ProcessExpired | TimeoutError  # instead of a result: the process crashed; it hung

MEMORY = 5 * 2**29  # bytes of each process; the worst image of 120 megapixels takes 2 GB
AHEAD = 64 * cores()  # items handed over: no core waits, and memory stays bounded


def map_processes(
    function: Callable[[Item], Result], items: Iterable[Item], seconds: float = 60.0
) -> Iterator[tuple[Item, Result | Lost]]:
    """Yield (item, function(item)) in the order of the items.

    An item that ends its process (a decoder that crashes, a process killed for its memory) or
    takes longer than `seconds` gets the error instead of a result. Exceptions of the function are
    raised here. Function, items and results are pickled. At most AHEAD items are in memory.
    """
    pool = process_pool(cores())
    waiting: deque = deque()  # of (item, future)
    remaining = iter(items)
    try:
        while True:
            for item in islice(remaining, AHEAD - len(waiting)):
                waiting.append((item, pool.schedule(function, args=[item], timeout=seconds)))
            if not waiting:
                return
            item, future = waiting.popleft()
            try:
                result = future.result()
            except (ProcessExpired, TimeoutError) as error:
                result = error
            yield item, result
    finally:
        pool.stop()
        pool.join()


def process_pool(workers: int, tasks: int = 0) -> ProcessPool:
    """A pool of processes limited to MEMORY, each replaced after `tasks` tasks (0: never)."""
    # spawn: a fork would copy locks that this process's threads hold.
    context = get_context("spawn")
    return ProcessPool(workers, tasks, initializer=_prepare_worker, context=context)


def _prepare_worker() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """End the process, whatever it is doing: pebble sees to that only between items."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
