"""Two nodes on this machine, each a raylet with one core, run a sweep while one of them dies.

The command is that of docs/scale.md, with the addresses of here; the sweep is the example's.
"""

import re
import subprocess

import pytest
from mlflow import MlflowClient
from processes import kill_all, wait_until
from servers import mlflow_server, s3_server
from tiny_pets import REPOSITORY

pytestmark = pytest.mark.nightly

EPOCHS = 3
BUCKET = "import boto3; boto3.client('s3').create_bucket(Bucket='team')"


@pytest.fixture(scope="module")
def team(clone, tmp_path_factory):
    """The clone, with its data in a bucket, runs on a server, and a folder that nodes share."""
    folder = tmp_path_factory.mktemp("server")
    with s3_server() as keys, mlflow_server(folder) as server:
        clone.environment |= keys | {
            "MLFLOW_TRACKING_URI": server.uri,
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",  # the machine is busy
            "PETSEG_CACHE": str(tmp_path_factory.mktemp("shared")),
        }
        clone.run(f'python -c "{BUCKET}" && dvc remote add --default store s3://team/dvc')
        clone.commit("a remote")
        clone.run("dvc push")
        yield clone


@pytest.fixture(scope="module")
def swept(team):
    """What the sweep prints, whose first node dies once an epoch has been trained."""
    page = (REPOSITORY / "docs/scale.md").read_text()
    (command,) = re.findall("^RAY_ADDRESS=.*", page, re.MULTILINE)
    ray = pytest.importorskip("ray.cluster_utils")
    cluster = ray.Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=1, env_vars=team.environment) for _ in range(2)]
        command = command.replace("10.0.0.1:6379", cluster.address)
        command = command.replace("http://10.0.0.1:5000", team.environment["MLFLOW_TRACKING_URI"])
        with (team.root / "swept.txt").open("w") as output:
            sweep = subprocess.Popen(
                ["bash", "-c", f"{command} SET=train.epochs={EPOCHS}"],
                cwd=team.root,
                env=team.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            wait_until(lambda: any(epochs(team).values()))
            (raylet,) = nodes[0].all_processes["raylet"]
            kill_all(raylet.process.pid)
            assert sweep.wait(1800) == 0, (team.root / "swept.txt").read_text()
        yield (team.root / "swept.txt").read_text()
    finally:
        cluster.shutdown()


def swept_runs(team):
    client = MlflowClient(team.environment["MLFLOW_TRACKING_URI"])
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(experiments)
    return client, [run for run in runs if "dvc.exp_name" in run.data.tags]


def epochs(team):
    """The steps that each run of the sweep has logged."""
    client, runs = swept_runs(team)
    return {
        run.info.run_id: [
            point.step for point in client.get_metric_history(run.info.run_id, "val.miou")
        ]
        for run in runs
    }


def test_six_experiments_have_six_finished_runs_and_no_epoch_was_trained_twice(team, swept):
    _, runs = swept_runs(team)
    assert [run.info.status for run in runs] == ["FINISHED"] * 6
    assert len({run.data.tags["dvc.exp_name"] for run in runs}) == 6
    assert [*epochs(team).values()] == [[*range(1, EPOCHS + 1)]] * 6
    names = {run.data.tags["dvc.exp_name"] for run in runs}
    assert names <= set(team.run("dvc exp list --name-only").split())
    assert all(name in swept for name in names)


def test_the_best_of_them_is_here_with_its_outputs_from_the_bucket(team, swept):
    best = swept.split("dvc exp apply ")[1].split()[0]
    team.run(f"dvc exp apply {best} || dvc pull")
    assert "Data and pipelines are up to date" in team.run("dvc status")
