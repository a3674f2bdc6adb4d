import os
from pathlib import Path

import mlflow
import mlflow_workspace
import numpy as np
import pytest
import yaml
from tiny_models import write_onnx

from pipeline.core.files import file_digest
from pipeline.core.params import ParamsError
from pipeline.core.terminal import UserError
from pipeline.records import registry
from pipeline.records.database import local_path
from pipeline.records.models import find_model
from pipeline.records.registry import Decision, contestants, promote, register_model, settle
from pipeline.records.runs import Run, checkpoint_run
from pipeline.records.store import open_store
from pipeline.records.versions import find_served, list_versions, model_name

SCORES = {"test": {"miou": 0.75, "iou": {"pet": 0.875}}, "export": {"opset": 18}}


def register(file: Path, scores: dict, checkpoint: str = "abc") -> tuple[int, Run]:
    with checkpoint_run(checkpoint, Path("data/pairs")) as run:
        return register_model(run, file, scores), run


def test_a_version_holds_the_exported_bytes_its_scores_and_its_origin(workspace):
    file = write_onnx(workspace / "model.onnx")
    _, run = register(file, SCORES)
    store = open_store()
    [version] = list_versions(store.uri)
    stored = [path for path in (workspace / "mlartifacts/models").rglob("*onnx*") if path.is_file()]
    assert [path.name for path in stored] == ["model.onnx"], "no external data"
    assert stored[0].read_bytes() == file.read_bytes()
    assert (version.number, version.run_id, version.aliases) == (1, run.run_id, ())
    kept = store.client.get_run(run.run_id)
    for key in ("checkpoint.sha256", "git.commit", "data.index_md5", "data.name", "restored"):
        assert version.tags[key] == kept.data.tags[key]
    assert version.tags["onnx.sha256"] == file_digest(file)
    assert version.tags["test.miou"] == "0.75"
    assert version.tags["test.iou.pet"] == "0.875"
    [data], [output] = kept.inputs.dataset_inputs, kept.outputs.model_outputs
    metrics = store.client.get_logged_model(output.model_id).metrics
    assert {each.key: each.value for each in metrics} == {"test.miou": 0.75, "test.iou.pet": 0.875}
    assert {(each.dataset_name, each.dataset_digest) for each in metrics} == {
        (data.dataset.name, data.dataset.digest)
    }


def test_a_served_version_takes_a_photograph_of_any_size(workspace):
    register(write_onnx(workspace / "model.onnx"), SCORES)
    [version] = list_versions()
    model = mlflow.pyfunc.load_model(local_path(version.place))
    signature = model.metadata.signature
    [image], [mask] = signature.inputs.inputs, signature.outputs.inputs
    assert (image.type, image.shape) == (np.uint8, (-1, -1, 3))
    assert (mask.type, mask.shape) == (np.uint8, (-1, -1))
    photograph = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    np.testing.assert_array_equal(model.predict(photograph)["mask"], photograph.max(axis=2))
    assert model.input_example.shape[2] == 3


def test_an_int8_file_joins_the_version_which_says_whether_it_is_offered(workspace):
    file = write_onnx(workspace / "model.onnx")
    register(file, SCORES)
    int8 = write_onnx(workspace / "model.int8.onnx", weight=1)
    for offered in (True, False):  # as the newest export says
        measured = {"int8": {"offered": offered, "miou": 0.5}}
        register(file, SCORES | {"export": measured})
        [version] = list_versions()
        assert version.tags["int8.offered"] == str(offered).lower()
    assert version.tags["int8.sha256"] == file_digest(int8)
    assert version.tags["export.int8.miou"] == "0.5"
    for each in (file, int8):
        assert Path(local_path(version.place), each.name).read_bytes() == each.read_bytes()


def test_another_int8_file_is_another_version_and_the_one_that_is_served_stays(workspace):
    file = write_onnx(workspace / "model.onnx")
    int8 = write_onnx(workspace / "model.int8.onnx", weight=1)
    register(file, SCORES)
    served = int8.read_bytes()
    promote(open_store(), 1)
    write_onnx(workspace / "model.int8.onnx", weight=2)
    for _ in range(2):
        assert register(file, SCORES)[0] == 2
    newest, champion = list_versions()
    assert champion.aliases == ("champion",)
    assert Path(local_path(champion.place), int8.name).read_bytes() == served
    assert Path(local_path(newest.place), int8.name).read_bytes() == int8.read_bytes()


def test_files_that_a_power_cut_emptied_come_back_with_the_next_registration(workspace):
    file, int8 = write_onnx(workspace / "model.onnx"), write_onnx(workspace / "model.int8.onnx", 1)
    register(file, SCORES)
    [version] = list_versions()
    for emptied in version.local_files:
        os.truncate(emptied, 0)
    register(file, SCORES)
    assert len(list_versions()) == 1
    for each in (file, int8):
        assert Path(local_path(version.place), each.name).read_bytes() == each.read_bytes()


@pytest.mark.parametrize("step", ["finalize_logged_model", "log_batch", "create_model_version"])
def test_a_killed_registration_continues_where_it_ended(workspace, monkeypatch, step):
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
    assert (
        len(models) == len(stored.outputs.model_outputs) == len(list_versions(run.store.uri)) == 2
    )
    history = run.store.client.get_metric_history(run.run_id, "test.miou")
    assert len(history) == 2, "one of each model"


