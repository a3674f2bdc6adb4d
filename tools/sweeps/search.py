"""A search: Optuna draws settings from a space, and successive halving decides who trains on.

Its trials are those of a study in optuna.db, beside mlflow.db, which optuna-dashboard shows. A
trial is a DVC experiment; it is paused where pruning would end it, so that it stays RUNNING in the
study until it has trained to its end. Whoever asks, under a lock, brings the study up to date from
the experiments that have finished and the epochs that their runs have logged. Nothing else is
kept: a search that was killed, and several at once, see the same trials.
"""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.core.layout import EXPORT_METRICS, TRAIN_METRICS, workspace_root
from pipeline.core.params import flatten
from pipeline.core.terminal import UserError
from pipeline.records.database import sqlite_uri
from pipeline.records.experiments import experiment_runs, metric_by_epoch
from pipeline.records.runs import PAUSED_TAG
from pipeline.records.store import Store
from tools.sweeps.jobs import Job, finished_experiments, read_metrics
from tools.sweeps.plan import Experiment, Names, Plan
from tools.sweeps.ranking import Result
from tools.sweeps.space import EPOCHS, rounded

STUDIES = "optuna.db"  # in the repository's root
KEPT_BY = "val.miou"  # of the epoch whose weights a training keeps
ATTEMPTS = 50  # to draw settings that no trial has
ETA = 3  # one in ETA trials continues from a rung to the next

Scores = Mapping[int | None, float]  # of one trial, higher is better: at each rung, None at its end


