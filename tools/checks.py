"""What `make doctor` looks at: packages, DVC's outputs, the MLflow store, checkpoints, the disk."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Literal, NamedTuple

from filelock import FileLock, Timeout
from packaging.requirements import Requirement
from rich.filesize import decimal

from pipeline.core.files import file_digest
from pipeline.core.git import UNKNOWN, committer, git_commit
from pipeline.core.layout import CHECKPOINT, REQUIREMENTS, cache_folder, workspace_root
from pipeline.core.terminal import UserError
from pipeline.records.database import local_path, moved_from
from pipeline.records.lineage import copies_refused, installed_version
from pipeline.records.runs import TRAINING_TAG, StoredRun, all_runs, find_run
from pipeline.records.store import Store, store_errors
from pipeline.records.unsent import stores_with_unsent
from pipeline.records.versions import list_versions

NAMED = 5  # packages or runs at most; the others are counted
LITTLE = 5_000_000_000  # bytes; the official data set in all its forms takes about 4 GB
NONE = hashlib.md5(b"").hexdigest()  # noqa: S324 - DVC's choice: the name of an empty file
KEPT = ("--workspace", "--all-commits", "--all-experiments")


class Finding(NamedTuple):
    """`good`: as it should be. `note`: worth knowing. `bad`: something will not work.

    The remedy is a command, or words that name one; empty where there is nothing to do.
    """

    state: Literal["good", "note", "bad"]
    text: str
    remedy: str = ""


def check_environment(lock: Path = REQUIREMENTS) -> Iterator[Finding]:
    if not lock.is_file():
        yield Finding("bad", f"{lock} is missing", f"git restore {lock}")
    elif others := [f"{pin}: {found} installed" for pin, found in deviations(lock).items()]:
        text = f"{lock} is not what is installed: {_some(others)}"
        yield Finding("bad", text, "make --always-make .venv/installed")
    else:
        yield Finding("good", f"all packages are those of {lock}")
    try:
        committer(Path())
    except UserError:
        text = "git knows no name to commit with: `dvc exp run --temp` and --queue will fail"
        yield Finding("note", text, "git config user.name NAME; git config user.email ADDRESS")
    if refusal := copies_refused(workspace_root()):
        yield Finding("note", refusal)
    if git_commit(Path()) == UNKNOWN:  # an error with git's remedy if it refuses
        text = "no git repository with a commit, which DVC needs and runs name"
        yield Finding("bad", text, "git init; git add --all; git commit --message start")


def deviations(lock: Path) -> dict[str, str]:
    """The packages that are not as the file pins them, with what is installed."""
    lines = [line.partition("#")[0].strip(" \\") for line in lock.read_text().splitlines()]
    found = {}
    for requirement in [Requirement(line) for line in lines if line and not line.startswith("-")]:
        if requirement.marker and not requirement.marker.evaluate():
            continue
        installed = installed_version(requirement.name)
        if installed == "none" or not requirement.specifier.contains(installed, prereleases=True):
            found[f"{requirement.name}{requirement.specifier}"] = installed
    return found


def check_outputs() -> Iterator[Finding]:
    """Whether the workspace is as dvc.lock says, and the cache has what it names."""
    if changed := json.loads(_dvc("status", "--json")):
        yield Finding("note", f"not as dvc.lock says: {', '.join(changed)}", "dvc repro")
    else:
        yield Finding("good", "dvc.lock is in sync: params, code, data and outputs")
    if absent := json.loads(_dvc("data", "status", "--json")).get("not_in_cache", []):
        remedy = "dvc repro, dvc pull (with a remote), or dvc commit (if the workspace has them)"
        yield Finding("bad", f"DVC's cache lacks {', '.join(absent)}", remedy)
    cache = Path(_dvc("cache", "dir").strip())
    sizes = [file.stat().st_size for file, digest in _objects(cache) if digest != NONE]
    if empty := sizes.count(0):
        text = f"{empty} objects in DVC's cache are empty, as a power cut leaves them"
        yield Finding("bad", text, f"find {quote(str(cache))} -type f -empty -delete; dvc repro")


def _objects(cache: Path) -> Iterator[tuple[Path, str]]:
    """What DVC keeps: each file with the md5 that its name says."""
    for file in (cache / "files/md5").glob("??/*"):
        yield file, "".join(file.parts[-2:]).removesuffix(".dir")


def check_records(store: Store) -> Iterator[Finding]:
    """Whether the store is in place and complete; what is unsent, and which runs never ended."""
    runs = all_runs(store)
    versions = list_versions(store.uri)
    yield Finding("good", f"{store.name}: {len(runs)} runs, {len(versions)} versions")
    with store_errors(store.uri):
        known = store.client.get_experiment(store.experiment_id).artifact_location
    if old := moved_from(store.uri, known):
        place = f"the artifacts lie beside {store.name}, which looks for them in {old}"
        remedy = "python -m tools.doctor --readdress"
        yield Finding("bad", f"{place}: the folder was moved or copied", remedy)
    else:
        yield _check_artifacts(store, runs, {version.run_id for version in versions})
        for version in versions:
            # A power cut can leave empty files.
            files = {each: each.is_file() and each.stat().st_size for each in version.local_files}
            if lost := [file for file, size in files.items() if not size]:
                commit = version.tags.get("git.commit", "")[:7]
                text = f"version {version.number} has lost {', '.join(map(str, lost))}"
                remedy = f"dvc repro --force --single-item export (on its commit, {commit})"
                yield Finding("bad", text, remedy)
    # The folders of trainings that did not end, by the id that their runs are tagged with.
    states = cache_folder("training")
    trainings = {file.read_text(): file.parent for file in states.glob("*/id")}
    for run in runs:
        if run.info.status == "RUNNING":
            yield _explain(store, run, trainings.get(run.data.tags.get(TRAINING_TAG, "")))
    for name in stores_with_unsent():
        address = f"MLFLOW_TRACKING_URI={quote(name)} "  # without the password, if it has one
        remedy = f"{'' if name == store.name else address}make sync"
        yield Finding("note", f"metrics wait to be sent to {name}", remedy)


def check_checkpoint(store: Store) -> Iterator[Finding]:
    """Whether the workspace's checkpoint has its run."""
    if not CHECKPOINT.is_file():
        yield Finding("note", f"{CHECKPOINT} is missing: nothing is trained here yet", "dvc repro")
    elif find_run(store, file_digest(CHECKPOINT)) is None:
        text = f"no run in this store trained {CHECKPOINT}: it came out of a cache"
        yield Finding("note", text, "python -m tools.models gate")
    else:
        yield Finding("good", f"{CHECKPOINT} has its run")


