import os
import signal

import pytest

from pipeline.ingest import parallel
from pipeline.ingest.parallel import ProcessExpired, map_processes


def square(number: int) -> int:
    return number * number


def square_unless_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory runs out
    return number * number


def refuse(number: int) -> int:
    raise ValueError(number)


def test_results_come_in_the_order_of_the_items(monkeypatch):
    monkeypatch.setattr(parallel, "AHEAD", 3)
    numbers = list(range(80))
    assert list(map_processes(square, numbers)) == [(n, n * n) for n in numbers]
    assert list(map_processes(square, [])) == []
    with pytest.raises(ValueError, match="5"):
        list(map_processes(refuse, [5]))


def test_a_killed_process_costs_no_other_item_its_result():
    numbers = range(32)
    results = dict(map_processes(square_unless_three, numbers))
    assert isinstance(results.pop(3), ProcessExpired)
    assert results == {n: n * n for n in numbers if n != 3}


def test_the_memory_of_a_process_is_limited():
    with pytest.raises(MemoryError):
        list(map_processes(bytearray, [parallel.MEMORY]))


def test_items_are_taken_only_when_needed(monkeypatch):
    monkeypatch.setattr(parallel, "AHEAD", 2)
    taken = []
    numbers = (taken.append(n) or n for n in range(100))
    results = map_processes(square, numbers)
    assert next(results) == (0, 0)
    assert len(taken) == 2
    results.close()
