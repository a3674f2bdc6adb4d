"""Who trains on, by tables worked out by hand from the paper's algorithm."""

import pytest

from tools.sweeps.search import promotions

RUNGS = (1, 3)


def at_first(*scores):
    return {number: {1: score} for number, score in enumerate(scores)}


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({}, []),
        (at_first(0.5, 0.6), []),  # of two, no third
        (at_first(0.5, 0.7, 0.6), [(1, 3)]),
        (at_first(0.5, 0.7, 0.6, 0.9, 0.8), [(3, 3)]),  # five make one
        (at_first(0.5, 0.7, 0.6, 0.9, 0.8, 0.1), [(3, 3), (4, 3)]),
        (at_first(0.5, 0.5, 0.5), [(0, 3)]),  # of equal ones the first
        ({0: {1: 0.9, 3: 0.9}, **{n: {1: 0.1 * n} for n in (1, 2)}}, []),  # it has gone on
        # Two of low scores have gone on, before better ones came: asynchronous means that.
        ({n: {1: 0.1 * n, **({3: 0.5} if n < 2 else {})} for n in range(6)}, [(5, 3), (4, 3)]),
        # The highest rung comes first; a trial that has trained to its end is not started again.
        (
            {
                0: {1: 0.6, 3: 0.7},
                1: {1: 0.7, 3: 0.8},
                2: {1: 0.8, 3: 0.6},
                3: {1: 0.9},
                **{n: {1: 0.1} for n in range(4, 12)},
            },
            [(1, None), (3, 3)],
        ),
        ({n: {1: 0.9, 3: 0.9, None: 0.9 + n / 100} for n in range(3)}, []),
        # Continued by hand to its end, it lacks the second rung.
        ({0: {1: 0.9, None: 0.95}, 1: {1: 0.5}, 2: {1: 0.4}}, []),
        ({0: {None: 0.9}, 1: {}, 2: {}}, []),  # came out of DVC's cache; not yet at a rung
    ],
)
def test_the_best_third_of_each_rung_trains_on(scores, expected):
    assert promotions(scores, RUNGS) == expected


def test_with_a_least_number_even_the_only_one_at_a_rung_trains_on():
    scores = {0: {1: 0.5}, 1: {1: 0.7, 3: 0.8}}
    assert promotions(scores, RUNGS, least=1) == [(1, None)]
    assert promotions({0: {1: 0.5}}, RUNGS, least=1) == [(0, 3)]
    assert promotions({0: {1: 0.5}}, (), least=1) == []


def test_run_to_the_end_each_rung_has_about_a_third_of_the_one_below():
    rungs, scores = (1, 3, 9), at_first(*((7 * n) % 81 / 81 for n in range(81)))
    while following := promotions(scores, rungs):
        for trial, rung in following:
            scores[trial] |= {rung: scores[trial][1]}
    counts = [sum(rung in each for each in scores.values()) for rung in (*rungs, None)]
    assert counts == [81, 27, 9, 3]
    best = sorted(scores, key=lambda trial: scores[trial][1])[-3:]
    assert {trial for trial in scores if None in scores[trial]} == set(best)
