"""Which file a reference means, in a real store: on this machine, and behind a server."""

import json
from pathlib import Path

import mlflow_workspace
import pytest
from processes import run_python
from servers import mlflow_server
from tiny_models import write_onnx

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.records import database
from pipeline.records.models import find_model
from pipeline.records.store import open_store
from pipeline.records.versions import list_versions, model_name


def register(weight: int, *, offered: bool | None = None, alias: str = "") -> None:
    """A version of two files; without `offered`, of the fp32 one alone."""
    folder = Path(f"made-{weight}")
    folder.mkdir()
    write_onnx(folder / "model.onnx", weight)
    if offered is not None:
        write_onnx(folder / "model.int8.onnx", weight + 100)
    scores = {"export": {"int8": {"offered": offered}}}
    mlflow_workspace.register(folder / "model.onnx", scores, alias)


def exported(offered: bool | None = None) -> None:
    """What an export leaves in the workspace."""
    for folder in ("models", "metrics"):
        Path(folder).mkdir()
    write_onnx(Path("models/model.onnx"), 50)
    if offered is not None:
        write_onnx(Path("models/model.int8.onnx"), 51)
        Path("metrics/export.json").write_text(json.dumps({"int8": {"offered": offered}}))


def test_a_version_is_found_by_number_or_alias_and_by_default_it_is_the_champion(workspace):
    register(1)
    register(2, alias="champion")
    register(3)
    exported()
    long = f"models:/{model_name()}"
    for reference in ("2", "@champion", f"{long}/2", f"{long}@champion", None):
        found = find_model(reference, "fp32")
        assert found.file.read_bytes() == Path("made-2/model.onnx").read_bytes()
        assert found.source == "version 2 @champion"
    assert workspace / "mlartifacts" in found.file.parents, "the file is used where it is"
    assert not (workspace / ".cache/models").exists()
    with pytest.raises(UserError, match=r"version 2 @champion has no INT8 file"):
        find_model("@champion", "int8")


@pytest.mark.parametrize(
    ("offered", "precision", "file"),
    [
        (True, "auto", "model.int8.onnx"),
        (False, "auto", "model.onnx"),
        (None, "auto", "model.onnx"),
        (True, "fp32", "model.onnx"),
        (False, "int8", "model.int8.onnx"),
    ],
)
def test_int8_is_used_where_it_is_offered_or_asked_for(workspace, offered, precision, file):
    register(1, offered=offered)
    assert find_model("1", precision).file.read_bytes() == Path("made-1", file).read_bytes()
    exported(offered)
    assert find_model(None, precision).file == Path("models", file)


def test_a_local_version_a_path_and_no_store_at_all_need_no_mlflow(workspace):
    register(1, offered=True, alias="champion")
    exported(offered=True)
    code = """
import os, sys
from pipeline.records.models import find_model
print(*(find_model("models/model.onnx", each).file for each in ("auto", "fp32", "int8")))
assert find_model("models/model.int8.onnx").source == "models/model.int8.onnx"
assert find_model().source == "version 1 @champion"
os.remove("mlflow.db")
assert find_model().source == "models/model.int8.onnx"
assert not os.path.exists("mlflow.db")
assert "mlflow" not in sys.modules
"""
    done = run_python("-c", code, cwd=workspace)
    assert done.returncode == 0, done.stderr
    fp32, int8 = "models/model.onnx", "models/model.int8.onnx"
    assert done.stdout.split() == [fp32, fp32, int8]


def test_the_stores_tables_agree_with_its_client(workspace, monkeypatch):
    register(1, offered=True, alias="champion")
    register(2, alias="challenger")
    register(3)
    open_store().client.delete_model_version(model_name(), "3")
    assert database.read_versions(open_store().uri, model_name())
    read = list_versions()
    assert [each.number for each in read] == [2, 1]
    monkeypatch.setattr(database, "REVISION", "of another MLflow")
    assert database.read_versions(open_store().uri, model_name()) is None
    assert list_versions() == read


REFUSED = (
    (None, r"no model yet.*models/model\.onnx is missing.*`make`.*@champion"),
    ("no.onnx", r"no\.onnx is missing: export first"),
    ("7", r"has no version 7; registered: 1 @challenger, 2"),
    ("@champion", r"has no version @champion; registered: 1 @challenger, 2"),
    ("models:/another/1", r"'models:/another/1' names no model: accepted is .*3"),
    ("models:/pet-segmentation1", "names no model"),
)


def test_what_cannot_be_found_says_what_can(workspace):
    register(1, alias="challenger")
    register(2)
    for reference, message in REFUSED:
        with pytest.raises(UserError, match=message):
            find_model(reference)


def test_a_changed_or_missing_file_is_refused(workspace):
    register(1)
    stored = find_model("1").file
    stored.write_bytes(b"other")
    with pytest.raises(UserError, match=r"version 1: .* is not the file that was registered"):
        find_model("1")
    stored.unlink()
    with pytest.raises(UserError, match=r"version 1: .* is missing"):
        find_model("1")


def test_remote_files_are_fetched_once_and_verified(workspace, tmp_path_factory, monkeypatch):
    with mlflow_server(tmp_path_factory.mktemp("server")) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        register(1, offered=True, alias="champion")
        cache = workspace / ".cache/models"
        for precision, name in {"fp32": "model.onnx", "auto": "model.int8.onnx"}.items():
            found = find_model(None, precision)
            digest = file_digest(Path("made-1", name))
            assert found.file == cache / digest / name
            assert found.file.read_bytes() == Path("made-1", name).read_bytes()
        fetched = found.file.stat().st_mtime_ns
        assert find_model().file.stat().st_mtime_ns == fetched

        found.file.write_bytes(b"damaged on disk")
        assert find_model().file.read_bytes() == Path("made-1/model.int8.onnx").read_bytes()

        open_store().client.set_model_version_tag(model_name(), "1", "onnx.sha256", digest[::-1])
        with pytest.raises(UserError, match=r"version 1 @champion: .* sha256 differs"):
            find_model("1", "fp32")
        assert not list((cache / digest[::-1]).glob("*"))
