"""A command line names images; each gets its results and its line, and none stops the others."""

import errno
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_models import BACKGROUND, COLOURS, PET, write_traffic_light
from tiny_pets import PETS

from pipeline.core.terminal import UserError
from pipeline.deploy import folder
from pipeline.deploy.folder import find_images, folder_jobs, predict_all
from pipeline.deploy.predictor import Predictor
from pipeline.deploy.results import draw_results, image_key, result_files, save_results


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Predictor(write_traffic_light(tmp_path_factory.mktemp("model") / "m.onnx"), threads=1)


def make(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")


def found(*arguments):
    """Images as paths, errors as text."""
    return [str(each) for each in find_images(arguments)]


def test_a_folder_stands_for_the_images_in_and_below_it():
    make("data/b.PNG", "data/a.jpeg", "data/more/deep/c.webp", "data/notes.txt", "data/d.heic")
    make("data/._a.jpg", "data/.trash/b.jpg")  # hidden
    assert found("data") == ["data/a.jpeg", "data/b.PNG", "data/d.heic", "data/more/deep/c.webp"]
    Path("link").symlink_to("data")
    names = ("data/b.PNG", "data/more", "./data/../data/*.PNG", "link")  # each named once or more
    assert found(*names) == ["data/b.PNG", "data/more/deep/c.webp", "link/a.jpeg", "link/d.heic"]


def test_images_that_link_to_one_file_each_have_their_name():
    make("cache/0123")  # as DVC links equal pictures to one file of its cache
    for name in ("a.jpg", "b.jpg"):
        Path(name).symlink_to("cache/0123")
    assert found(".") == found("*.jpg") == ["a.jpg", "b.jpg"]
    assert image_key(Path("a.jpg")) != image_key(Path("b.jpg"))


def test_a_pattern_stands_for_the_files_that_match(monkeypatch):
    monkeypatch.setenv("HOME", str(Path.cwd()))
    make("data/a1.jpg", "data/a2.png", "data/b1.jpg", "data/more/a3.jpg")
    assert found("data/a*") == ["data/a1.jpg", "data/a2.png"]
    assert found("data/**/*.jpg") == ["data/a1.jpg", "data/b1.jpg", "data/more/a3.jpg"]
    assert found("data/[b]?.jpg") == ["data/b1.jpg"]
    names = ("a1.jpg", "a2.png", "b1.jpg", "more/a3.jpg")
    expected = [f"{Path.cwd()}/data/{name}" for name in names]
    assert found("~/d*") == found(f"{Path.cwd()}/d*") == expected


def test_results_are_left_out():
    make("data/a.jpg", "data/b.mask.png")
    pixels = np.zeros((2, 2, 3), np.uint8)
    for out in ("data", "results"):
        files = result_files(Path(out), "a")
        drawn = draw_results(pixels, pixels[..., 0], PETS, None)
        save_results(files, drawn, {}, image_key(Path("data/a.jpg")))
    assert found("data") == found("data/*") == ["data/a.jpg", "data/b.mask.png"]
    assert found("results") == ["results: nothing but results of earlier predictions"]


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ("none.jpg", "none.jpg: no such file or folder, and nothing matches it"),
        ("none/*.jpg", "none/*.jpg: no such file or folder, and nothing matches it"),
        ("empty", "empty: no file in it has the suffix of a photograph"),
        ("/dev/null", "/dev/null: neither a file nor a folder"),
        ("n" * 300, f"{'n' * 300}: File name too long"),
        ("", "a name is empty: say which photograph"),
    ],
)
def test_an_argument_without_an_image_is_an_error_in_its_place(argument, error):
    make("a.jpg", "b.jpg", "empty/notes.txt")
    assert found("a.jpg", argument, "b.jpg") == ["a.jpg", error, "b.jpg"]


def test_a_folder_that_cannot_be_read_is_an_error(monkeypatch):
    make("data/a.jpg", "data/secret/b.jpg")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("secret"):  # permissions do not stop root, who may run the tests
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    assert found("data") == ["data/a.jpg", "data/secret: Permission denied"]


def image(name, mask=((PET,),)):
    """An image whose mask by the model is the given one."""
    Image.fromarray(COLOURS[np.asarray(mask)]).save(name)
    return Path(name)


def predict(model, images, threads=1, **settings):
    return predict_all(model, folder_jobs(model, images, Path("out")), threads, **settings)


