"""The model that follows an alias, in a real registry: what is loaded, refused, and freed."""

import gc
import json
import weakref
from dataclasses import replace
from pathlib import Path

import mlflow_workspace
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tiny_models import write_onnx, write_traffic_light

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.monitoring.log import PredictionLog
from pipeline.records.models import find_model
from pipeline.records.store import open_store
from pipeline.records.versions import list_versions, model_name
from tools.serving import live
from tools.serving.afterwards import Afterwards, Answered
from tools.serving.live import ANSWERS, SHADOW, Followed, LiveModel
from tools.serving.metrics import Metrics

BLACK = np.zeros((2, 2, 3), np.uint8)


def register(weight, alias=""):
    """A version that answers with `weight` for black; the number of the version."""
    return mlflow_workspace.register(write_onnx(Path(f"{weight}.onnx"), weight), alias=alias)


def move(alias, number):
    open_store().client.set_registered_model_alias(model_name(), alias, str(number))


def tag(number, name, value):
    open_store().client.set_model_version_tag(model_name(), str(number), name, value)


def values(metrics):
    """The values of the metrics, by name and labels."""
    families = text_string_to_metric_families(metrics.exposed().decode())
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def followed(workspace, metrics):
    """A model that answers, by the champion's alias: version 1."""
    register(1, "champion")
    loaded = LiveModel(Followed(ANSWERS, None, "auto", metrics))
    loaded.answers.load_first()
    return loaded


def answer(loaded):
    return loaded.current.predictor(BLACK)[0, 0]


def test_the_next_image_is_labelled_by_the_version_that_the_alias_names(followed, metrics):
    register(2)
    followed.look()
    assert answer(followed) == 1
    move("champion", 2)
    old = weakref.ref(followed.current.predictor)
    followed.look()
    assert answer(followed) == 2
    assert followed.current.source == "version 2 @champion"
    identity = {"version": 2, "digest": file_digest(Path("2.onnx"))[:12], "dataset": "tiny"}
    assert followed.current.predictor.identity == identity
    gc.collect()
    assert old() is None, "the old model is freed"
    move("champion", 1)
    followed.look()
    assert answer(followed) == 1
    found = values(metrics)
    assert found[f"petseg_model_info tiny {identity['digest']} 2"] == 0
    assert found[f"petseg_model_info tiny {file_digest(Path('1.onnx'))[:12]} 1"] == 1
    assert found["petseg_model_loads_total loaded answers"] == 3


def replace_by_garbage(file):
    file.write_bytes(b"no model")
    tag(2, "onnx.sha256", file_digest(file))


@pytest.mark.parametrize(
    "harm", [lambda file: file.write_bytes(b"no model"), Path.unlink, replace_by_garbage]
)
def test_a_version_that_does_not_work_is_refused_once_until_something_changes(
    followed, metrics, caplog, harm
):
    file = find_model(str(register(2))).file
    whole = file.read_bytes()
    harm(file)
    move("champion", 2)
    for _ in range(3):
        followed.look()
        assert answer(followed) == 1
    assert caplog.text.count("answers: version 2 is refused") == 1
    assert values(metrics)["petseg_model_refused answers"] == 1
    assert values(metrics)["petseg_model_loads_total refused answers"] == 1
    file.write_bytes(whole)
    tag(2, "onnx.sha256", file_digest(file))
    followed.look()
    assert answer(followed) == 2
    assert values(metrics)["petseg_model_refused answers"] == 0


def test_a_version_whose_files_are_elsewhere_is_tried_again_with_time_only_if_refused(
    followed, monkeypatch
):
    elsewhere = replace(list_versions()[0], place="https://example.org/models/m-1")
    states = []
    for minute in (1, 2):
        monkeypatch.setattr(live.time, "monotonic", lambda minute=minute: minute * live.AGAIN)
        states.append([live._state(elsewhere, refused) for refused in (False, True)])
    (loaded, refused), (loaded_later, refused_later) = states
    assert loaded == loaded_later
    assert refused != refused_later


def test_an_alias_that_goes_back_to_the_model_that_answers_loads_nothing(followed, metrics):
    find_model(str(register(2))).file.unlink()
    before = followed.current.predictor
    for number in (2, 1):
        move("champion", number)
        followed.look()
    assert followed.current.predictor is before
    assert values(metrics)["petseg_model_refused answers"] == 0


