"""The champion over HTTP: the server of `make serve`, and the clients of docs/serving.md."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import numpy as np
import psutil
import pytest
import requests
from mlflow_workspace import make_workspace, register
from pictures import decoded, encoded
from PIL import Image
from processes import wait_until
from servers import started
from tiny_models import write_threshold_model
from tiny_pets import REPOSITORY

from pipeline.core.files import file_digest
from pipeline.deploy.predictor import Predictor
from pipeline.monitoring.log import read_log
from pipeline.records.models import find_model
from pipeline.records.store import open_store
from pipeline.records.versions import model_name

pytestmark = pytest.mark.slow

PAGE = (REPOSITORY / "docs/serving.md").read_text()
PORT = "5001"  # on the page; here there may be something else on it


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server with a champion, the same model's file, the process."""
    with pytest.MonkeyPatch.context() as patch:
        workspace = make_workspace(tmp_path_factory.mktemp("workspace"), patch)
        model = workspace / "model.onnx"
        register(write_threshold_model(model, 200), alias="champion")
        with serving([sys.executable, "-m", "tools.serve"]) as running:
            yield running.uri, model, running.process


def serving(command):
    environment = {
        "PYTHONPATH": str(REPOSITORY),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{Path('mlflow.db').absolute()}",
    }
    shown = {"stdout": None, "stderr": None, "env": os.environ | environment}
    return started([*command, "--port"], "health", **shown)


