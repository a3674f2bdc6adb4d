"""An ONNX file can only calculate; other kinds are refused; an image of any size gets its mask."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from processes import run_python
from tiny_models import (
    BACKGROUND,
    BORDER,
    CHANNELS,
    COLOURS,
    IMAGE,
    PET,
    write_model,
    write_onnx,
    write_traffic_light,
)

from pipeline.core.terminal import UserError
from pipeline.deploy.predictor import Predictor, longest_side

# The brightest channel, or the largest number of `huge` if that is less.
DIMMED = """
    brightest = ReduceMax<keepdims = 0>(photograph, channels)
    largest = ReduceMax<keepdims = 0>(huge)
    mask = Min(brightest, largest)"""


def tried(file: Path) -> Predictor:
    return Predictor(file, threads=1).tried()


def test_the_runtime_keeps_no_record_of_its_use(tmp_path):
    file = write_traffic_light(tmp_path / "model.onnx")
    command = "import sys; from pipeline.deploy.predictor import *; Predictor(Path(sys.argv[1]), 1)"
    assert run_python("-c", command, file, HOME=str(tmp_path)).returncode == 0
    assert [*tmp_path.iterdir()] == [file]  # no .cache/Microsoft with what is to be reported


@pytest.mark.parametrize("place", ["/etc/passwd", "../../../../../../etc/passwd", "link"])
def test_weights_outside_the_models_folder_are_not_read(tmp_path, place):
    (tmp_path / "link").symlink_to("/etc/passwd")
    file = write_model(tmp_path / "model.onnx", CHANNELS, DIMMED)
    model = onnx.load(file)
    huge = model.graph.initializer.add(name="huge", data_type=TensorProto.UINT8, dims=[16])
    huge.data_location = TensorProto.EXTERNAL
    for key, value in {"location": place, "offset": "0", "length": "16"}.items():
        huge.external_data.add(key=key, value=value)
    file.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="External data path validation failed"):
        tried(file)


FILLED = "huge = ConstantOfShape <value = uint8[1] {1}> (size)"


@pytest.mark.parametrize(
    ("constants", "nodes", "takes", "problem"),
    [
        ("", "mask = ours.Run(photograph)", IMAGE, "not a model that ONNX Runtime can load"),
        ("", "mask = Cast<to = 2>(numbers)", "float[1, 3] numbers", "takes no photographs"),
        (f"{CHANNELS}, int64[1] size = {{{2**45}}}", FILLED + DIMMED, IMAGE, "no photographs"),
    ],
    ids=["custom operator", "other input", "constant larger than memory"],
)
def test_other_models_are_refused(tmp_path, constants, nodes, takes, problem):
    with pytest.raises(UserError, match=rf"model\.onnx.* {problem}"):
        tried(write_model(tmp_path / "model.onnx", constants, nodes, takes))


@pytest.mark.parametrize("content", [b"", b"\xff" * 1000, b"<html>404</html>"])
def test_a_file_that_is_not_a_model_is_refused(tmp_path, content):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.onnx is not a model"):
        tried(tmp_path / "model.onnx")
    with pytest.raises(UserError, match="missing"):
        tried(tmp_path / "none.onnx")


@pytest.mark.parametrize("classes", [None, '["one"]', "7", "{}", '["a", 7]', '["a", "b"'])
def test_a_file_that_does_not_name_its_classes_is_refused(tmp_path, classes):
    model = onnx.load(write_traffic_light(tmp_path / "model.onnx"))
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {} if classes is None else {"classes": classes})
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(UserError, match=r"model\.onnx does not say which classes it has"):
        tried(tmp_path / "model.onnx")


def test_masks_hold_no_other_ids_than_those_of_the_classes(tmp_path):
    assert tried(write_onnx(tmp_path / "model.onnx", weight=2))
    with pytest.raises(UserError, match=r"model\.onnx gives no masks of its 3 classes"):
        tried(write_onnx(tmp_path / "model.onnx", weight=3))


def test_more_classes_take_smaller_images_but_no_more_memory():
    sides = {classes: longest_side(classes) for classes in (2, 3, 24, 25, 96, 250)}
    assert sides == {2: 2048, 3: 2048, 24: 2048, 25: 2006, 96: 1024, 250: 634}


def striped(height, width):
    """Stripes of the three classes side by side, and their mask."""
    ids = np.repeat([PET, BACKGROUND, BORDER], -(-width // 3))[:width].astype(np.uint8)
    mask = np.repeat(ids[None], height, axis=0)
    return COLOURS[mask], mask


# The sizes are (height, width); the larger edges of the stripes are multiples of five.
@pytest.mark.parametrize(
    ("size", "seen"), [((10, 60), (10, 60)), ((100, 300), (20, 60)), ((1, 6000), (1, 60))]
)
@pytest.mark.parametrize("upright", [False, True])
def test_a_large_image_is_reduced_and_its_mask_enlarged(tmp_path, monkeypatch, size, seen, upright):
    image, mask = striped(*size)
    if upright:
        image, mask, seen = np.ascontiguousarray(image.transpose(1, 0, 2)), mask.T, seen[::-1]

    model = Predictor(write_traffic_light(tmp_path / "model.onnx"), threads=1)
    model.side, label = 60, model.confident

    def confident(pixels):
        assert pixels.shape == (*seen, 3)
        return label(pixels)

    monkeypatch.setattr(model, "confident", confident)
    answer = model.predict(image)
    assert answer.mask.dtype == np.uint8
    np.testing.assert_array_equal(answer.mask, mask)
