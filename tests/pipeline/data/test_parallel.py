import os

import pytest

from pipeline.data.parallel import CHUNK, map_processes


def square(number: int) -> int:
    return number * number


def square_or_die(number: int) -> int:
    if number in (3, 40):
        os._exit(1)
    return number * number


def refuse(number: int) -> int:
    raise ValueError(number)


def test_every_item_comes_back_once_with_its_result():
    numbers = list(range(3 * CHUNK + 1))
    assert sorted(map_processes(square, numbers)) == [(n, n * n) for n in numbers]


def test_an_item_that_ends_its_process_costs_no_other_item_its_result():
    numbers = list(range(3 * CHUNK))
    results = dict(map_processes(square_or_die, numbers))
    assert results == {n: None if n in (3, 40) else n * n for n in numbers}


def test_an_error_of_the_function_is_raised():
    with pytest.raises(ValueError, match="5"):
        list(map_processes(refuse, [5]))


def test_no_items_give_no_results():
    assert list(map_processes(square, [])) == []
