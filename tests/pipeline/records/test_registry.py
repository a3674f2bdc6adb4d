from pathlib import Path

import mlflow
import numpy as np
import pytest
from tiny_models import write_onnx

from pipeline.core.files import file_digest
from pipeline.records import registry
from pipeline.records.registry import MODEL_NAME, find_version, list_versions, register_model
from pipeline.records.run import Run
from pipeline.records.store import open_store
from pipeline.records.tracking import checkpoint_run

SCORES = {"test": {"miou": 0.75, "iou": {"pet": 0.875}}, "export": {"opset": 18}}


def register(file: Path, scores: dict, checkpoint: str = "abc") -> tuple[int, Run]:
    with checkpoint_run(checkpoint, Path("data/pets")) as run:
        return register_model(run, file, scores), run


def test_a_version_holds_the_exported_bytes_and_says_where_they_came_from(workspace: Path) -> None:
    file = write_onnx(workspace / "model.onnx")
    number, run = register(file, SCORES)
    store = open_store()
    [version] = list_versions(store)
    folder = mlflow.artifacts.download_artifacts(
        f"models:/{MODEL_NAME}/{number}", tracking_uri=store.uri, dst_path=str(workspace / "copy")
    )
    assert Path(folder, "model.onnx").read_bytes() == file.read_bytes()
    assert (version.number, version.run_id, version.aliases) == (1, run.run_id, ())
    tags = store.client.get_run(run.run_id).data.tags
    for key in ("checkpoint.sha256", "git.commit", "data.index_md5", "data.name", "restored"):
        assert version.tags[key] == tags[key]
    assert version.tags["onnx.sha256"] == file_digest(file)
    assert version.tags["test.miou"] == "0.75"
    assert version.tags["test.iou.pet"] == "0.875"


def test_a_version_holds_the_int8_file_too_and_says_whether_it_is_offered(workspace: Path) -> None:
    file = write_onnx(workspace / "model.onnx")
    int8 = write_onnx(workspace / "model.int8.onnx", weight=1)
    for offered in (True, False):  # as the newest export says
        measured = {"int8": {"offered": offered, "miou": 0.5}}
        register(file, SCORES | {"export": measured})
        [version] = list_versions(open_store())
        assert version.tags["int8.offered"] == str(offered).lower()
    assert version.tags["int8.sha256"] == file_digest(int8)
    assert version.tags["export.int8.miou"] == "0.5"
    stored = (workspace / "mlartifacts/models").rglob("*.onnx")
    assert sorted((path.name, path.read_bytes()) for path in stored) == [
        (path.name, path.read_bytes()) for path in (int8, file)
    ]