def check_disk(opened: Callable[[], Store]) -> Iterator[Finding]:
    """How full the disk is, and what can be cleared away without a loss."""
    root = workspace_root()
    free = shutil.disk_usage(root).free
    if free < LITTLE:
        deep = "python -m tools.doctor --deep (it also looks for what nothing needs in DVC's cache)"
        yield Finding("note", f"only {decimal(free)} are free", deep)
    else:
        yield Finding("good", f"{decimal(free)} are free")
    # Interrupted experiments leave them behind: those of --queue, and of --temp (in standalone).
    experiments = root / ".dvc/tmp/exps"
    found = [*experiments.glob("*/.git"), *experiments.glob("standalone/*/.git")]
    if copies := [path.parent for path in found]:
        text = f"{len(copies)} copies of the workspace hold {_size(*copies)}"
        removal = f"rm -rf {' '.join(quote(str(copy)) for copy in copies)}"
        yield Finding("note", text, f"if no experiment is running: {removal}")
    store = opened()
    if runs := all_runs(store, deleted=True):
        folders = [path for run in runs if (path := local_path(run.info.artifact_uri))]
        text = f"{len(runs)} deleted runs still hold {_size(*folders)}"
        address = quote(store.name)
        remedy = f"mlflow gc --backend-store-uri {address} --tracking-uri {address}"
        if store.uri.startswith("http"):
            text = f"{len(runs)} deleted runs still hold their files"
            remedy = "on the server's machine: docs/teams.md, Cleaning up"
        origins = {version.run_id for version in list_versions(store.uri)}
        if needed := [run.info.run_id for run in runs if run.info.run_id in origins]:
            text = f"{text}; {len(needed)} made registered versions, whose origin they hold"
            back = f"MlflowClient('{store.name}').restore_run('{needed[0]}')"
            remedy = (
                f'python -c "from mlflow import MlflowClient; {back}", and so on; then {remedy}'
            )
        yield Finding("note", text, remedy)


