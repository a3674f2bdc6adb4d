from pathlib import Path

import mlflow
import numpy as np
import pytest
from tiny_models import write_onnx

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.records import registry
from pipeline.records.database import local_path
from pipeline.records.registry import Decision, contestants, promote, register_model, settle
from pipeline.records.runs import Run, checkpoint_run
from pipeline.records.store import open_store
from pipeline.records.versions import MODEL_NAME, find_version, list_versions

SCORES = {"test": {"miou": 0.75, "iou": {"pet": 0.875}}, "export": {"opset": 18}}


def register(file: Path, scores: dict, checkpoint: str = "abc") -> tuple[int, Run]:
    with checkpoint_run(checkpoint, Path("data/pets")) as run:
        return register_model(run, file, scores), run


@pytest.fixture
def served(workspace):
    """The file, the run, and the folder that a client downloads of its version."""
    file = write_onnx(workspace / "model.onnx")
    number, run = register(file, SCORES)
    place = {"tracking_uri": run.store.uri, "dst_path": str(workspace / "copy")}
    uri = f"models:/{MODEL_NAME}/{number}"
    return file, run, Path(mlflow.artifacts.download_artifacts(uri, **place))


def test_a_version_holds_the_exported_bytes_and_says_where_they_came_from(workspace, served):
    file, run, folder = served
    [version] = list_versions()
    assert Path(folder, "model.onnx").read_bytes() == file.read_bytes()
    stored = [path for path in (workspace / "mlartifacts/models").rglob("*onnx*") if path.is_file()]
    assert [path.name for path in stored] == ["model.onnx"], "no external data"
    assert (version.number, version.run_id, version.aliases) == (1, run.run_id, ())
    stored = run.store.client.get_run(run.run_id)
    for key in ("checkpoint.sha256", "git.commit", "data.index_md5", "data.name", "restored"):
        assert version.tags[key] == stored.data.tags[key]
    assert version.tags["onnx.sha256"] == file_digest(file)
    assert (version.tags["test.miou"], version.tags["test.iou.pet"]) == ("0.75", "0.875")
    [data] = stored.inputs.dataset_inputs
    [output] = stored.outputs.model_outputs
    metrics = run.store.client.get_logged_model(output.model_id).metrics
    assert {each.key: each.value for each in metrics} == {"test.miou": 0.75, "test.iou.pet": 0.875}
    assert {(each.dataset_name, each.dataset_digest) for each in metrics} == {
        (data.dataset.name, data.dataset.digest)
    }


def test_a_served_version_takes_a_photograph_of_any_size(served):
    model = mlflow.pyfunc.load_model(str(served[-1]))
    signature = model.metadata.signature
    [image], [mask] = signature.inputs.inputs, signature.outputs.inputs
    assert (image.type, image.shape) == (np.uint8, (-1, -1, 3))
    assert (mask.type, mask.shape) == (np.uint8, (-1, -1))
    photograph = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    np.testing.assert_array_equal(model.predict(photograph)["mask"], photograph.max(axis=2))
    assert model.input_example.shape[2] == 3


def test_an_int8_file_joins_its_version_which_says_whether_it_is_offered(workspace):
    file = write_onnx(workspace / "model.onnx")
    register(file, SCORES)
    int8 = write_onnx(workspace / "model.int8.onnx", weight=1)
    for offered in (True, False):  # as the newest export says
        measured = {"int8": {"offered": offered, "miou": 0.5}}
        assert register(file, SCORES | {"export": measured})[0] == 1
        [version] = list_versions()
        assert version.tags["int8.offered"] == str(offered).lower()
    assert version.tags["int8.sha256"] == file_digest(int8)
    assert version.tags["export.int8.miou"] == "0.5"
    stored = Path(local_path(version.place)).glob("*.onnx")
    assert sorted((path.name, path.read_bytes()) for path in stored) == [
        (path.name, path.read_bytes()) for path in (int8, file)
    ]


@pytest.mark.parametrize("step", ["finalize_logged_model", "log_batch", "create_model_version"])
def test_a_registration_that_was_broken_off_is_taken_up_where_it_ended(
    workspace, monkeypatch, step
):
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
    assert len(models) == len(stored.outputs.model_outputs) == len(list_versions()) == 2
    history = run.store.client.get_metric_history(run.run_id, "test.miou")
    assert len(history) == 2, "one of each model"


def test_a_file_that_another_machine_registers_meanwhile_is_one_version(workspace, monkeypatch):
    file = write_onnx(workspace / "model.onnx")
    register(file, SCORES)
    # This machine looked before the other was done.
    monkeypatch.setattr(registry, "find_version", lambda store, digest: None)
    assert register(file, SCORES)[0] == 1
    assert [each.number for each in list_versions()] == [1]