@pytest.mark.parametrize("step", ["finalize_logged_model", "log_batch", "create_model_version"])
def test_a_registration_that_was_broken_off_is_taken_up_where_it_ended(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    file = write_onnx(workspace / "model.onnx")
    register(write_onnx(workspace / "another.onnx", weight=1), SCORES)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    usual = getattr(mlflow.MlflowClient, step)
    monkeypatch.setattr(mlflow.MlflowClient, step, killed)
    with pytest.raises(KeyboardInterrupt):
        register(file, SCORES)
    monkeypatch.setattr(mlflow.MlflowClient, step, usual)
    _, run = register(file, SCORES)
    stored = run.store.client.get_run(run.run_id)
    models = run.store.client.search_logged_models([run.store.experiment_id])
    assert len(models) == len(stored.outputs.model_outputs) == len(list_versions(run.store)) == 2
    history = run.store.client.get_metric_history(run.run_id, "test.miou")
    assert len(history) == 2, "one of each model"


def test_a_file_that_another_machine_registers_meanwhile_is_one_version(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_onnx(workspace / "model.onnx")
    register(file, SCORES)
    # This machine looked before the other was done.
    monkeypatch.setattr(registry, "find_version", lambda store, digest: None)
    assert register(file, SCORES)[0] == 1
    assert [each.number for each in list_versions(open_store())] == [1]


def test_an_external_data_stub_is_never_registered_in_place_of_the_model(workspace: Path) -> None:
    file = write_onnx(workspace / "model.onnx")
    register(file, SCORES)
    stored = [path for path in (workspace / "mlartifacts/models").rglob("*onnx*") if path.is_file()]
    assert [path.read_bytes() for path in stored] == [file.read_bytes()]


def test_a_served_version_takes_a_photograph_of_any_size(workspace: Path) -> None:
    number, _ = register(write_onnx(workspace / "model.onnx"), SCORES)
    store = open_store()
    folder = mlflow.artifacts.download_artifacts(
        f"models:/{MODEL_NAME}/{number}", tracking_uri=store.uri, dst_path=str(workspace / "copy")
    )
    model = mlflow.pyfunc.load_model(folder)
    signature = model.metadata.signature
    [image], [mask] = signature.inputs.inputs, signature.outputs.inputs
    assert (image.type, image.shape) == (np.uint8, (-1, -1, 3))
    assert (mask.type, mask.shape) == (np.uint8, (-1, -1))
    photograph = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    np.testing.assert_array_equal(model.predict(photograph)["mask"], photograph.max(axis=2))
    assert model.input_example.shape[2] == 3


def test_the_same_bytes_are_one_version_with_the_newest_scores(workspace: Path) -> None:
    first, _ = register(write_onnx(workspace / "model.onnx"), SCORES)
    second, run = register(
        write_onnx(workspace / "again.onnx"), {"test": {"miou": 0.5}}, checkpoint="def"
    )
    [version] = list_versions(open_store())
    assert first == second == version.number
    assert (version.tags["test.miou"], version.run_id) == ("0.5", run.run_id)


def test_other_bytes_are_another_version_the_newest_first(workspace: Path) -> None:
    files = [write_onnx(workspace / f"{weight}.onnx", weight) for weight in (1, 2)]
    numbers = [register(file, SCORES)[0] for file in files]
    store = open_store()
    assert numbers == [1, 2]
    assert [each.number for each in list_versions(store)] == [2, 1]
    assert find_version(store, file_digest(files[0])).number == 1
    assert find_version(store, "0" * 64) is None


def test_an_empty_registry_has_no_versions(workspace: Path) -> None:
    assert list_versions(open_store()) == []


@pytest.mark.parametrize("alias", ["champion", "challenger"])
def test_registering_moves_no_alias(workspace: Path, alias: str) -> None:
    register(write_onnx(workspace / "1.onnx", 1), SCORES)
    store = open_store()
    store.client.set_registered_model_alias(MODEL_NAME, alias, "1")
    register(write_onnx(workspace / "2.onnx", 2), SCORES)
    assert [each.aliases for each in list_versions(store)] == [(), (alias,)]


def test_a_temporary_copy_of_the_workspace_registers_in_the_root_store(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = workspace / "copy"
    copy.mkdir()
    monkeypatch.chdir(copy)
    register(write_onnx(Path("model.onnx")), SCORES)
    assert [each.number for each in list_versions(open_store())] == [1]
    assert [path.name for path in copy.iterdir()] == ["model.onnx"]


def test_the_test_scores_are_shown_with_the_model_and_its_data_set(workspace: Path) -> None:
    _, run = register(write_onnx(workspace / "model.onnx"), SCORES)
    store = open_store()
    stored = store.client.get_run(run.run_id)
    [data] = stored.inputs.dataset_inputs
    [output] = stored.outputs.model_outputs
    metrics = store.client.get_logged_model(output.model_id).metrics
    assert {each.key: each.value for each in metrics} == {"test.miou": 0.75, "test.iou.pet": 0.875}
    assert {(each.dataset_name, each.dataset_digest) for each in metrics} == {
        (data.dataset.name, data.dataset.digest)
    }
