"""docs/teams.md from its first command to its last: two clones that share a Git server, an S3
server, and MLflow on PostgreSQL. The tests run in this order.

Of the page's commands only addresses are replaced, and a password is typed.
"""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pytest
from clone import ALL_STAGES, Clone, borrow, make_clone, page_blocks, stages_run
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from servers import (
    ADMINISTRATOR,
    POSTGRES_PROGRAMS,
    free_port,
    postgres_server,
    s3_server,
    wait_for,
)  # fmt: skip

from pipeline.core.files import file_digest
from pipeline.records.versions import model_name

pytestmark = pytest.mark.teams

LOOPBACK = "http://127.0.0.1"
PASSWORDS = {account: token_hex(16) for account in ("administrator", "role")}


@dataclass
class Team:
    """The server's machine, whose checkout is also what the others clone, and how to reach it."""

    page: dict[str, list[str]]  # what has not run yet
    server: Clone
    keys: dict[str, str]  # to the bucket
    administrator: dict[str, str]  # what PostgreSQL's clients take from the environment
    addresses: dict[str, str]  # ours by those on the page

    @property
    def uri(self) -> str:
        return self.addresses[f"{LOOPBACK}:5000"]

    def here(self, command: str) -> str:
        """The command with the addresses that the servers have here."""
        for theirs, ours in self.addresses.items():
            command = command.replace(theirs, ours)
        return command

    def join(self, root: Path) -> Clone:
        self.server.run(f"git clone --quiet {self.server.root.parent}/origin.git {root}")
        borrow(self.server.root / ".venv", root / ".venv")
        patience = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}  # where the tests' machine is busy
        return Clone(root, MLFLOW_TRACKING_URI=self.uri, **self.keys, **patience)

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri, registry_uri=self.uri)

    def runs(self) -> list[Run]:
        return self.client.search_runs([self.client.get_experiment_by_name("petseg").experiment_id])

    def versions(self) -> list[ModelVersion]:
        return self.client.search_model_versions(f"name = '{model_name()}'")


def do(clone: Clone, block: str, **environment: str) -> str:
    """Run the page's commands, each of which must succeed."""
    return clone.run(f"set -e\n{block}", **environment)


@pytest.fixture(scope="module")
def team(tmp_path_factory) -> Iterator[Team]:
    """The servers, set up by the page."""
    seed = make_clone(tmp_path_factory.mktemp("team") / "server")
    seed.run("git clone --quiet --bare . ../origin.git")
    page = page_blocks("teams.md")
    install, roles, bucket, serve = page.pop("The server, once")
    with postgres_server(PASSWORDS["administrator"]) as database, s3_server() as keys:
        path = f"{seed.root}/.venv/bin:{POSTGRES_PROGRAMS}:{os.environ['PATH']}"
        server = Clone(seed.root, **keys, PGPASSWORD=PASSWORDS["role"], PATH=path)
        administrator = {"PGUSER": ADMINISTRATOR, "PGPASSWORD": PASSWORDS["administrator"]}
        administrator |= {"PGHOST": "127.0.0.1", "PGPORT": str(database)}
        port = str(free_port())
        addresses = {":5432": f":{database}", f"{LOOPBACK}:5000": f"{LOOPBACK}:{port}"}
        team = Team(page, server, keys, administrator, addresses)
        do(server, install)
        typed = "printf '%s\\n' {role} {role} | setsid --wait createuser".format(**PASSWORDS)
        do(server, roles.replace("createuser", typed), **team.administrator)
        server.run(f"python -c '{bucket}'")
        with server.running(team.here(serve).replace("--port 5000", f"--port {port}")):
            wait_for(f"{team.uri}/health")
            yield team


@pytest.fixture(scope="module")
def clones(team: Team) -> tuple[Clone, Clone]:
    """Two people's, set up by the page; the first has told the repository where the bucket is."""
    folder = team.server.root.parent
    first = team.join(folder / "first")
    do(first, *team.page.pop("The repository, once"))
    both = first, team.join(folder / "second")
    [each_person] = team.page.pop("Each person, once")
    for clone in both:
        assert "No version is registered yet" in do(clone, each_person)
    return both


def test_the_first_trains_and_shares(team, clones):
    first, _ = clones
    [share] = team.page.pop("Share what you have trained")
    output = do(first, share)
    assert stages_run(output) == ALL_STAGES
    assert "Version 1 is @champion" in output
    [run], [version] = team.runs(), team.versions()
    assert run.info.status == "FINISHED"
    assert version.tags["run.id"] == run.info.run_id
    assert first.run("git status --porcelain") == ""
    assert not (first.root / "mlflow.db").exists()


