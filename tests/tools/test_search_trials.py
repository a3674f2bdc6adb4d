"""A search's trials, trained by a stand-in that writes what a training leaves in MLflow and git."""

from contextlib import ExitStack
from pathlib import Path

import optuna
import pytest
import yaml
from mlflow_workspace import commit, git
from optuna.trial import TrialState

from pipeline.core.files import write_json
from pipeline.core.params import check_values
from pipeline.core.terminal import UserError
from pipeline.records.experiments import metric_by_epoch
from pipeline.records.store import open_store
from tools.sweeps.jobs import Job
from tools.sweeps.plan import read_plan
from tools.sweeps.ranking import print_paused
from tools.sweeps.search import Trials
from tools.sweeps.space import Search

EPOCHS, KEPT = 9, 8
SPACE = {"train.lr": {"low": 0.001, "high": 1.0, "log": True}}
SEARCH = {"space": SPACE, "trials": 9, "rungs": [1, 3], "sampler": "random"}


@pytest.fixture
def repository(workspace):
    """A committed params.yaml, and a store."""
    params = {"train": {"lr": 0.1, "epochs": EPOCHS, "batch_size": 4, "threads": 1}, "seed": 0}
    (workspace / "params.yaml").write_text(yaml.safe_dump(params))
    (workspace / ".gitignore").write_text("/mlflow.db*\n/mlartifacts\n/optuna.db*\n/logs\n")
    (workspace / "logs").mkdir()
    commit(workspace)
    return workspace


def trials_of(repository, search=SEARCH):
    file = repository / "logs/plan.yaml"
    file.write_text(yaml.safe_dump({"search": search}, sort_keys=False))
    return Trials(read_plan(file), "plan", open_store(), repository / "logs")


def miou(lr, epoch):
    """A stand-in's score: best at a learning rate of 0.1, rising but for each third epoch."""
    return (1 - abs(lr - 0.1)) * (epoch - (2 if epoch % 3 == 0 else 0)) / EPOCHS


def train(trials, job):
    """Log the epochs up to the pause, which had not been logged; commit the metrics at the end."""
    name, client = job.experiment.name, trials.store.client
    found = client.search_runs([trials.store.experiment_id], f"tags.`dvc.exp_name` = '{name}'")
    run = found[0] if found else client.create_run(trials.store.experiment_id)
    client.set_tag(run.info.run_id, "dvc.exp_name", name)
    logged = metric_by_epoch(trials.store, run.info.run_id, "val.miou")
    lr = job.experiment.settings["train.lr"]
    for epoch in range(max(logged, default=0) + 1, (job.pause_after or EPOCHS) + 1):
        client.log_metric(run.info.run_id, "val.miou", miou(lr, epoch), step=epoch)
        client.log_metric(run.info.run_id, "val.loss", 1 - miou(lr, epoch), step=epoch)
    if job.pause_after:
        client.set_tag(run.info.run_id, "training.paused_after", job.pause_after)
        return
    write_json(
        Path("metrics/train.json"), {"val": {"miou": miou(lr, KEPT), "loss": 1 - miou(lr, KEPT)}}
    )
    write_json(Path("metrics/export.json"), {"bytes": round(1000 * lr)})
    commit(Path())
    git(Path(), "update-ref", f"refs/exps/00/00/{name}", "HEAD")
    git(Path(), "reset", "--quiet", "--hard", "HEAD~1")


def search_to_its_end(trials):
    """Train one trial after the other; return (learning rate, next pause) of each, in order."""
    trained = []
    while job := next(trials.candidates(), None):
        train(trials, job)
        trained.append((job.experiment.settings["train.lr"], job.pause_after))
    return trained


def logged(trials):
    """How many epochs each trial's run has logged; each of them once."""
    client, experiment = trials.store.client, [trials.store.experiment_id]
    points = [
        client.get_metric_history(run.info.run_id, "val.miou")
        for run in client.search_runs(experiment)
    ]
    assert all(len({point.step for point in each}) == len(each) for each in points)
    return sorted(len(each) for each in points)