def test_shares_of_the_classes_and_box_of_the_foreground(model):
    mask = [[1, 1, 1, 1, 1], [1, 2, 0, 0, 2], [1, 2, 0, 1, 1], [1, 1, 1, 1, 1]]
    [line] = predict(model, [image("a.png", mask)])
    assert np.asarray(Image.open(line["files"]["mask"])).tolist() == mask
    assert (line["foreground_share"], line["foreground_box"]) == (3 / 20, (2, 1, 4, 3))
    assert line["shares"] == {"pet": 3 / 20, "background": 14 / 20, "border": 3 / 20}
    [line] = predict(model, [image("b.png", [[BACKGROUND] * 3] * 2)])
    assert (line["foreground_share"], line["foreground_box"]) == (0, None)
    assert line["shares"] == {"background": 1}
    roles = [["foreground", None, "foreground"], [None, None, None]]
    for of_classes, expected in zip(roles, [(6 / 20, (1, 1, 5, 3)), (None, None)], strict=True):
        other = write_traffic_light(Path("other.onnx"), with_roles(of_classes))
        [line] = predict(Predictor(other, threads=1), [image("a.png", mask)])
        assert (line["foreground_share"], line["foreground_box"]) == expected


def with_roles(roles):
    pairs = zip(PETS.entries, roles, strict=True)
    return replace(PETS, entries=tuple(replace(entry, role=role) for entry, role in pairs))


def test_a_picture_of_twelve_bits_in_sixteen_is_warned_of(model):
    pixels = np.array([[0, 4095], [100, 2000]], np.uint16)
    for brighter, warned in ((1, True), (16, False)):
        Image.fromarray(pixels * brighter).save("deep.png")
        [line] = predict(model, [Path("deep.png")])
        assert ("multiply them by 16" in (line["warning"] or "")) == warned


@pytest.mark.parametrize("threads", [1, 4])
def test_outcomes_and_errors_come_in_order(model, threads):
    images = [image(f"{n}.png", [[PET]] * (n + 1)) for n in range(40)]
    images[7].write_bytes(b"no picture")
    images[8] = Path("none.png")
    images[9:11] = long = [image(f"{'n' * length}.png") for length in (251, 235)]
    outcomes = list(predict(model, images, threads))
    assert "7.png: not a picture" in str(outcomes[7])
    assert "none.png: No such file" in str(outcomes[8])
    # These names are too long with kind and suffix, or as a temporary file's.
    for path, error in zip(long, outcomes[9:11], strict=True):
        assert f"{path}: its results cannot be written: File name too long" in str(error)
    heights = [each["height"] for each in outcomes if not isinstance(each, UserError)]
    assert heights == [n + 1 for n in range(40) if n not in (7, 8, 9, 10)]
    assert len(list(Path("out").iterdir())) == 4 * 36


def test_a_full_disk_ends_the_work_and_a_model_that_fails_on_an_image_does_not(model, monkeypatch):
    images = [image(f"{n}.png", [[PET]] * (n + 1)) for n in range(3)]

    def answer(picture, confident):
        if len(picture) == 2:
            raise RuntimeError("std::bad_alloc")
        return Predictor.predict(model, picture, confident)

    monkeypatch.setattr(model, "predict", answer)
    first, second, third = predict(model, images, 1)
    assert str(second) == "1.png: the model fails: std::bad_alloc"
    assert (first["height"], third["height"]) == (1, 3)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "out/0.mask.png")

    monkeypatch.setattr(folder, "save_results", full)
    with pytest.raises(OSError, match="No space left"):
        list(predict(model, images, 1))


def test_the_confidence_is_told_where_it_is_asked_for(model_file):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)).save("a.png")
    model = Predictor(model_file, threads=1, version=3)
    [plain] = predict(model, [Path("a.png")])
    before = Path(plain["files"]["mask"]).read_bytes()
    [line] = predict(model, [Path("a.png")], confidence=True)
    assert Path(line["files"]["mask"]).read_bytes() == before
    shown = np.asarray(Image.open(line["files"]["confidence"]))
    assert (shown == model.confident(np.asarray(Image.open("a.png")))[1]).all()
    assert line["confidence"] == round(shown.mean() / 255, 4)
    assert (plain["confidence"], "confidence" in plain["files"]) == (None, False)
    said = {f"petseg.model.{name}": str(value) for name, value in model.identity.items()}
    for file in line["files"].values():
        assert said.items() <= Image.open(file).text.items()


def test_the_threads_work_side_by_side(model):
    """Each waits in the model for the other: one after the other they would wait forever."""
    meeting = threading.Barrier(2, timeout=30)

    class Sociable(Predictor):
        def __call__(self, pixels):
            meeting.wait()
            return super().__call__(pixels)

    outcomes = predict(
        Sociable(model.file, threads=1), [image(f"{n}.png") for n in range(4)], threads=2
    )
    assert not any(isinstance(each, UserError) for each in outcomes)


def test_few_images_are_begun_before_their_turn(model, monkeypatch):
    monkeypatch.setattr(folder, "AHEAD", 3)
    begun = []

    class Counting(Predictor):
        def __call__(self, pixels):
            begun.append(pixels.shape)
            return super().__call__(pixels)

    outcomes = predict(
        Counting(model.file, threads=1), [image(f"{n}.png") for n in range(30)], threads=2
    )
    next(outcomes)
    outcomes.close()  # as Ctrl-C does: images already begun are finished, the rest is dropped
    assert 1 <= len(begun) <= 7
    assert not list(Path("out").glob(".*"))
