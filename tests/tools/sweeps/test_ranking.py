"""The order of a sweep's results, and which settings are shown with them."""

from io import StringIO

from rich.console import Console

from tools.sweeps.plan import Experiment
from tools.sweeps.ranking import Result, differing, ranking


def test_only_settings_that_differ_are_shown():
    experiments = [
        Experiment("a", {"train.threads": 1, "train.lr": 0.1}),
        Experiment("b", {"train.threads": 1, "train.lr": 0.2, "model.features": [4, 8]}),
    ]
    assert differing(experiments) == ["train.lr", "model.features"]
    assert differing(experiments[:1]) == []


def test_a_row_has_scores_minutes_settings_and_run():
    results = [
        Result(Experiment("sweep-b", {"train.lr": 0.2}), 0.75, 0.7301, "0123456789", 12.34),
        Result(Experiment("sweep-a", {}), 0.74, 0.74, None, None),
    ]
    output = StringIO()
    Console(file=output, width=120).print(ranking(results, ["train.lr"]))
    rows = [line.split() for line in output.getvalue().splitlines()]
    assert rows[1] == ["1", "sweep-b", "0.7500", "0.7301", "12.3", "0.2", "01234567"]
    assert rows[2] == ["2", "sweep-a", "0.7400", "0.7400", "none"]