def test_of_nine_trials_three_train_on_and_the_best_of_them_to_its_end(repository, capsys):
    trials = trials_of(repository)
    trained = search_to_its_end(trials)
    rates = [lr for lr, pause in trained if pause == 1]
    assert len(set(rates)) == len(rates) == 9
    closest = min(rates, key=lambda lr: abs(lr - 0.1))
    assert (closest, None) in trained
    further = [lr for lr, pause in trained if pause == 3]
    ends = [lr for lr, pause in trained if pause is None]
    assert len(further) >= 3
    by_rung = {1: 9 - len(further), 3: len(further) - len(ends), 9: len(ends)}
    assert logged(trials) == [epochs for epochs, count in by_rung.items() for _ in range(count)]

    results = trials.results()
    assert results[0].experiment.settings["train.lr"] == closest
    assert results[0].scores == {"val.miou": pytest.approx(miou(closest, KEPT))}
    reached = [int(result.spent.removesuffix("/9")) for result in results]
    assert reached == sorted(logged(trials), reverse=True)
    print_paused(results, EPOCHS)
    told = capsys.readouterr().out
    assert f"{sum(reached)} epochs were trained; in full it would be 81." in told
    assert "8 trials are paused" in told
    assert f"--set-param=train.lr={results[1].experiment.settings['train.lr']}" in told


def test_a_search_that_is_killed_after_each_trial_goes_on_where_it_was(repository):
    search = SEARCH | {"sampler": "tpe", "trials": 6}
    count = 0
    while job := next((trials := trials_of(repository, search)).candidates(), None):
        if count == 4:  # killed before it has logged an epoch: next time the same again
            again = next(trials_of(repository, search).candidates())
            assert (again.experiment, again.pause_after) == (job.experiment, job.pause_after)
        train(trials, job)
        count += 1
    assert count == 6 + 2 + 1
    assert len(trials.study.trials) == 6
    assert logged(trials) == [1, 1, 1, 1, 3, 9]


def test_the_sampler_draws_the_same_again_for_what_is_known(repository):
    search = SEARCH | {"sampler": "tpe", "trials": 14}
    drawn = []
    for _ in range(2):
        trials = trials_of(repository, search)
        for number in range(12):  # after ten it learns
            trial = trials.draw()
            optuna.Trial(trials.study, trial._trial_id).report(number / 12, 1)
        drawn.append([trial.params for trial in trials.study.trials])
        (repository / "optuna.db").unlink()
    assert drawn[0] == drawn[1]
    assert len({each["train.lr"] for each in drawn[0]}) == 12


def test_two_searches_share_the_trials_and_never_one(repository):
    with ExitStack() as held:
        names = []
        for number in range(6):  # each search in turn starts one that nobody has
            mine = trials_of(repository)
            for job in mine.candidates():
                lock = held.enter_context(job.lock())
                if lock is not None:
                    names.append(job.experiment.name)
                    break
            assert len(mine.study.trials) == number + 1
        assert len(set(names)) == 6


def test_nothing_is_trained_to_its_end_while_better_trials_may_be_under_way(repository):
    trials = trials_of(repository, SEARCH | {"trials": 2})
    first = next(trials.candidates())
    train(trials, first)
    second = next(trials.candidates())
    with second.lock():
        assert [job.experiment for job in trials.candidates()] == [second.experiment]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_space_of_choices_ends_with_each_of_them_once(repository, sampler):
    space = {"train.batch_size": [2, 4, 8], "seed": [1, 2]}
    trials = trials_of(repository, {"space": space, "trials": 9, "sampler": sampler})
    drawn = [tuple(trial.params.values()) for trial in iter(trials.draw, None)]
    assert sorted(drawn) == [(size, seed) for size in (2, 4, 8) for seed in (1, 2)]
    assert trials.draw() is None


def test_without_rungs_every_trial_is_trained_to_its_end(repository):
    trials = trials_of(repository, SEARCH | {"rungs": None, "trials": 3})
    assert [pause for _, pause in search_to_its_end(trials)] == [None] * 3
    assert {trial.state for trial in trials.study.trials} == {TrialState.COMPLETE}


def test_a_metric_may_be_minimized_and_the_kept_epoch_counts(repository):
    trials = trials_of(repository, SEARCH | {"objectives": {"val.loss": "minimize"}})
    trained = search_to_its_end(trials)
    best = min((lr for lr, _ in trained), key=lambda lr: abs(lr - 0.1))
    assert (best, None) in trained
    trial = next(each for each in trials.study.trials if each.params["train.lr"] == best)
    # The stand-in falls in its last epochs: what it scored before is kept.
    assert trial.intermediate_values == {1: 1 - miou(best, 1), 3: 1 - miou(best, 2)}
    assert trial.value == 1 - miou(best, 8)


def test_of_two_objectives_what_nothing_beats_in_both_comes_first(repository):
    two = {"val.miou": "maximize", "export.bytes": "minimize"}
    trials = trials_of(repository, SEARCH | {"objectives": two, "rungs": None})
    search_to_its_end(trials)
    points = [(r.scores["val.miou"], -r.scores["export.bytes"]) for r in trials.results()]
    front = [
        p for p in points if not any(a >= p[0] and b >= p[1] and (a, b) != p for a, b in points)
    ]
    assert 0 < len(front) < 9
    assert points[: len(front)] == sorted(front, reverse=True)
    assert next(iter(trials.jobs), None) is None