def check_cache() -> Iterator[Finding]:
    """Find damaged objects in DVC's cache, and objects that no commit or experiment needs.

    Every object is read, and DVC looks through every commit, which can take minutes.
    """
    cache = Path(_dvc("cache", "dir").strip())
    every = _objects(cache)
    if changed := [str(file) for file, digest in every if file_digest(file, "md5") != digest]:
        text = f"{len(changed)} objects in DVC's cache were changed: as links, so were outputs"
        yield Finding("bad", text, f"rm -f {' '.join(map(quote, changed))}; dvc repro")
    else:
        yield Finding("good", "every object in DVC's cache has the digest that names it")
    lines = _dvc("gc", *KEPT, "--force", "--dry").splitlines()
    if paths := [line.removeprefix("Removing ") for line in lines if "Removing " in line]:
        size = _size(*(workspace_root() / path for path in paths))
        text, remedy = f"DVC's cache holds {size} that no commit and no experiment needs", ""
        if cache.resolve().is_relative_to((workspace_root() / ".dvc").resolve()):
            remedy = f"dvc gc {' '.join(KEPT)}"
        else:
            text += f" here; but {cache} may be shared, and others may need it"
        yield Finding("note", text, remedy)
    else:
        yield Finding("good", "DVC's cache holds nothing that no commit and no experiment needs")


def _check_artifacts(store: Store, runs: list[StoredRun], origins: set[str]) -> Finding:
    """Whether each run's local folder is there. origins: runs that registered versions need."""
    places = {run.info.run_id: local_path(run.info.artifact_uri) for run in runs}
    if store.uri.startswith("http") and any(places.values()):
        text = f"{store.name} keeps files in folders of its machine, which others cannot reach"
        return Finding("bad", text, "start it with --artifacts-destination: docs/teams.md")
    gone = [run_id for run_id, path in places.items() if path and not path.is_dir()]
    if not gone:
        return Finding("good", "the artifacts of every run are where the store says")
    plural, names = "" if len(gone) == 1 else "s", _some([run_id[:8] for run_id in gone])
    text = f"the artifacts of {len(gone)} run{plural} ({names}) are gone"
    remedy = "bring the folder back from a backup"
    if gone[0] not in origins:
        remedy = f"{remedy}, or: mlflow runs delete --run-id {gone[0]}"
    return Finding("bad", text, remedy)


def _explain(store: Store, run: StoredRun, folder: Path | None) -> Finding:
    """Why a run is RUNNING. folder: its unfinished training, if this repository has one."""
    if folder is None:
        end = f"MlflowClient('{store.name}').set_terminated('{run.info.run_id}', 'KILLED')"
        python = f'python -c "from mlflow import MlflowClient; {end}"'
        text = f"{_name(run)} is RUNNING, but no training of this repository is"
        return Finding("note", text, f"if no other machine trains it: {python}")
    try:
        with FileLock(f"{folder}.lock", timeout=0):
            text = f"{_name(run)} was interrupted; its last whole epoch is in {folder}"
            remedy = "run the same command again (dvc repro, or the experiment): it continues there"
            return Finding("note", text, remedy)
    except Timeout:
        return Finding("good", f"{_name(run)} is being trained now")


def _name(run: StoredRun) -> str:
    return f"run {run.info.run_id} ({run.info.run_name})"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _size(*places: Path) -> str:
    """Bytes on disk of files and folders; a file that is linked to twice counts once."""
    sizes = {}
    for path in [path for place in places for path in (place, *place.rglob("*"))]:
        with suppress(FileNotFoundError):  # an experiment that runs has just removed it
            stat = path.lstat()
            sizes[stat.st_ino] = stat.st_blocks * 512
    return decimal(sum(sizes.values()))


def _dvc(*arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]  # it need not be on the path
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.partition("ERROR: ")[2].partition("\n\n")[0].strip()
        raise UserError(f"`dvc {arguments[0]}` failed: {reason}")
    return done.stdout