def examples(language, url):
    """The page's code, for a server on another port."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return [code.replace(f"http://127.0.0.1:{PORT}", url) for code in found]


def photograph(seed, height=24, width=40):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def send(url, pixels):
    headers = {"Content-Type": "image/png"}
    return requests.post(f"{url}/invocations", data=encoded(pixels), headers=headers, timeout=60)


def test_the_curl_examples_get_a_mask(server, tmp_path):
    url, model, _ = server
    Image.fromarray(photograph(0)).save(tmp_path / "pet.jpg")
    expected = Predictor(model, 1)(np.array(Image.open(tmp_path / "pet.jpg")))
    whole_file, form, _ = examples("sh", url)
    for picture in (whole_file, form):
        subprocess.run(["bash", "-c", picture], cwd=tmp_path, check=True)
        assert np.array_equal(Image.open(tmp_path / "mask.png"), expected)
        (tmp_path / "mask.png").unlink()


def test_the_python_example_says_how_much_of_an_upright_photograph_is_pet(server, tmp_path):
    url, model, _ = server
    [code] = examples("python", url)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    Image.fromarray(photograph(0, 600, 500)).save(tmp_path / "pet.jpg", quality=95, exif=rotated)
    code += "assert mask.shape == (500, 600)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )

    upright = Image.open(tmp_path / "pet.jpg").transpose(Image.Transpose.ROTATE_270)
    share = np.mean(Predictor(model, 1)(np.array(upright)) == 0)
    assert 0 < share < 1
    assert done.stdout == f"{share:.1%} of it is pet\n"


def test_a_huge_body_is_refused_without_memory_and_the_next_request_is_answered(server):
    url, _, process = server
    before = largest_memory(process)
    pieces = (b"[[[1,2,3]]]," * 100_000 for _ in range(200))
    headers = {"Content-Type": "image/png"}
    answer = requests.post(f"{url}/invocations", data=pieces, headers=headers, timeout=60)
    assert answer.status_code == 413
    assert "240.0 MB, accepted are 20 MB" in answer.json()["message"]
    assert largest_memory(process) - before < 100_000_000
    assert send(url, photograph(1)).ok


def test_a_server_that_is_told_to_end_answers_what_it_has_in_hand(server):
    command = [sys.executable, "-m", "tools.serve", "--model", str(server[1]), "--workers", "2"]
    pixels = np.zeros((4_000, 4_000), np.uint8)  # on a busy machine, too, below the server's 8 s
    with serving(command) as ending, ThreadPoolExecutor() as clients:
        processes = psutil.Process(ending.process.pid).children
        idle = len(processes(recursive=True))
        answer = clients.submit(send, ending.uri, pixels)
        # The first image starts the decoder.
        wait_until(lambda: len(processes(recursive=True)) > idle, seconds=60)
        ending.process.terminate()
        assert decoded(answer.result().content).shape == pixels.shape
        assert ending.process.wait(60) == 0


def test_any_of_several_workers_tells_the_numbers_of_all(server):
    command = [sys.executable, "-m", "tools.serve", "--model", str(server[1]), "--workers", "2"]
    with serving(command) as several, ThreadPoolExecutor(4) as clients:
        until(several.uri, "metrics", 'version=""} 2.0')  # both answer
        assert all(clients.map(lambda seed: send(several.uri, photograph(seed)).ok, range(12)))
        answered = 'petseg_requests_total{path="/invocations",status="200"} 12.0'
        until(several.uri, "metrics", answered)
        until(several.uri, "metrics", "petseg_requests_in_hand 0.0")


def test_no_request_fails_while_versions_are_promoted_demoted_and_refused(workspace):
    for number in (1, 2, 3):
        register(write_threshold_model(Path(f"{number}.onnx"), 60 * number))
    find_model("3").file.write_bytes(b"no model")
    set_alias("champion", 1)
    set_alias("challenger", 2)
    pictures = [photograph(seed) for seed in range(4)]
    models = {number: Predictor(Path(f"{number}.onnx"), 1) for number in (1, 2)}
    masks = {number: [*map(model, pictures)] for number, model in models.items()}
    assert not np.array_equal(masks[1], masks[2])
    command = [sys.executable, "-m", "tools.serve", "--log", "seen", "--shadow", "@challenger"]
    with serving(command) as running:
        with asking(running.uri, pictures, masks) as answers:
            for number in (2, 1):
                set_alias("champion", number)
                until(running.uri, "health", f'"version":{number}')
            set_alias("champion", 3)
            until(running.uri, "metrics", 'petseg_model_refused{role="answers"} 1.0')
        told = requests.get(f"{running.uri}/metrics", timeout=10).text
        running.process.terminate()
        assert running.process.wait(60) == 0
    digests = {file_digest(Path(f"{number}.onnx"))[:12] for number in (1, 2)}
    assert set(answers) == {(200, digest) for digest in digests}
    # A busy machine may drop rows, but counts them.
    [dropped] = re.findall(r"^petseg_log_dropped_total (\d+)", told, re.MULTILINE)
    check_log(read_log(Path("seen")), answers, int(dropped))


@contextmanager
def asking(url, pictures, masks):
    """Have four clients ask, each the same all the time; yields their answers' status and digest.

    Each mask must be that of the version that the answer names.
    """
    answers, done = [], Event()

    def ask(place):
        while not done.is_set():
            answer = send(url, pictures[place])
            answers.append((answer.status_code, answer.headers["X-Model-Digest"]))
            number = int(answer.headers["X-Model-Version"])
            assert np.array_equal(decoded(answer.content), masks[number][place])

    with ThreadPoolExecutor(4) as clients:
        running = [clients.submit(ask, place) for place in range(4)]
        try:
            yield answers
        finally:
            done.set()
        for each in running:
            each.result()


def check_log(rows, answers, dropped):
    """It has a row for each answer that was not dropped, and knows where the other model agrees."""
    assert len(rows) + dropped == len(answers) > 100
    given = Counter(digest for _, digest in answers)
    assert (given - Counter(rows["digest"])).total() == dropped
    compared = rows[rows["shadow.agreement"].notna()]
    assert len(compared)
    assert not (compared["shadow.digest"] == compared["digest"]).any()


def set_alias(alias, number):
    open_store().client.set_registered_model_alias(model_name(), alias, str(number))


def until(url, path, text):
    """Wait until the server says so."""
    wait_until(lambda: text in requests.get(f"{url}/{path}", timeout=60).text, seconds=60)


def test_mlflows_own_server_takes_the_same_pixels_as_json(server):
    url, _, _ = server
    [command] = re.findall(r"`(mlflow models serve.*?)`", PAGE, re.DOTALL)
    pixels = np.array([[[230, 160, 90], [20, 60, 30]]], np.uint8)
    with serving(command.split()) as mlflows:
        array = examples("sh", url)[-1].replace("http://127.0.0.1:5003", mlflows.uri)
        answer = subprocess.run(["bash", "-c", array], capture_output=True, text=True, check=True)
    mask = json.loads(answer.stdout)["predictions"]["mask"]
    assert mask == decoded(send(url, pixels).content).tolist()


def largest_memory(process):
    """Bytes: the most that the process has ever had."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