def test_a_registry_that_cannot_be_read_or_has_lost_the_alias_changes_nothing(
    followed, metrics, monkeypatch, caplog
):
    def fail():
        raise UserError("http://me:secret@host is down")

    with monkeypatch.context() as patch:
        patch.setattr(live, "list_versions", fail)
        for _ in range(2):
            followed.look()
    assert answer(followed) == 1
    assert caplog.text.count("cannot be read, nothing changes: http://host is down") == 1
    assert values(metrics)["petseg_registry_up"] == 0
    open_store().client.delete_registered_model_alias(model_name(), "champion")
    followed.look()
    assert answer(followed) == 1
    assert values(metrics)["petseg_registry_up"] == 1


def test_a_number_and_a_file_are_not_followed_and_the_export_is_until_there_is_a_champion(
    workspace, metrics
):
    register(1)
    Path("models").mkdir()
    write_onnx(Path("models/model.onnx"), 0)
    references = ("1", "models/model.onnx", None)
    loaded = [LiveModel(Followed(ANSWERS, each, "auto", metrics)) for each in references]
    for each in loaded:
        each.answers.load_first()
    register(2, "champion")
    for each in loaded:
        each.look()
    assert [answer(each) for each in loaded] == [1, 0, 2]


def labelled(followed, image, **more):
    predictor = followed.current.predictor
    mask = predictor(image)
    return Answered(followed.current, image, mask, None, mask.shape, "PNG", 0.5, **more)


def test_the_shadow_labels_the_same_image_and_the_row_says_where_they_agree(workspace, metrics):
    mlflow_workspace.register(write_traffic_light(Path("1.onnx")), alias="champion")
    register(0, "challenger")  # its masks are the brightest channel
    answers, shadow = (
        Followed(role, alias, "auto", metrics)
        for role, alias in ((ANSWERS, "@champion"), (SHADOW, "@challenger"))
    )
    loaded = LiveModel(answers, shadow)
    answers.load_first()
    loaded.look()
    # To the first, all is background; to the shadow, background, border and pet.
    image = np.array([[[0, 0, 1], [0, 0, 2], [0, 0, 0]]], np.uint8)
    after = Afterwards(metrics, PredictionLog(Path("log")), shadow, 1.0)
    for each in (labelled(loaded, image), None):
        after.queue.put(each)
    after._run()
    [row] = [json.loads(line) for file in Path("log").glob("*.jsonl") for line in file.open()]
    columns = {name: row[name] for name in row if name.startswith("shadow.")}
    assert columns == {
        "shadow.version": 2,
        "shadow.digest": file_digest(Path("0.onnx"))[:12],
        "shadow.agreement": pytest.approx(1 / 3, abs=1e-6),
        "shadow.both.pet": 0,
        "shadow.either.pet": 1,
        "shadow.both.background": 1,
        "shadow.either.background": 3,
        "shadow.both.border": 0,
        "shadow.either.border": 1,
    }
    assert (row["version"], row["format"], row["ms"], row["width"]) == (1, "PNG", 500, 3)
    found = values(metrics)
    assert found["petseg_shadow_pixels_total background both"] == 1
    assert found["petseg_shadow_pixels_total background either"] == 3
    assert found["petseg_shadow_images_total labelled"] == 1
    assert found["petseg_class_share_sum background"] == 1


def test_a_shadow_that_became_the_champion_makes_room_and_has_nothing_to_say(followed, metrics):
    register(2, "challenger")
    shadow = Followed(SHADOW, "@challenger", "auto", metrics)
    followed = LiveModel(followed.answers, shadow)
    followed.look()
    assert shadow.current.predictor(BLACK)[0, 0] == 2
    before = shadow.current.predictor
    for number in (1, 2):
        tag(number, "monitor.verdict", "drift")
        followed.look()
    assert shadow.current.predictor is before, "a tag is no other model"
    assert values(metrics)["petseg_model_loads_total loaded shadow"] == 1
    move("champion", 2)
    followed.look()
    assert answer(followed) == 2
    after = Afterwards(metrics, None, shadow, 1.0)
    assert after._compared(labelled(followed, BLACK)) == {}


@pytest.mark.parametrize("reference", [None, "1"])
def test_registered_scores_are_known_unless_they_are_no_numbers(workspace, metrics, reference):
    mlflow_workspace.register(
        write_onnx(Path("1.onnx")), {"test": {"miou": 0.5, "iou": {"pet": 0.25}}}, "champion"
    )
    tag(1, "test.words", "<b>good</b>")
    followed = Followed(ANSWERS, reference, "auto", metrics)
    followed.load_first()
    assert followed.current.scores == {"miou": 0.5, "iou.pet": 0.25}
    assert list_versions()[0].number == followed.current.predictor.identity["version"]
