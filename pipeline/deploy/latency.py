"""How long one photograph takes."""

import time
from collections.abc import Callable, Mapping

WARM_UP = 3  # runs of each that are not measured


def latencies(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each work, in every round: what disturbs the machine meets all of them."""
    for work in works.values():
        for _ in range(WARM_UP):
            work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            taken[name].append((time.perf_counter() - start) * 1000)
    return taken
