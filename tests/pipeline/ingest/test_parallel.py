import os
import signal
import subprocess
import sys

import psutil
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


HANG = """
import time
from pipeline.ingest.parallel import map_processes
results = map_processes(time.sleep, [0] + [1000] * 100)
next(results)
print("hanging", flush=True)
time.sleep(1000)
"""


def test_processes_end_with_their_parent_even_if_they_hang():
    with subprocess.Popen([sys.executable, "-c", HANG], stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"hanging\n"
        workers = psutil.Process(parent.pid).children()
        parent.kill()
    assert len(workers) > 1
    assert psutil.wait_procs(workers, timeout=60)[1] == []
