"""What the Containerfile and compose.yaml say, and the image, where a tool can build it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import psutil
import pytest
import requests
import yaml
from pictures import decoded, encoded
from servers import free_port, started
from tiny_models import COLOURS, MASK, write_traffic_light
from tiny_pets import REPOSITORY

CONTAINERFILE = (REPOSITORY / "Containerfile").read_text()
IN_ONE_LINE = CONTAINERFILE.replace("\\\n", " ")
COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
PICTURE = encoded(COLOURS[MASK])
HEADERS = {"Content-Type": "image/png"}


def stages():
    """The lines of each image, by its name."""
    parts = re.split(r"^FROM \S+ AS (\S+)\n", IN_ONE_LINE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def words(stage, instruction):
    [line] = re.findall(rf"^{instruction} (.+)$", stages()[stage], re.MULTILINE)
    return json.loads(line) if line.startswith("[") else shlex.split(line)


def label(url, picture=PICTURE):
    return requests.post(f"{url}/invocations", picture, headers=HEADERS, timeout=60)


def metrics(url):
    return requests.get(f"{url}/metrics", timeout=60).text


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The server, with the packages and the files of its image alone."""
    image = tmp_path_factory.mktemp("image")
    packages, python = image / "packages", image / "venv/bin/python3"
    install = words("serve-packages", "RUN")
    places = {"python3": sys.executable, "/packages": str(packages)}
    places |= {f"/{lock.name}": str(lock) for lock in REPOSITORY.glob("*.lock")}
    subprocess.run([places.get(word, word) for word in install], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", image / "venv"], check=True)
    for folder in ("pipeline", "tools"):
        assert f"COPY {folder} /petseg/{folder}\n" in stages()["server"]
        shutil.copytree(REPOSITORY / folder, image / folder)
    model = write_traffic_light(image / "model.onnx")
    command = [str(python), *words("server", "ENTRYPOINT")[1:]]
    arguments = [*words("server", "CMD")[:-1], str(model), "--port"]
    environment = {"PATH": os.defpath, "HOME": str(image), "PYTHONPATH": f"{image}:{packages}"}
    how = {"env": environment, "cwd": image}
    with started([*command, *arguments], "health", **how) as running:
        yield running, packages


@pytest.mark.slow
def test_the_server_needs_no_other_packages_than_its_image_has(server):
    running, packages = server
    installed = {path.name.lower() for path in packages.iterdir()}
    assert {"onnxruntime", "pillow_heif"} <= installed
    assert not installed & {"torch", "mlflow", "dvc", "pandas", "matplotlib", "streamlit"}
    assert np.array_equal(decoded(label(running.uri).content), MASK)
    form = {"image": ("pet.png", PICTURE)}
    page = requests.post(running.uri, files=form, timeout=60)
    assert page.ok
    assert page.text.count("data:image/jpeg") == 1  # this model tells no confidence
    for path in ("/ping", "/version", "/metrics", "/openapi.json", "/v2/health/ready"):
        assert requests.get(f"{running.uri}{path}", timeout=60).ok


@pytest.mark.slow
def test_the_servers_health_check_is_of_its_port(server):
    check = words("server", r"HEALTHCHECK [^\n]+? CMD")
    [code] = check[2:]
    assert "127.0.0.1:5001/health" in code
    assert words("server", "EXPOSE") == ["5001"]
    here = code.replace("http://127.0.0.1:5001", server[0].uri)
    subprocess.run([sys.executable, "-c", here], check=True)
    gone = code.replace(":5001", f":{free_port()}")
    assert subprocess.run([sys.executable, "-c", gone], check=False, stderr=-3).returncode == 1


def test_no_image_runs_as_root():
    for image in ("server", "tracking"):
        user, group = map(int, words(image, "USER")[0].split(":"))
        assert user > 1000
        assert group > 1000


def test_each_image_has_what_its_group_of_packages_names():
    groups = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["dependency-groups"]
    for group in groups:
        assert f"/requirements-{group}.lock" in words(f"{group}-packages", "RUN")
        copied = f"COPY requirements-{group}.lock /\n"
        assert copied in CONTAINERFILE
        ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
        assert f"!requirements-{group}.lock" in ignored


def test_compose_keeps_its_keys_elsewhere_and_listens_on_this_machine_alone():
    text = (REPOSITORY / "compose.yaml").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    assert len(needed) == 3
    assert text.count("${") == len(re.findall(r"\$\{\w+:\?", text))  # none has a default
    example = (REPOSITORY / ".env.example").read_text()
    assert {line for line in example.splitlines() if line[0] != "#"} == {
        f"{key}=" for key in needed
    }
    subprocess.run(["git", "check-ignore", "--quiet", ".env"], cwd=REPOSITORY, check=True)
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        if "build" in service:
            assert service["build"]["target"] in stages()
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]


def test_the_bucket_of_the_tracking_server_is_the_one_that_is_made():
    [code] = COMPOSE["services"]["bucket"]["command"]
    compile(code, "bucket", "exec")
    made = set(re.findall(r'Bucket="(\w+)"', code))
    assert made == {"pets"}
    assert "--artifacts-destination=s3://pets/mlflow" in COMPOSE["services"]["tracking"]["command"]


def container_tool():
    """The tool of `make image`, if it can run the image that all others begin with (BASE)."""
    tool = shutil.which("podman") or shutil.which("docker")
    [usual] = re.findall(r"^ARG BASE=(.+)$", CONTAINERFILE, re.MULTILINE)
    base = os.environ.get("BASE", usual)
    runs = tool and not subprocess.run([tool, "run", "--rm", base, "true"], check=False).returncode
    return tool if runs else pytest.skip(f"neither podman nor docker runs {base} here")


@pytest.mark.nightly
def test_a_container_without_rights_answers_what_it_has_in_hand_and_ends(tmp_path):
    tool = container_tool()
    (tmp_path / "models").mkdir()
    write_traffic_light(tmp_path / "models/model.onnx")
    subprocess.run(["make", "image"], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    command = ["make", "--file", str(REPOSITORY / "Makefile"), "container", "PORT={port}"]
    with started(command, "health", cwd=tmp_path) as running:
        [client] = psutil.Process(running.process.pid).children()
        try:
            assert np.array_equal(decoded(label(running.uri).content), MASK)
            newest = [tool, "ps", "--latest", "--quiet"]
            name = subprocess.run(newest, check=True, capture_output=True, text=True).stdout.strip()
            written = [tool, "exec", name, "sh", "-c", "id -u; touch /petseg/new"]
            done = subprocess.run(written, check=False, capture_output=True, text=True)
            assert done.stdout == "65532\n"
            assert "Read-only file system" in done.stderr
            with ThreadPoolExecutor() as clients:
                large = encoded(np.zeros((2000, 2000), np.uint8))
                answer = clients.submit(label, running.uri, large)
                in_hand = "petseg_requests_in_hand 1.0"
                while not answer.done() and in_hand not in metrics(running.uri):
                    time.sleep(0.01)
                client.terminate()
                assert answer.result().ok
            assert running.process.wait(60) == 0
        finally:
            with suppress(psutil.NoSuchProcess):
                client.terminate()
