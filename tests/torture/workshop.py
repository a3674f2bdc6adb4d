"""A clone whose stages are started, killed at a chosen moment, and started again: what was lost?

Each stage is run once undisturbed, when a test first asks for it. The clone is copied before each
stage, so that every try starts from the same state, at the same path.
"""

import os
import random
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import yaml
from clone import ALL_STAGES, make_clone
from training import finish

from pipeline.core.files import file_digest

SAVING = 0.7  # seconds that DVC takes to save a stage's outputs
FASTER = 0.8  # after a moment that came too late

# The stage as `python -m` runs it, with a sign when all is imported, and a wait for the word to go.
# What main() imports is imported before the sign, too: a kill among imports would try nothing.
ALONE = """
import ast, importlib, inspect, sys
stage = importlib.import_module(sys.argv.pop(1))
for node in ast.walk(ast.parse(inspect.getsource(stage))):
    if isinstance(node, ast.ImportFrom):
        importlib.import_module(node.module)
print("imported", flush=True)
sys.stdin.readline()
stage.run_command(stage.main)
"""

# What MLflow's database holds, without ids, times, and what varies from run to run.
QUERIES = {
    "database": "PRAGMA integrity_check",
    "runs": "SELECT status FROM runs WHERE lifecycle_stage = 'active'",
    "params": "SELECT key, value FROM params",
    "tags": "SELECT key, value FROM tags WHERE key NOT LIKE 'mlflow.%' AND key != 'training.id'",
    "metrics": "SELECT key, step, value FROM metrics WHERE key NOT LIKE 'system/%'",
    "inputs": "SELECT name, digest FROM datasets",
    "data of runs": "SELECT count(*) FROM inputs WHERE source_type = 'DATASET'",
    "models": "SELECT count(*) FROM logged_models WHERE lifecycle_stage = 'active'",
    "versions": "SELECT count(*) FROM model_versions",
    "version tags": "SELECT key, value FROM model_version_tags WHERE key != 'run.id'",
}


@dataclass
class Undisturbed:
    """What a stage takes and leaves when nobody kills it."""

    imports: float  # seconds
    work: float  # seconds from then to the end
    outputs: dict[str, str]  # sha256 by path
    store: dict[str, Any]
    lock: Any  # its entry in dvc.lock
    pace: float = 1.0  # of the seconds, what the last tries took: the machine is not always as busy