def test_a_job_that_ended_is_paused_if_its_epochs_are_known_else_it_failed(repository):
    trials = trials_of(repository)
    first = next(trials.candidates())
    first.state = "failed"  # by its exit status
    trials.jobs[first.experiment.name] = first
    second = next(trials.candidates())
    assert second.experiment != first.experiment  # not again in this search
    train(trials, first)
    trials.refresh()
    assert first.state == "paused"


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"space": {}, "trials": 1}, r"search\.space: .* at least 1 item"),
        ({"space": {"train.lr": {"low": 1, "high": 1}}, "trials": 1}, r"must be below high"),
        (
            {"space": {"train.lr": {"low": 0, "high": 1, "log": True}}, "trials": 1},
            r"space\.train\.lr: low \(0\.0\) must be above 0 on a logarithmic scale",
        ),
        ({"space": {"train.lr": []}, "trials": 1}, r"search\.space\.train\.lr: .* at least 1 item"),
        ({"space": {"train.epochs": [3, 6]}, "trials": 1}, "all trials must be equally long"),
        ({"space": {"train.threads": [1, 2]}, "trials": 1}, "take as many cores"),
        ({"space": {"train.rate": [1]}, "trials": 1}, r"train\.rate is not in params.*: train\."),
        ({"space": SPACE}, "say how long: trials, minutes, or both"),
        (SEARCH | {"trial": 1}, r"search\.trial is not a known key; known: space, trials"),
        (SEARCH | {"rungs": [3, 1]}, r"rungs: expected rising numbers of epochs, found \[3, 1\]"),
        (SEARCH | {"rungs": [0]}, r"search\.rungs\.0: .* greater than 0"),
        (SEARCH | {"rungs": [3, 9]}, r"search\.rungs: 9 is not below train\.epochs, 9"),
        (SEARCH | {"objectives": {"test.miou": "maximize"}}, "test.miou is not accepted, but val"),
        (SEARCH | {"objectives": {"export.bytes": "minimize"}}, "what each epoch measures"),
        (
            SEARCH | {"objectives": {"val.miou": "maximize", "val.loss": "minimize"}},
            "trials can pause for one objective alone",
        ),
    ],
)
def test_a_search_that_cannot_be_run_is_refused_with_its_reason(repository, search, message):
    with pytest.raises(UserError, match=message):
        trials_of(repository, search)


def test_an_objective_that_no_epoch_measures_is_named(repository):
    trials = trials_of(repository, SEARCH | {"objectives": {"val.iou.cat": "maximize"}})
    train(trials, next(trials.candidates()))
    with pytest.raises(UserError, match=r"val\.iou\.cat is not in the run"):
        next(trials.candidates())


def test_values_are_short_and_inside_their_ranges_and_whole_where_the_param_is(repository):
    space = SPACE | {"train.batch_size": {"low": 2, "high": 3}, "seed": [5, 7]}
    trials = trials_of(repository, SEARCH | {"space": space, "trials": 30})
    drawn = [trials.draw().params for _ in range(30)]
    assert {each["train.batch_size"] for each in drawn} == {2, 3}
    assert {each["seed"] for each in drawn} == {5, 7}
    assert all(0.001 <= each["train.lr"] <= 1 for each in drawn)
    assert all(float(f"{each['train.lr']:.4g}") == each["train.lr"] for each in drawn)
    assert trials.draw() is None


def test_a_range_is_whole_if_its_ends_are_and_the_param_has_no_fraction():
    space = {"dice": {"low": 0.5, "high": 2.0}, "lr": {"low": 0, "high": 1}}
    space["crop"] = {"low": 64, "high": 96}
    search = check_values({"space": space, "trials": 1}, Search, Path("plan.yaml"))
    kinds = search.distributions({"dice": 1, "lr": 0.1, "crop": None})
    assert {name: type(kind).__name__ for name, kind in kinds.items()} == {
        "dice": "FloatDistribution",
        "lr": "FloatDistribution",
        "crop": "IntDistribution",
    }


def test_a_job_runs_only_the_stages_that_its_objectives_need(repository):
    one = trials_of(repository)
    two = {"val.miou": "maximize", "export.bytes": "minimize"}
    both = trials_of(repository, SEARCH | {"objectives": two, "rungs": None})
    jobs: list[Job] = [next(each.candidates()) for each in (one, both)]
    assert [job.stage for job in jobs] == ["train", "export"]
