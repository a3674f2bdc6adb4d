"""Many photographs, in all threads: in order, each with its numbers, none stopping the others."""

import threading

import numpy as np
import pytest
from PIL import Image
from tiny_models import BACKGROUND, COLOURS, PET, write_traffic_light

from pipeline.core.terminal import UserError
from pipeline.deploy import batch
from pipeline.deploy.batch import Prediction, predict_all
from pipeline.deploy.predictor import Predictor


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Predictor(write_traffic_light(tmp_path_factory.mktemp("model") / "m.onnx"), threads=1)


def photograph(file, mask):
    """A picture whose mask by the model is the given one."""
    Image.fromarray(COLOURS[np.asarray(mask)]).save(file)
    return file


def test_share_and_box_are_of_the_pet_alone(model, tmp_path):
    mask = [[1, 1, 1, 1, 1], [1, 2, 0, 0, 2], [1, 2, 0, 1, 1], [1, 1, 1, 1, 1]]
    [found] = predict_all(model, [photograph(tmp_path / "a.png", mask)], tmp_path / "out", 1)
    assert found.name == str(tmp_path / "a.png")
    assert (found.width, found.height) == (5, 4)
    assert found.pet_share == 3 / 20
    assert found.pet_box == (2, 1, 4, 3)
    assert found.ms > 0
    assert np.asarray(Image.open(found.files["mask"])).tolist() == mask


def test_without_a_pet_there_is_no_box(model, tmp_path):
    file = photograph(tmp_path / "a.png", [[BACKGROUND] * 3] * 2)
    [found] = predict_all(model, [file], tmp_path / "out", 1)
    assert (found.pet_share, found.pet_box) == (0, None)


@pytest.mark.parametrize("threads", [1, 4])
def test_the_outcomes_come_in_order_and_errors_take_their_place(model, tmp_path, threads):
    photographs = [photograph(tmp_path / f"{n}.png", [[PET]] * (n + 1)) for n in range(40)]
    photographs[7].write_bytes(b"no picture")
    photographs[8] = tmp_path / "none.png"
    outcomes = list(predict_all(model, photographs, tmp_path / "out", threads))
    assert "7.png: not a picture" in str(outcomes[7])
    assert "none.png: No such file" in str(outcomes[8])
    heights = [each.height for each in outcomes if isinstance(each, Prediction)]
    assert heights == [n + 1 for n in range(40) if n not in (7, 8)]
    assert len(list((tmp_path / "out").iterdir())) == 4 * 38


def test_the_threads_work_side_by_side(model, tmp_path):
    """Each waits in the model for the other: one after the other they would wait forever."""
    meeting = threading.Barrier(2, timeout=30)

    def sociable(pixels):
        meeting.wait()
        return model(pixels)

    photographs = [photograph(tmp_path / f"{n}.png", [[PET]]) for n in range(4)]
    outcomes = list(predict_all(sociable, photographs, tmp_path / "out", 2))
    assert all(isinstance(each, Prediction) for each in outcomes)


def test_only_few_photographs_are_begun_ahead_of_who_takes_them(model, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "AHEAD", 3)
    begun = []

    def counting(pixels):
        begun.append(pixels.shape)
        return model(pixels)

    photographs = [photograph(tmp_path / f"{n}.png", [[PET]]) for n in range(30)]
    outcomes = predict_all(counting, photographs, tmp_path / "out", 2)
    next(outcomes)
    outcomes.close()  # as Ctrl-C does; what is begun ends, the rest is not
    assert 1 <= len(begun) <= 7
    assert not list((tmp_path / "out").glob(".*"))


def test_results_that_cannot_be_written_are_an_error_of_that_photograph(model, tmp_path):
    """Before the model is asked, and after."""
    names = ("n" * 251, "n" * 235, "a")
    photographs = [photograph(tmp_path / f"{name}.png", [[PET]]) for name in names]
    *errors, good = predict_all(model, photographs, tmp_path / "out", 1)
    for name, error in zip(names, errors, strict=False):
        assert isinstance(error, UserError)
        assert f"/{name}.png: its results cannot be written: File name too long" in str(error)
    assert good.pet_share == 1