class Trials:
    """The trials of a search. `jobs` are those that this process has started, by experiment."""

    def __init__(self, plan: Plan, word: str, store: Store, logs: Path) -> None:
        """`word` begins the names of the experiments; the plan has a section `search`.

        Raises UserError, naming the key, for settings that do not fit params.yaml.
        """
        self.search, self.settings = plan["search"], plan.get("set", {})
        self.store, self.logs = store, logs
        self.jobs: dict[str, Job] = {}
        self.began = time.monotonic()
        self.most = self.search.trials or math.inf  # trials: fewer, once no settings are left
        self.names = Names(word)
        self.names.check([EPOCHS, *self.settings, *self.search.space])
        params = {**self.names.params, **self.settings}
        try:
            self.rungs = self.search.checked_rungs(params)
            self.space = self.search.distributions(params)
        except ValueError as error:
            raise UserError(f"search.{error}") from None
        self.epochs = params[EPOCHS]
        # All searches in this repository share the database, and this lock.
        self.lock = FileLock(logs / "studies.lock")
        self.study = self._open_study()

    def candidates(self) -> Iterator[Job]:
        """Give the trials that could be started now, the most urgent first, a new one last.

        Those under way are among them: nobody can start them, but they may be worth waiting for.
        """
        with self.lock:
            trials = self.refresh()
        if self.search.minutes and time.monotonic() - self.began > self.search.minutes * 60:
            return
        scores = {trial.number: self.scores(trial) for trial in trials}
        first = self.rungs[0] if self.rungs else None
        ready = [(number, first) for number in scores if not scores[number]]
        yield from self._jobs(trials, [*ready, *promotions(scores, self.rungs)])
        with self.lock:
            new = self.draw()
        if new:
            yield self.job(new, first)
        elif not self.has_finished() and not self._busy(trials):
            # Too few trials for a third of them at each rung: the best one trains to its end.
            yield from self._jobs(trials, promotions(scores, self.rungs, least=1)[:1])

    def refresh(self) -> list[FrozenTrial]:
        """Bring the study up to date; return its trials."""
        finished = finished_experiments()
        runs = experiment_runs(self.store, f"{self.names.word}-")
        for trial in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            name = self.experiment(trial).name
            done = name in finished
            if run := runs.get(name):
                paused_after = int(run.data.tags.get(PAUSED_TAG, 0))
                self._report(trial, run.info.run_id, self.epochs if done else paused_after)
            if done:
                self.study.tell(trial.number, self._measured(finished[name]))
        trials = self.study.get_trials(deepcopy=False)
        for trial in trials:
            job = self.jobs.get(self.experiment(trial).name)
            if job and job.state == "failed" and job.pause_after in trial.intermediate_values:
                job.state = "paused"
        return trials

    def draw(self) -> FrozenTrial | None:
        """Add a trial to the study, with settings that the sampler chooses; None after the last.

        None, too, if it finds no settings that no trial has.

        The sampler sees paused trials as pruned ones: it learns nothing from those that run.
        """
        trials = self.study.get_trials(deepcopy=False)
        if len(trials) >= self.most:
            return None
        known = [trial.params for trial in trials]
        drawn = (self._drawn(trials, attempt) for attempt in range(ATTEMPTS))
        values = next((each for each in drawn if each not in known), None)
        if values is None:  # a space of choices alone has an end
            self.most = len(trials)
            return None
        new = create_trial(state=TrialState.RUNNING, params=values, distributions=self.space)
        self.study.add_trial(new)
        return self.study.get_trials(deepcopy=False)[-1]

    def _drawn(self, trials: Sequence[FrozenTrial], attempt: int) -> dict[str, Any]:
        """What the sampler chooses after these trials."""
        # A search that continues draws what it would have; one with another seed does not.
        entropy = np.random.SeedSequence((self.search.seed, len(trials), attempt))
        seed = int(entropy.generate_state(1)[0])
        samplers = optuna.samplers
        tpe = self.search.sampler == "tpe" and attempt < ATTEMPTS // 2  # it repeats itself
        kind = samplers.TPESampler if tpe else samplers.RandomSampler
        seen = optuna.create_study(sampler=kind(seed=seed), directions=self.study.directions)
        seen.add_trials([as_pruned(trial) for trial in trials])
        return rounded(seen.ask(self.space).params, self.search.space)

    def results(self) -> list[Result]:
        """The trials that have scores, best first: finished ones, then those that are paused.

        With two objectives, trials that no other beats in both come first.
        """
        with self.lock:
            trials = self.refresh()
        runs = experiment_runs(self.store, f"{self.names.word}-")
        front = {trial.number for trial in self.study.best_trials}

        def place(trial: FrozenTrial) -> tuple:
            scores = self.scores(trial)
            reached = self.reached(trial)
            score = scores.get(None, scores.get(reached, 0))
            return (None not in scores, trial.number not in front, -reached, -score)

        results = []
        for trial in sorted(filter(self.reached, trials), key=place):
            experiment, reached = self.experiment(trial), self.reached(trial)
            values = trial.values or [trial.intermediate_values[reached]]
            scores = dict(zip(self.search.objectives, values, strict=True))
            run = runs.get(experiment.name)
            spent = f"{reached}/{self.epochs}"
            results.append(Result(experiment, scores, run.info.run_id if run else "", spent))
        return results

    def has_finished(self) -> bool:
        """Whether a trial has trained to its end."""
        return bool(self.study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]))

    def reached(self, trial: FrozenTrial) -> int:
        """The last epoch after which the trial has scores; 0 if it has none."""
        finished = trial.state == TrialState.COMPLETE
        return self.epochs if finished else max(trial.intermediate_values, default=0)

    def experiment(self, trial: FrozenTrial) -> Experiment:
        settings = {**self.settings, **trial.params}
        # Of which stages ran, too: in its commit, the others' metrics are the baseline's.
        return Experiment(self.names.name(settings, self.search.stage), settings)

    def job(self, trial: FrozenTrial, pause_after: int | None) -> Job:
        experiment = self.experiment(trial)
        log = self.logs / f"{experiment.name}.log"
        return Job(experiment, log, self.search.stage, pause_after)

    def scores(self, trial: FrozenTrial) -> Scores:
        """What the trial has reached, for `promotions`."""
        sign = 1 if self.study.directions[0] == StudyDirection.MAXIMIZE else -1
        known: dict[int | None, float] = dict(trial.intermediate_values.items())
        if trial.state == TrialState.COMPLETE:
            known[None] = trial.values[0]
        return {rung: sign * value for rung, value in known.items()}

    def _open_study(self) -> optuna.Study:
        """Created by the first search of these settings."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        search = self.search
        same = [search.space, search.sampler, search.seed, self.rungs, search.objectives]
        with self.lock:
            return optuna.create_study(
                storage=sqlite_uri(workspace_root() / STUDIES),
                study_name=self.names.name(self.settings, same),
                directions=[*search.objectives.values()],
                load_if_exists=True,
            )

    def _jobs(
        self, trials: Sequence[FrozenTrial], ready: Iterable[tuple[int, int | None]]
    ) -> Iterator[Job]:
        """Jobs for trials by number, each with its next pause; none that failed here before."""
        for number, pause_after in ready:
            job = self.job(trials[number], pause_after)
            known = self.jobs.get(job.experiment.name)
            if known is None or known.state != "failed":
                yield job

    def _busy(self, trials: Iterable[FrozenTrial]) -> bool:
        """Whether any of them is under way, here or in another process."""
        for trial in trials:
            with self.job(trial, None).lock() as lock:
                if lock is None:
                    return True
        return False

    def _report(self, trial: FrozenTrial, run_id: str, epochs: int) -> None:
        """Tell the study the score at each rung up to `epochs`, unless it knows it already.

        The score is that of the weights which a training of that length would keep.
        """
        known = trial.intermediate_values
        rungs = [each for each in self.rungs if each <= epochs and each not in known]
        if not rungs:
            return
        (name,) = self.search.objectives
        values, kept_by = (metric_by_epoch(self.store, run_id, each) for each in (name, KEPT_BY))
        for rung in rungs if kept_by else []:
            best = max((each for each in sorted(kept_by) if each <= rung), key=kept_by.__getitem__)
            if best not in values:
                raise UserError(f"search.objectives: {name} is not in the run {run_id}")
            optuna.Trial(self.study, trial._trial_id).report(values[best], rung)

    def _measured(self, reference: str) -> list[float]:
        """The objectives of a finished experiment."""
        files = [TRAIN_METRICS, *([EXPORT_METRICS] if self.search.stage == "export" else [])]
        metrics = read_metrics(reference, files)
        known = flatten({**metrics.pop("train"), **metrics})
        for name in self.search.objectives:
            if not isinstance(known.get(name), int | float):
                places = " or ".join(map(str, files))
                raise UserError(f"search.objectives: {name} is not in {places}")
        return [known[name] for name in self.search.objectives]


def as_pruned(trial: FrozenTrial) -> FrozenTrial:
    """A paused trial as one that was pruned there; any other trial as it is."""
    if trial.state != TrialState.RUNNING or not trial.intermediate_values:
        return trial
    return create_trial(
        state=TrialState.PRUNED,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=trial.intermediate_values,
    )


def promotions(
    scores: Mapping[int, Scores], rungs: Sequence[int], least: int = 0
) -> list[tuple[int, int | None]]:
    """List the trials that should continue, the most urgent first: asynchronous successive halving.

    By Li et al. 2018 (arXiv 1810.05934).

    Args:
        scores: of each trial, by its number.
        rungs: numbers of epochs after which trials pause, rising.
        least: how many trials continue from each rung at least, however few are there.

    Returns: trials, each with the rung at which it pauses next (None: it trains to its end). They
        are the best third of those that have reached a rung, without those that have continued
        already. The highest rung comes first.
    """
    found = []
    for rung, following in reversed([*pairwise([*rungs, None])]):
        here = [trial for trial in scores if rung in scores[trial]]
        ranked = sorted(here, key=lambda trial: (-scores[trial][rung], trial))
        best = ranked[: max(len(here) // ETA, least)]
        found += [
            # One that was continued by hand may have ended without the scores of higher rungs.
            (trial, following)
            for trial in best
            if following not in scores[trial] and None not in scores[trial]
        ]
    return found