def test_two_machines_that_register_one_file_make_one_version(workspace, monkeypatch):
    file = write_onnx(workspace / "model.onnx")
    register(file, SCORES)
    looks = [[]]  # the first of this machine is before the other was done
    monkeypatch.setattr(
        registry, "list_versions", lambda uri: looks.pop() if looks else list_versions(uri)
    )
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
    assert [tag for tag in version.tags if tag.startswith("test.")] == ["test.miou"]
    described = run.store.client.get_model_version(model_name(), "1").description
    assert described.startswith("mIoU `0.5`")


def test_params_yaml_names_the_model_and_another_name_begins_another_list(workspace):
    file = write_onnx(workspace / "model.onnx")
    register(file, SCORES)
    Path("params.yaml").write_text("export: {model_name: Road scenes}\n")
    assert list_versions() == []
    number, run = register(file, SCORES)
    promote(run.store, number)
    assert find_model("models:/Road scenes@champion").source == "version 1 @champion"
    with pytest.raises(UserError, match=r"accepted is .*models:/Road scenes/3"):
        find_model("models:/pet-segmentation/1")
    models = run.store.client.search_logged_models([run.store.experiment_id])
    assert {each.name for each in models} == {"Road scenes", "pet-segmentation"}
    Path("params.yaml").unlink()
    assert [each.names for each in list_versions()] == [["1"]]


@pytest.mark.parametrize("name", ["a/b", "a:b", "v1.2", "", " a", 7])
def test_a_name_that_mlflow_does_not_take_is_refused(workspace, name):
    Path("params.yaml").write_text(yaml.safe_dump({"export": {"model_name": name}}))
    with pytest.raises(ParamsError, match=r"params\.yaml: export\.model_name: "):
        list_versions()


def test_of_many_classes_the_description_names_the_lowest(workspace):
    few = {f"class {place}": place / 100 for place in range(1, 13)}
    for number, ious in enumerate((few, few | {"last": 0.001}), start=1):
        file = write_onnx(workspace / f"{number}.onnx", number)
        _, run = register(file, {"test": {"iou": ious}}, str(number))
        card = run.store.client.get_model_version(model_name(), str(number)).description
        [line] = [line for line in card.splitlines() if "IoU by class" in line]
        assert line.count("`") == 2 * (12 if number == 1 else 3)
    lowest = "last `0.001`, class 1 `0.01`, class 2 `0.02`"
    assert line == f"- **IoU by class**: 13 classes; the lowest: {lowest}"


def register_number(number: int) -> None:
    """A model unlike the others, with a run of its own."""
    mlflow_workspace.register(write_onnx(Path(f"{number}.onnx"), number))


def gate_tags(number: int) -> dict[str, str]:
    [found] = [each for each in list_versions() if each.number == number]
    tags = found.tags.items()
    return {key[5:]: value for key, value in tags if key.startswith("gate.")}


def aliases() -> dict[int, tuple[str, ...]]:
    return {each.number: each.aliases for each in list_versions()}


def test_other_bytes_are_another_version_no_alias_moves_and_the_newest_is_to_contest(workspace):
    store = open_store()
    assert list_versions() == []
    with pytest.raises(UserError, match=r"no version of pet-segmentation.*dvc repro"):
        contestants(store)
    register_number(1)
    assert contestants(store)[1] is None
    promote(store, 1)
    register_number(2)
    assert aliases() == {1: ("champion",), 2: ()}
    assert find_served(list_versions(), file_digest(Path("1.onnx"))).number == 1
    assert find_served(list_versions(), "0" * 64) is None
    newest, champion = contestants(store)
    assert (newest.number, champion.number) == (2, 1)
    named, champion = contestants(store, 1)
    assert (named.number, champion.number) == (1, 1)
    with pytest.raises(UserError, match=r"no version 3; registered: 1 @champion, 2$"):
        contestants(store, 3)


def test_a_decision_moves_the_aliases_and_is_written_on_the_version(workspace):
    store = open_store()
    register_number(1)
    settle(store, Decision(1, True, "the first"), None)
    assert aliases() == {1: ("challenger", "champion")}
    assert gate_tags(1) == {"decision": "champion", "reason": "the first", "against": "none"}
    register_number(2)
    _, champion = contestants(store)
    numbers = {"images": 111, "gain": -0.12345, "drop.pet": -0.00001}
    settle(store, Decision(2, False, "worse", numbers), champion)
    assert aliases() == {1: ("champion",), 2: ("challenger",)}
    written = {"images": "111", "gain": "-0.1235", "drop.pet": "0.0000"}
    assert gate_tags(2) == {"decision": "refused", "reason": "worse", "against": "1"} | written
    settle(store, Decision(2, True, "better after all", {"gain": 0.5}), champion)
    assert aliases() == {1: (), 2: ("challenger", "champion")}
    reason = {"reason": "better after all", "gain": "0.5000"}
    assert gate_tags(2) == {"decision": "champion", "against": "1"} | reason
    before = list_versions(store.uri)
    settle(store, Decision(2, True, "it is the champion already"), contestants(store)[1])
    assert list_versions(store.uri) == before


@pytest.mark.parametrize("event", ["another version was registered", "another one was promoted"])
def test_an_outdated_decision_is_not_carried_out(workspace, event):
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


def test_a_person_can_promote_what_the_gate_refused(workspace):
    store = open_store()
    for number in (1, 2):
        register_number(number)
    promote(store, 1)
    settle(store, Decision(2, False, "worse", {"gain": -0.5}), contestants(store)[1])
    promote(store, 2)
    assert aliases() == {1: (), 2: ("challenger", "champion")}
    expected = {"decision": "champion", "reason": "promoted by hand", "against": "1"}
    assert gate_tags(2) == expected | {"newest": "2"}
