import pytest

from pipeline.ingest import parallel
from pipeline.ingest.parallel import CHUNK, map_processes


def square(number: int) -> int:
    return number * number


def refuse(number: int) -> int:
    raise ValueError(number)


def test_results_come_in_the_order_of_the_items(monkeypatch):
    monkeypatch.setattr(parallel, "AHEAD", 3)
    numbers = list(range(5 * CHUNK + 1))
    assert list(map_processes(square, numbers)) == [(n, n * n) for n in numbers]
    assert list(map_processes(square, [])) == []
    with pytest.raises(ValueError, match="5"):
        list(map_processes(refuse, [5]))


def test_items_are_taken_only_when_needed(monkeypatch):
    monkeypatch.setattr(parallel, "AHEAD", 2)
    taken = []
    numbers = (taken.append(n) or n for n in range(100 * CHUNK))
    results = map_processes(square, numbers)
    assert next(results) == (0, 0)
    assert len(taken) == 2 * CHUNK
    results.close()