def test_the_same_bytes_are_one_version_with_the_newest_scores(workspace):
    first, _ = register(write_onnx(workspace / "model.onnx"), SCORES)
    second, run = register(
        write_onnx(workspace / "again.onnx"), {"test": {"miou": 0.5}}, checkpoint="def"
    )
    [version] = list_versions()
    assert first == second == version.number
    assert (version.tags["test.miou"], version.run_id) == ("0.5", run.run_id)
    another, _ = register(write_onnx(workspace / "another.onnx", weight=2), SCORES)
    assert [each.number for each in list_versions(run.store.uri)] == [another, first]
    assert find_version(run.store.uri, file_digest(workspace / "model.onnx")).number == first
    assert find_version(run.store.uri, "0" * 64) is None


def register_number(number: int) -> None:
    """A model unlike the others, with a run of its own."""
    with checkpoint_run(f"checkpoint {number}", Path("data/pets")) as run:
        register_model(run, write_onnx(Path(f"{number}.onnx"), number), {"test": {"miou": 0.5}})


def gate_tags(number: int) -> dict[str, str]:
    [found] = [each for each in list_versions() if each.number == number]
    return {key: value for key, value in found.tags.items() if key.startswith("gate.")}


def aliases() -> dict[int, tuple[str, ...]]:
    return {each.number: each.aliases for each in list_versions()}


def test_contestants_are_the_newest_version_and_the_champion(workspace):
    store = open_store()
    assert list_versions() == []
    with pytest.raises(UserError, match=r"no version of pet-segmentation.*dvc repro"):
        contestants(store)
    register_number(1)
    assert contestants(store)[1] is None
    register_number(2)
    promote(store, 1)
    newest, champion = contestants(store)
    assert (newest.number, champion.number) == (2, 1)
    named, champion = contestants(store, 1)
    assert (named.number, champion.number) == (1, 1)
    with pytest.raises(UserError, match=r"no version 3; registered: 1 @champion, 2$"):
        contestants(store, 3)


def test_a_decision_moves_the_aliases_and_is_written_on_the_version_with_its_numbers(workspace):
    store = open_store()
    register_number(1)
    settle(store, Decision(1, True, "the first"), None)
    assert aliases() == {1: ("challenger", "champion")}
    assert gate_tags(1) == {
        "gate.decision": "champion",
        "gate.reason": "the first",
        "gate.against": "none",
    }
    register_number(2)
    _, champion = contestants(store)
    numbers = {"images": 111, "gain": -0.12345, "drop.pet": -0.00001}
    settle(store, Decision(2, False, "worse", numbers), champion)
    assert aliases() == {1: ("champion",), 2: ("challenger",)}
    assert gate_tags(2) == {
        "gate.decision": "refused",
        "gate.reason": "worse",
        "gate.against": "1",
        "gate.images": "111",
        "gate.gain": "-0.1235",
        "gate.drop.pet": "0.0000",
    }
    settle(store, Decision(2, True, "better after all", {"gain": 0.5}), champion)
    assert aliases() == {1: (), 2: ("challenger", "champion")}
    assert gate_tags(2).items() >= {"gate.decision": "champion", "gate.gain": "0.5000"}.items()
    assert "gate.images" not in gate_tags(2), "the numbers of the first decision"


def test_a_person_can_promote_what_the_gate_refused(workspace):
    store = open_store()
    for number in (1, 2):
        register_number(number)
    promote(store, 1)
    settle(store, Decision(2, False, "worse", {"gain": -0.5}), contestants(store)[1])
    promote(store, 2)
    assert aliases() == {1: (), 2: ("challenger", "champion")}
    assert gate_tags(2) == {
        "gate.decision": "champion",
        "gate.reason": "promoted by hand",
        "gate.against": "1",
    }
    with pytest.raises(UserError, match="no version 7; registered: 1, 2 @challenger @champion"):
        promote(store, 7)


def test_a_second_look_at_the_champion_changes_nothing(workspace):
    store = open_store()
    register_number(1)
    settle(store, Decision(1, True, "the first"), None)
    before = list_versions(store.uri)
    settle(store, Decision(1, True, "it is the champion already"), contestants(store)[1])
    assert list_versions(store.uri) == before


@pytest.mark.parametrize("event", ["another version was registered", "another one was promoted"])
def test_a_decision_that_the_registry_has_overtaken_is_not_carried_out(workspace, event):
    store = open_store()
    for number in (1, 2):
        register_number(number)
    promote(store, 1)
    _, champion = contestants(store)
    if event == "another version was registered":
        register_number(3)
    else:
        promote(store, 2)
    before = list_versions(store.uri)
    with pytest.raises(UserError, match="run it again"):
        settle(store, Decision(2, True, "better"), champion)
    assert list_versions(store.uri) == before
