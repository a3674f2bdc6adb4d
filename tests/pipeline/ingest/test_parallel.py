import os
import signal
import time

import pytest

from pipeline.ingest import parallel
from pipeline.ingest.parallel import CHUNK, ProcessExpired, map_processes


def square(number: int) -> int:
    return number * number


def square_or_worse(number: int) -> int:
    if number == 3:
        os._exit(1)
    if number == 20:
        os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory runs out
    if number == 40:
        time.sleep(100)
    return number * number


def refuse(number: int) -> int:
    raise ValueError(number)


def test_every_item_comes_back_once_in_its_place_with_its_result(monkeypatch):
    monkeypatch.setattr(parallel, "AHEAD", 3)
    numbers = list(range(5 * CHUNK + 1))
    assert list(map_processes(square, numbers)) == [(n, n * n) for n in numbers]
    assert list(map_processes(square, [])) == []
    with pytest.raises(ValueError, match="5"):
        list(map_processes(refuse, [5]))


def test_a_crash_a_kill_and_a_hang_cost_no_other_item_its_result(monkeypatch):
    monkeypatch.setattr(parallel, "AHEAD", 2)
    numbers = list(range(6 * CHUNK))  # the last tasks are given to new processes
    results = dict(map_processes(square_or_worse, numbers, seconds=2))
    assert list(results) == numbers
    assert isinstance(results[3], ProcessExpired)
    assert isinstance(results[20], ProcessExpired)
    assert isinstance(results[40], TimeoutError)
    lost = (3, 20, 40)
    assert [results[n] for n in numbers if n not in lost] == [
        n * n for n in numbers if n not in lost
    ]


def test_items_are_taken_only_as_they_are_needed(monkeypatch):
    monkeypatch.setattr(parallel, "AHEAD", 2)
    taken = []
    numbers = (taken.append(n) or n for n in range(100 * CHUNK))
    results = map_processes(square, numbers)
    assert next(results) == (0, 0)
    assert len(taken) == 2 * CHUNK
    results.close()
