"""The wheel: `petseg` predicts and serves outside of any checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from servers import started
from tiny_models import write_traffic_light
from tiny_pets import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def petseg(tmp_path_factory):
    """The command, installed from a wheel; of its dependencies this environment's are taken."""
    folder = tmp_path_factory.mktemp("package")
    pip = [sys.executable, "-m", "pip"]
    source = folder / "source"
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, source], check=True)
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "-w", folder, source], check=True)
    [wheel] = folder.glob("*.whl")
    target = ["--no-deps", "--target", folder / "site", wheel]
    subprocess.run([*pip, "install", "--quiet", *target], check=True)
    return [sys.executable, folder / "site/bin/petseg"], {"PYTHONPATH": str(folder / "site")}


def test_it_predicts_and_serves_a_named_model(petseg, tmp_path, monkeypatch):
    command, environment = petseg
    monkeypatch.chdir(tmp_path)
    model = write_traffic_light(tmp_path / "model.onnx")
    photograph = REPOSITORY / "docs/images/examples.jpg"
    predict = [*command, "predict", photograph, "--model", model]
    subprocess.run(predict, env=os.environ | environment, check=True)
    assert Path("results/examples.overlay.png").is_file()
    (tmp_path / "tools").mkdir()  # somebody's own package, in the folder that it is served from
    (tmp_path / "tools/__init__.py").touch()
    serve = [*command, "serve", "--model", model, "--port"]
    with started(serve, "health", env=os.environ | environment) as server:
        body, kind = photograph.read_bytes(), {"Content-Type": "image/jpeg"}
        answer = requests.post(f"{server.uri}/invocations", body, headers=kind, timeout=60)
        assert answer.headers["Content-Type"] == "image/png"