class Workshop:
    def __init__(self, root: Path) -> None:
        self.copies = root / "copies"
        self.clone = make_clone(root / "petseg")
        self.root = self.clone.root
        params = yaml.safe_load((self.root / "params.yaml").read_text())
        params["train"] |= {"epochs": 3}
        params["export"] |= {"calibration_images": 8}
        (self.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        (self.root / "dvc.lock").unlink()
        shutil.rmtree(self.root / "metrics")
        self.pipeline = yaml.safe_load((self.root / "dvc.yaml").read_text())["stages"]
        self.undisturbed: dict[str, Undisturbed] = {}
        self.copies.mkdir()
        copy(self.root, self.copies / ALL_STAGES[0])

    def reset(self, stage: str) -> None:
        """Go to where all stages before this one have run, and it has not; know what it leaves."""
        for each, following in pairwise([*ALL_STAGES, "end"]):
            if each not in self.undisturbed:
                copy(self.copies / each, self.root)
                self.undisturbed[each] = self._run_undisturbed(each)
                copy(self.root, self.copies / following)
            if each == stage:
                break
        copy(self.copies / stage, self.root)

    def _run_undisturbed(self, stage: str) -> Undisturbed:
        started = time.monotonic()
        with self.alone(stage) as process:
            imported = time.monotonic()
            go(process)
            finish(process)
        ended = time.monotonic()
        self.clone.run(f"dvc commit --force {stage}")
        return Undisturbed(imported - started, ended - imported, *self.state(stage))

    # --- starting and killing ---------------------------------------------------------------

    @contextmanager
    def alone(self, stage: str) -> Iterator[subprocess.Popen[str]]:
        """Start the stage without DVC; when all is imported, it waits for `go`."""
        arguments = shlex.split(self.pipeline[stage]["cmd"])[2:]
        with self._started([sys.executable, "-c", ALONE, *arguments]) as process:
            line = process.stdout.readline()
            assert line == "imported\n", line + process.stdout.read()
            yield process

    def by_dvc(self, stage: str) -> AbstractContextManager[subprocess.Popen[str]]:
        return self._started(["dvc", "repro", stage])

    @contextmanager
    def _started(self, command: list[str]) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env=self.clone.environment | {"COLUMNS": "200"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            kill_group(process)

    def kill_alone(self, stage: str, share: float) -> str | None:
        """Kill the stage when this share of its work is done; None if all was done already."""
        usual = self.undisturbed[stage]
        with self.alone(stage) as process:
            go(process)
            time.sleep(share * usual.work * usual.pace)
            running = kill_group(process)
        # What may be left is the interpreter's own end, of which the next run can know nothing.
        ended = self.outputs(stage) == usual.outputs and self.store() == usual.store
        if running and (not ended or list(self.root.glob(".cache/training/*/id"))):
            return "stage"
        usual.pace *= FASTER
        return None

    def kill_dvc(self, stage: str, share: float) -> str | None:
        """Kill DVC and the stage it runs: in the stage, or while DVC saves what came out."""
        usual = self.undisturbed[stage]
        with self.by_dvc(stage) as process:
            running = stage_process(process, stage)
            time.sleep(usual.pace * (usual.imports + share * (usual.work + SAVING)))
            where = "saving" if zombie(running) else "stage"
            if kill_group(process):
                return where
        usual.pace *= FASTER
        return None

    def run_again(self, stage: str, how: str) -> None:
        """The same command once more, to its end."""
        with self.alone(stage) if how == "alone" else self.by_dvc(stage) as process:
            if how == "alone":
                go(process)
            finish(process)

    # --- looking ----------------------------------------------------------------------------

    def state(self, stage: str) -> tuple[dict[str, str], dict[str, Any], Any]:
        """Output files, MLflow's content, and the stage's entry in dvc.lock."""
        lock = self.root / "dvc.lock"
        stages = yaml.safe_load(lock.read_text())["stages"] if lock.exists() else {}
        return self.outputs(stage), self.store(), stages.get(stage)

    def outputs(self, stage: str) -> dict[str, str]:
        """The sha256 of every file that the stage's outputs hold, hidden ones too."""
        entry = self.pipeline[stage]
        named = [*entry["outs"], *(key for metric in entry["metrics"] for key in metric)]
        tops = [self.root / name for name in named]
        files = [file for top in tops for file in (top, *sorted(top.rglob("*"))) if file.is_file()]
        return {file.relative_to(self.root).as_posix(): file_digest(file) for file in files}

    def half_written(self, stage: str) -> list[str]:
        """Files under their final names that are not what they are in the end."""
        whole = self.undisturbed[stage].outputs
        found = {name: sha for name, sha in self.outputs(stage).items() if "/." not in name}
        wrong = [name for name, sha in found.items() if whole.get(name) != sha]
        for folder in ("data/pairs/", "data/splits/"):  # whole or not there
            inside, expected = (
                {name for name in names if name.startswith(folder)} for names in (found, whole)
            )
            wrong += [folder] if inside and inside != expected else []
        return [f"half-written: {name}" for name in wrong]

    def left_behind(self) -> list[str]:
        """Temporary files and folders, and entries that were not sent."""
        tops = [top for top in self.root.iterdir() if top.name not in (".git", ".venv", ".dvc")]
        paths = [path for top in tops for path in (top, *top.rglob("*"))]
        left = [path for path in paths if path.suffix == ".tmp" or path.parent.name == "unsent"]
        return [f"left behind: {path.relative_to(self.root)}" for path in sorted(left)]

    def store(self) -> dict[str, Any]:
        """What MLflow's database and its artifacts hold: see QUERIES; artifacts by their paths."""
        database = self.root / "mlflow.db"
        if not database.exists():
            return {}
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            found = {name: sorted(connection.execute(query)) for name, query in QUERIES.items()}
            runs = "SELECT run_uuid FROM runs WHERE lifecycle_stage = 'active' ORDER BY 1"
            ids = [run for (run,) in connection.execute(runs)]
        found["artifacts"] = sorted(
            str(path.relative_to(self.root)).replace(run, f"run-{place}")
            for path in (self.root / "mlartifacts").rglob("*")
            for place, run in enumerate(ids)
            if path.is_file() and run in path.parts
        )
        return found

    def losses(self, stage: str) -> list[str]:
        """Everything in which the clone differs from one in which nothing was killed."""
        outputs, store, lock = self.state(stage)
        usual = self.undisturbed[stage]
        found = [f"lost or wrong: {name}" for name in difference(usual.outputs, outputs)]
        found += [
            f"store, {key}: {brief(usual.store.get(key), store.get(key))}"
            for key in difference(usual.store, store)
        ]
        if lock is not None and lock != usual.lock:
            found.append("dvc.lock differs")
        return found + self.left_behind()


def copy(source: Path, target: Path) -> None:
    """Make the target what the source is, links and all."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", source, target], check=True)


def go(process: subprocess.Popen[str]) -> None:
    """Let a stage begin its work."""
    process.stdin.write("\n")
    process.stdin.flush()


def kill_group(process: subprocess.Popen[str]) -> bool:
    """Kill the process and its group at once; say whether it was still running."""
    running = process.poll() is None
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running


def stage_process(process: subprocess.Popen[str], stage: str) -> psutil.Process:
    """The stage's process as soon as DVC has started it."""
    while process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if f"stages.{stage}" in child.cmdline():
                    return child
        time.sleep(0.005)
    raise AssertionError(process.stdout.read())


def zombie(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def difference(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def brief(usual: list | None, found: list | None) -> str:
    missing = [each for each in usual or [] if each not in (found or [])]
    extra = [each for each in found or [] if each not in (usual or [])]
    return f"missing {missing}, extra {extra}, {usual and len(usual)} before"[:400]


def moments(how: str, stage: str, seed: int) -> Iterator[float]:
    """Random shares of a stage's work, the same ones for the same seed."""
    numbers = random.Random(f"{seed}:{how}:{stage}")
    while True:
        yield round(numbers.random(), 4)
