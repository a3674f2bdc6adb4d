"""Works are measured in turn; how long they take is not asserted."""

from itertools import groupby

from pipeline.deploy.latency import ROUNDS, WARM_UP, latencies


def test_works_take_turns_after_a_warm_up_that_does_not_count():
    calls = []
    taken = latencies({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")})
    runs = [(name, len(list(run))) for name, run in groupby(calls)]
    assert runs == [("a", WARM_UP), ("b", WARM_UP), *[("a", 1), ("b", 1)] * ROUNDS]
    assert {name: len(times) for name, times in taken.items()} == {"a": ROUNDS, "b": ROUNDS}
    assert all(time > 0 for times in taken.values() for time in times)
