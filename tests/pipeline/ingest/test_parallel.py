import os

import pytest

from pipeline.ingest import parallel
from pipeline.ingest.parallel import CHUNK, map_processes


def square(number: int) -> int:
    return number * number


def square_or_die(number: int) -> int:
    if number in (3, 40):
        os._exit(1)
    return number * number


def refuse(number: int) -> int:
    raise ValueError(number)


def test_every_item_comes_back_once_in_its_place_with_its_result(monkeypatch):
    monkeypatch.setattr(parallel, "AHEAD", 3)
    numbers = list(range(5 * CHUNK + 1))
    assert list(map_processes(square, numbers)) == [(n, n * n) for n in numbers]


def test_an_item_that_ends_its_process_costs_no_other_item_its_result(monkeypatch):
    monkeypatch.setattr(parallel, "AHEAD", 2)
    numbers = list(range(6 * CHUNK))  # the last tasks are of a new pool
    results = list(map_processes(square_or_die, numbers))
    assert results == [(n, None if n in (3, 40) else n * n) for n in numbers]


def test_items_are_taken_as_they_are_needed(monkeypatch):
    monkeypatch.setattr(parallel, "AHEAD", 2)
    taken = []
    numbers = (taken.append(n) or n for n in range(100 * CHUNK))
    results = map_processes(square, numbers)
    assert next(results) == (0, 0)
    assert len(taken) == 2 * CHUNK
    results.close()


def test_an_error_of_the_function_is_raised():
    with pytest.raises(ValueError, match="5"):
        list(map_processes(refuse, [5]))


def test_no_items_give_no_results():
    assert list(map_processes(square, [])) == []
