"""The page that `make web` writes; tests/end_to_end/test_web.py opens it in a browser."""

import json
import re
from pathlib import Path

import pytest
from file_server import Reply
from mlflow_workspace import register
from processes import call
from tars import tar_of
from tiny_models import write_traffic_light

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from tools import web

RUNTIME = {web.RUNTIME: b"\0asm", web.SCRIPT: b"export const env = {};"}


@pytest.fixture
def npm(workspace, server, monkeypatch):
    """A registry that has a small package with the runtime's files."""
    files = {f"package/dist/{name}": content for name, content in RUNTIME.items()}
    server.files["/ort-1.tgz"] = packed = tar_of(files, "gz")
    monkeypatch.setattr(web, "PACKAGE", f"{server.url}/ort-1.tgz")
    file = workspace / "right.tgz"
    file.write_bytes(packed)
    monkeypatch.setattr(web, "INTEGRITY", web.integrity(file))
    return server


def write(*arguments):
    call(web, *arguments)
    return Path("web")


def test_npms_own_digest_of_known_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # printf abc | openssl dgst -sha512 -binary | base64
    assert web.integrity(tmp_path / "abc") == (
        "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw=="
    )


def test_the_runtime_is_fetched_once_and_never_with_other_bytes(npm):
    npm.replies = [Reply(damage=20)]
    with pytest.raises(UserError, match="wrong bytes: expected sha512-"):
        web.fetch_package()
    assert [*Path(".cache/web").iterdir()] == []
    file = web.fetch_package()
    asked = len(npm.requests)
    assert web.fetch_package() == file
    assert len(npm.requests) == asked
    file.write_bytes(b"damaged since")
    assert web.integrity(web.fetch_package()) == web.INTEGRITY


def test_without_the_registry_an_error_says_where_the_file_belongs(npm):
    npm.replies = [Reply(status=404)]
    with pytest.raises(UserError, match=r"404.*put the file there by hand: .*ort-1\.tgz"):
        web.fetch_package()


def test_the_page_has_the_model_its_facts_and_all_that_they_need(npm):
    model = write_traffic_light(Path("models/model.onnx"))
    scores = {"test": {"images": 37, "miou": 0.8904, "iou": {"pet": 0.9321}}}
    register(model, scores, alias="champion")
    site = write()
    names = {file.name for file in web.SOURCES.iterdir()}
    own = {web.MODEL, web.FACTS, web.RUNTIME, web.SCRIPT, *web.LICENCES.values()}
    assert {file.name for file in site.iterdir()} == names | own
    assert (site / web.MODEL).read_bytes() == model.read_bytes()
    assert "Microsoft" in (site / "onnxruntime-LICENSE.txt").read_text()
    facts = json.loads((site / web.FACTS).read_text())
    assert facts["classes"][0] == {"name": "pet", "colour": [230, 159, 0], "role": "foreground"}
    known = {"model": "pet-segmentation", "version": "1", "digest": file_digest(model)[:12]}
    known |= {"tested on": "37 photographs", "mean IoU": "0.890", "IoU of pet": "0.932"}
    assert facts["facts"].items() >= known.items()
    assert facts["downloads"][web.MODEL]["sha256"] == file_digest(model)
    assert facts["downloads"][web.RUNTIME] == {
        "bytes": 4,
        "sha256": file_digest(site / web.RUNTIME),
    }


def test_another_model_makes_another_worker_and_no_foreign_folder_is_replaced(npm):
    write_traffic_light(Path("models/model.onnx"))
    first = (write() / web.WORKER).read_text()
    assert (write() / web.WORKER).read_text() == first
    Path("other.onnx").write_bytes(Path("models/model.onnx").read_bytes() + b"\x72\x00")
    assert (write("--model", "other.onnx") / web.WORKER).read_text() != first
    [shell] = re.findall(r"^const SHELL = (.*);$", first, re.MULTILINE)
    loaded_later = {web.MODEL, web.RUNTIME, *web.LICENCES.values(), web.WORKER}
    files = {file.name for file in Path("web").iterdir()}
    assert set(json.loads(shell)) == files - loaded_later | {"./"}
    for other in ("models", "other.onnx"):
        with pytest.raises(UserError, match=f"{other} is not a page of ours"):
            write("--out", other)


def test_the_sources_name_no_other_origin():
    policy = re.search(
        'Content-Security-Policy" content="([^"]*)"', (web.SOURCES / "index.html").read_text()
    )
    sources = {source for rule in policy[1].split("; ") for source in rule.split()[1:]}
    assert sources == {"'none'", "'self'", "'wasm-unsafe-eval'"}
    for file in web.SOURCES.iterdir():
        assert not re.search(r"//[a-z]", file.read_text().replace("//www.w3.org/2000/svg", "")), (
            file
        )
