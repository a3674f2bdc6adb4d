"""docs/by-hand.md: what it says to run, in a clone that has run `make`."""

import sqlite3
import sys
from contextlib import closing
from secrets import token_hex

import pytest
from clone import Clone, page_blocks, stages_run
from mlflow import MlflowClient
from servers import ADMINISTRATOR, postgres_server, s3_server, started

from pipeline.records.versions import model_name

BLOCKS = page_blocks("by-hand.md")
THERE = "postgresql+psycopg://petseg@127.0.0.1:5432/mlflow"


@pytest.mark.slow
def test_a_merge_of_two_trainings_stops_and_two_commands_settle_it(finished, tmp_path):
    clone = finished.copy(tmp_path / "petseg")
    [settle] = BLOCKS["A merge in which both sides trained"]
    base = clone.run("git rev-parse HEAD").strip()
    # Of stages that are quick.
    changes = ("split.held_out_fraction=0.5", "extract.max_quarantined_fraction=0.5")
    for branch, param in zip(("theirs", "ours"), changes, strict=True):
        clone.run(f"git checkout --quiet -b {branch} {base} && dvc exp run -S {param}")
        clone.commit(param)
    ours = (clone.root / "dvc.lock").read_text()
    stopped = clone.run("git merge theirs || git status --porcelain")
    assert "UU dvc.lock" in stopped
    assert (clone.root / "dvc.lock").read_text() == ours
    assert stages_run(clone.run(settle)) == []  # theirs is in the cache
    assert clone.run("dvc repro && git status --porcelain").strip().endswith("up to date.")
    merged = (clone.root / "dvc.lock").read_text()
    assert "held_out_fraction: 0.5" in merged
    assert merged != ours


@pytest.mark.slow
def test_a_backup_taken_during_a_write_comes_back(finished, tmp_path):
    clone = finished.copy(tmp_path / "petseg")
    back_up, restore = BLOCKS["Backup of mlflow.db"]
    before = run_ids(clone)
    with sqlite3.connect(clone.root / "mlflow.db") as writing:
        writing.execute("DELETE FROM runs")  # not committed: the backup must not see it
        clone.run(f"set -e\n{back_up}")
    writing.close()
    (clone.root / "mlflow.db").write_bytes(b"lost")
    printed = clone.run(f"set -e\n{restore}")
    assert "1 runs, 1 versions" in " ".join(printed.split())
    assert run_ids(clone) == before != []


def run_ids(clone):
    """Read without mlflow, whose open connections would stay with the file that was replaced."""
    with closing(sqlite3.connect(clone.root / "mlflow.db")) as database:
        return database.execute("SELECT run_uuid FROM runs").fetchall()


@pytest.mark.teams
def test_a_store_moves_to_postgresql_with_its_ids_aliases_and_files(finished, tmp_path):
    clone, password = finished.copy(tmp_path / "petseg"), token_hex(16)
    before = found(clone.client)
    move, files, look = BLOCKS["From mlflow.db to PostgreSQL"]
    with postgres_server(password) as port, s3_server() as keys:
        there = f"postgresql+psycopg://{ADMINISTRATOR}@127.0.0.1:{port}/postgres"
        clone = Clone(clone.root, PGPASSWORD=password, MLFLOW_HTTP_REQUEST_TIMEOUT="60", **keys)
        clone.run(f"set -e\n{move.replace(THERE, there)}")
        clone.run('python -c \'import boto3; boto3.client("s3").create_bucket(Bucket="pets")\'')
        clone.run(f"python - <<'END'\n{files}\nEND")
        serve = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", "{port}"]
        serve[4:4] = ["--backend-store-uri", there, "--artifacts-destination", "s3://pets/mlflow"]
        serving = clone.environment | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        serve = ["env", "-C", str(tmp_path), *serve]
        with started(serve, "health", env=serving) as server:
            look = look.replace("http://127.0.0.1:5000", server.uri)
            printed = clone.run(f"set -e\nrm -r mlartifacts\n{look}")
            assert "@champion" in printed
            client = MlflowClient(server.uri, registry_uri=server.uri)
            assert found(client) == before
            taken = {each.experiment_id for each in client.search_experiments()}
            assert client.create_experiment("the next") not in taken
            assert client.get_experiment_by_name("petseg").artifact_location.endswith("mlartifacts")


def found(client):
    """Run ids with their params and metrics; versions with their tags; aliases."""
    [experiment] = [each for each in client.search_experiments() if each.name == "petseg"]
    runs = client.search_runs([experiment.experiment_id])
    data = {each.info.run_id: (each.data.params, each.data.metrics) for each in runs}
    versions = client.search_model_versions(f"name = '{model_name()}'")
    aliases = client.get_registered_model(model_name()).aliases
    return (
        data,
        {int(each.version): each.tags for each in versions},
        {alias: int(number) for alias, number in aliases.items()},
    )