def test_the_second_takes_over_data_model_and_run_without_training(team, clones):
    first, second = clones
    pull, look, predict = team.page.pop("Take over what others have trained")
    output = do(second, pull)
    assert stages_run(output) == []
    assert "up to date" in output
    for name in ("models/checkpoint.pth", "models/model.onnx", "data/pairs/index.csv"):
        assert (second.root / name).read_bytes() == (first.root / name).read_bytes()
    assert "Version 1 is @champion: it is the champion already" in do(second, look)
    [run], [version] = team.runs(), team.versions()
    checkpoint = file_digest(second.root / "models/checkpoint.pth")
    assert run.data.tags["checkpoint.sha256"] == checkpoint
    assert "restored" not in run.data.tags

    do(second, f"unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY\n{predict}")
    assert len(list((second.root / "results").glob("*.mask.png"))) == 1
    [fetched] = (second.root / ".cache/models" / version.tags["onnx.sha256"]).iterdir()
    assert file_digest(fetched) in (version.tags["onnx.sha256"], version.tags["int8.sha256"])


def test_two_train_at_once_and_both_see_both(team, clones):
    *both, look = team.page.pop("Train at the same time")
    with ThreadPoolExecutor() as people:
        printed = list(people.map(do, clones, both))
    assert [stages_run(output) for output in printed] == [["train", "evaluate", "export"]] * 2
    runs, versions = team.runs(), team.versions()
    assert [run.info.status for run in runs] == ["FINISHED"] * 3
    assert {run.data.params["train.lr"] for run in runs} == {"0.002", "0.004", "0.008"}
    assert {each.tags["run.id"] for each in versions} == {run.info.run_id for run in runs}
    assert len({each.tags["onnx.sha256"] for each in versions}) == 3
    for run in runs:
        plots = {each.path for each in team.client.list_artifacts(run.info.run_id, "plots")}
        assert {"train.loss", "test.miou", "export.disagreement"} <= run.data.metrics.keys()
        assert plots == {"plots/train", "plots/evaluate"}

    for clone in clones:  # the gate is the last command: the first one's decides for both
        seen = do(clone, look)
        assert {"gentle", "bold"} <= set(re.findall(r"\w+", seen))
    lists = {clone.run("python -m tools.models list") for clone in clones}
    assert len(lists) == 1
    assert "@challenger" in lists.pop()
    newest = team.client.get_model_version(model_name(), "3")
    assert newest.tags["gate.against"] == "1"


def test_a_backup_holds_every_run(team, clones):
    [backup] = team.page.pop("Backups")
    do(team.server, backup, **team.administrator)
    count = "psql --tuples-only --command 'SELECT run_uuid FROM runs ORDER BY 1'"
    for database in ("mlflow", "restored"):
        listed = do(team.server, f"{count} {database}", **team.administrator).split()
        assert listed == sorted(run.info.run_id for run in team.runs())


def test_cleaning_up_spares_what_is_used_and_what_is_young(team, clones):
    first, _ = clones
    shared, trash = team.page.pop("Cleaning up")
    mistake = team.client.create_run(team.runs()[0].info.experiment_id).info.run_id
    team.client.delete_run(mistake)
    first.run("dvc exp remove --all-commits")  # as in a clone that has not seen them
    assert "No unused cache to remove from remote" in do(first, shared)
    assert sorted(first.run("dvc exp list --name-only").split()) == ["bold", "gentle"]
    do(team.server, team.here(trash))
    assert team.client.get_run(mistake).info.lifecycle_stage == "deleted"


def test_no_secret_is_in_a_repository_or_a_run(team, clones):
    secrets = [*PASSWORDS.values(), team.keys["AWS_SECRET_ACCESS_KEY"]]
    patterns = " ".join(f"-e {secret}" for secret in secrets)
    for clone in clones:
        assert clone.run("git ls-files .dvc/config") == ".dvc/config\n"
        clone.run(f"! git grep --fixed-strings {patterns} $(git rev-list --all)")
        clone.run(f"! grep --recursive --fixed-strings {patterns} .dvc .git mlartifacts .cache")
    dump = do(team.server, "pg_dump mlflow", **team.administrator)
    assert model_name() in dump
    assert not any(secret in dump for secret in secrets)


def test_every_command_of_the_page_was_run(team):
    assert not any(team.page.values())
