"""The champion over HTTP: the server of `make serve`, and the clients of docs/serving.md."""

import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
from mlflow_server import free_port, wait_for
from mlflow_workspace import make_workspace
from PIL import Image
from random_network import random_network
from tiny_pets import REPOSITORY

from pipeline.data.pets import CLASSES
from pipeline.data.transforms import Normalisation
from pipeline.deploy.onnx_graph import export_onnx
from pipeline.deploy.predictor import Predictor
from pipeline.model.checkpoint import ModelConfig
from pipeline.model.segmenter import Segmenter
from pipeline.model.unet import ModelParams
from pipeline.records.registry import MODEL_NAME, register_model
from pipeline.records.tracking import checkpoint_run

pytestmark = pytest.mark.slow

PAGE = (REPOSITORY / "docs/serving.md").read_text()
PORT = "5001"  # on the page; here there may be something else on it
CLIENTS = 10


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server with a U-Net as the champion, and the same model's file."""
    with pytest.MonkeyPatch.context() as patch:
        workspace = make_workspace(tmp_path_factory.mktemp("workspace"), patch)
        model = workspace / "model.onnx"
        register_champion(model)
        port = str(free_port())
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.serve", "--port", port],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            start_new_session=True,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/health")
            yield f"http://127.0.0.1:{port}", model
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def register_champion(model):
    params = ModelParams(features=(4, 8))
    config = ModelConfig(params, CLASSES, 32, Normalisation())
    export_onnx(model, Segmenter(random_network(params, 32), config), {})
    with checkpoint_run("checkpoint", Path("data/pets")) as run:
        number = register_model(run, model, {})
    run.store.client.set_registered_model_alias(MODEL_NAME, "champion", str(number))


def examples(language, url):
    """The page's code, for a server on another port."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return [code.replace(f"http://127.0.0.1:{PORT}", url) for code in found]


def photograph(seed, height=24, width=40):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def ask(url, pixels):
    return requests.post(f"{url}/invocations", json={"inputs": pixels}, timeout=60)


def test_the_curl_example_gets_a_mask(server):
    url, model = server
    [command] = examples("sh", url)
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    mask = Predictor(model, 1)(np.array([[[230, 160, 90], [20, 60, 30]]], np.uint8))
    assert json.loads(answer.stdout) == {"predictions": {"mask": mask.tolist()}}


def test_the_python_example_writes_the_mask_of_an_upright_photograph(server, tmp_path):
    url, model = server
    [code] = examples("python", url)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    Image.fromarray(photograph(0, 600, 500)).save(tmp_path / "pet.jpg", quality=95, exif=rotated)
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)

    sent = Image.open(tmp_path / "pet.jpg").transpose(Image.Transpose.ROTATE_270)
    sent.thumbnail((384, 384))
    expected = Image.fromarray(Predictor(model, 1)(np.array(sent))).resize(
        (600, 500), Image.Resampling.NEAREST
    )
    written = Image.open(tmp_path / "mask.png")
    assert written.size == (600, 500)
    assert np.array_equal(written, expected)


def test_ten_clients_at_once_get_each_the_mask_that_the_predictor_gives(server):
    url, model = server
    photographs = [photograph(seed, 20 + seed, 50 - seed) for seed in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(lambda each: ask(url, each.tolist()), photographs))
    predictor = Predictor(model, 1)
    masks = [predictor(each) for each in photographs]
    assert all(len(np.unique(mask)) > 1 for mask in masks)
    for answer, mask in zip(answers, masks, strict=True):
        assert answer.json()["predictions"]["mask"] == mask.tolist()


@pytest.mark.parametrize(
    "pixels",
    [
        photograph(0)[..., 0].tolist(),  # grey
        np.zeros((4, 4, 4), int).tolist(),  # with transparency
        photograph(0)[None].tolist(),  # a batch
        [],
        [[]],
        [[[1, 2, 3]], [[1, 2]]],  # ragged
        "cat.jpg",
        [[["a", "b", "c"]]],
        [[[1, 2, None]]],
        [[[1, 2, -1]]],
        [[[1, 2, 256]]],
        {"photograph": [[[1, 2, 3]]]},
        None,
    ],
)
def test_what_is_no_photograph_is_refused_as_the_clients_mistake(server, pixels):
    answer = ask(server[0], pixels)
    assert answer.status_code == 400
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("content", "body", "status"),
    [
        ("application/json", "no JSON", 400),
        ("application/json", '{"photograph": [[[1, 2, 3]]]}', 400),
        ("text/csv", "1,2,3", 400),
        ("image/jpeg", b"\xff\xd8\xff", 415),
    ],
)
def test_what_is_no_array_is_refused_as_the_clients_mistake(server, content, body, status):
    url, _ = server
    answer = requests.post(
        f"{url}/invocations", data=body, headers={"Content-Type": content}, timeout=60
    )
    assert answer.status_code == status
    assert answer.text


def test_the_server_goes_on_after_refusing(server):
    url, model = server
    ask(url, None)
    assert ask(url, photograph(1).tolist()).json()["predictions"]["mask"] == (
        Predictor(model, 1)(photograph(1)).tolist()
    )
