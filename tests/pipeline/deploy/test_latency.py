"""Works are measured in turn; how long they take is not asserted."""

from itertools import groupby

from pipeline.deploy.latency import WARM_UP, latencies


def test_works_take_turns_after_a_warm_up_that_does_not_count():
    calls = []
    taken = latencies({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 4)
    runs = [(name, len(list(run))) for name, run in groupby(calls)]
    assert runs == [("a", WARM_UP), ("b", WARM_UP), *[("a", 1), ("b", 1)] * 4]
    assert {name: len(times) for name, times in taken.items()} == {"a": 4, "b": 4}
    assert all(time > 0 for times in taken.values() for time in times)
