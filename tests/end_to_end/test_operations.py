"""What docs/operations.md says to run: a log of a real server, the monitor, a trace, Prometheus."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests
import yaml
from mlflow_workspace import make_workspace, register
from monitored import make_reference, pictures
from pictures import encoded
from processes import run_python, wait_until
from servers import started
from tiny_models import write_sure_model
from tiny_pets import REPOSITORY, write_params

from pipeline.core.files import file_digest
from pipeline.monitoring.log import read_log
from pipeline.monitoring.reference import save_reference
from pipeline.records.versions import list_versions, reference_beside
from tools.serving.metrics import Metrics

PAGE = (REPOSITORY / "docs/operations.md").read_text()
PORT = "127.0.0.1:5001"  # on the page; here there may be something else on it
SENT = 30
PROMETHEUS = shutil.which("prometheus")  # Debian's package
PROMTOOL = shutil.which("promtool")


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def run(command: str, status: int = 0) -> str:
    done = run_python("-m", *command.split(), cwd=Path.cwd())
    assert (done.returncode, "error" in done.stderr) == (status, False), done.stderr
    return done.stdout


def test_the_rules_ask_for_numbers_that_the_server_has(tmp_path):
    config, rules = examples("yaml")
    (tmp_path / "prometheus.yml").write_text(config)
    (tmp_path / yaml.safe_load(config)["rule_files"][0]).write_text(rules)
    exposed = Metrics().exposed().decode()
    known = {"up", *re.findall(r"^# TYPE (\w+)", exposed, re.MULTILINE)}
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "sum", "count")}
    for rule in yaml.safe_load(rules)["groups"][0]["rules"]:
        assert set(re.findall(r"\b(?:petseg_\w+|up)\b", rule["expr"])) <= known, rule["alert"]
    if PROMTOOL:  # else .ci/nightly, which installs it
        subprocess.run([PROMTOOL, "check", "config", "prometheus.yml"], cwd=tmp_path, check=True)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server that has logged and answered SENT pictures: its address, and an answer's file."""
    with pytest.MonkeyPatch.context() as patch:
        workspace = make_workspace(tmp_path_factory.mktemp("workspace"), patch)
        limits = {"window": SENT, "windows": 1, "broken": 1}
        write_params(workspace, monitor=limits)
        model = workspace / "models/model.onnx"
        write_sure_model(model)
        save_reference(reference_beside(model), make_reference(pictures(60)))
        register(model, alias="champion")
        command = [sys.executable, "-m", "tools.serve", "--log", "log", "--port"]
        with started(command, "health") as server:
            random = np.random.default_rng(0)
            for _ in range(SENT):
                picture = encoded(random.integers(0, 256, (24, 40, 3), np.uint8))
                headers = {"Content-Type": "image/png"}
                place = f"{server.uri}/invocations"
                answer = requests.post(place, data=picture, headers=headers, timeout=60)
                assert answer.ok, answer.text
            Path("mask.png").write_bytes(answer.content)
            yield server.uri


@pytest.mark.slow
def test_the_log_is_read_and_compared_and_an_answer_traced(served):
    [code] = examples("python")
    # The last rows are written after their answers.
    wait_until(lambda: len(read_log(Path("log"))) >= SENT, seconds=60)
    done = run_python("-c", code, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    told = run("tools.monitor log", status=1)  # noise is unlike the reference's pictures
    assert told.startswith("drift: version 1 @champion")
    assert Path("reports/monitor.html").is_file()
    [version] = list_versions()
    assert version.tags["monitor.verdict"] == "drift"

    told = run("tools.models trace mask.png")
    assert re.search(r"^version +1 @champion$", told, re.MULTILINE)
    assert f"MLflow run  {version.run_id}" in told
    assert version.tags["onnx.sha256"] == file_digest(Path("models/model.onnx"))


@pytest.mark.slow
@pytest.mark.skipif(not PROMETHEUS, reason="needs Debian's prometheus, as .ci/nightly installs it")
def test_prometheus_scrapes_the_server(served, tmp_path):
    config, rules = examples("yaml")
    often = "1s\n  evaluation_interval: 1s"
    settings = config.replace(PORT, served.removeprefix("http://")).replace("15s", often)
    (tmp_path / "prometheus.yml").write_text(settings)
    (tmp_path / "petseg.rules.yml").write_text(rules)
    command = [PROMETHEUS, "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    command += ["--web.listen-address", "127.0.0.1:{port}"]
    with started(command, "-/ready", cwd=tmp_path) as prometheus:
        query = {"query": 'petseg_requests_total{path="/invocations", status="200"}'}

        def found() -> list:
            answer = requests.get(f"{prometheus.uri}/api/v1/query", params=query, timeout=10)
            return answer.json()["data"]["result"]

        wait_until(found, seconds=60)
        assert [float(each["value"][1]) for each in found()] == [SENT]

        def health() -> set[str]:
            told = requests.get(f"{prometheus.uri}/api/v1/rules", timeout=10).json()
            return {rule["health"] for each in told["data"]["groups"] for rule in each["rules"]}

        wait_until(lambda: "unknown" not in health(), seconds=60)
        assert health() == {"ok"}
