"""What is in a store gets a mask and a row each, once, however often the run is killed."""

import os
from itertools import islice
from pathlib import Path
from secrets import token_hex

import fsspec
import numpy as np
import pyarrow.dataset as ds
import pytest
from fsspec.implementations.local import LocalFileSystem
from pictures import decoded, encoded
from tiny_models import COLOURS, MASK, PET, write_onnx, write_traffic_light

from pipeline.core.terminal import UserError
from pipeline.deploy import batch
from pipeline.deploy.batch import Done, images_to_do, predict_batch
from pipeline.deploy.folder import folder_jobs, predict_all
from pipeline.deploy.predictor import Predictor
from pipeline.deploy.stores import Found, Place

PICTURE = encoded(COLOURS[MASK])  # MASK is its mask


class Counting(Predictor):
    """Counts the images that it predicts."""

    images = 0

    def __call__(self, image):
        self.images += 1
        return super().__call__(image)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(batch, "ROWS", 4)


@pytest.fixture
def model(tmp_path):
    return Counting(write_traffic_light(tmp_path / "model.onnx"), threads=1)


@pytest.fixture
def store():
    """The address of an empty folder."""
    return f"memory:///{token_hex(8)}"


def fill(address, *names, content=PICTURE):
    files = fsspec.url_to_fs(address)[0]
    files.pipe({f"{address}/{name}": content for name in names})


def outcomes(model, images, out, **settings):
    """The outcomes, as they come."""
    images, out = Place(images), Place(out)
    files = images_to_do(images, out, Done(out, model.identity))
    return predict_batch(model, images, files, out, 2, **settings)


def table(out):
    files, path = fsspec.url_to_fs(out)
    return ds.dataset(f"{path}/table", filesystem=files).to_table().sort_by("name").to_pylist()


def contents(address):
    files, path = fsspec.url_to_fs(address)
    return {name.removeprefix(path): files.cat_file(name) for name in files.find(path)}


def test_each_image_gets_a_mask_and_a_row_with_what_its_line_says(model, store):
    fill(store, "in/a.png")
    [line] = outcomes(model, f"{store}/in", f"{store}/out")
    [row] = table(f"{store}/out")
    name, below = f"{store}/in/a.png", store.replace(":///", "/")
    mask = f"{store}/out/masks/{below}/in/a.png.mask.png"
    assert decoded(fsspec.open(mask).open().read()).tolist() == MASK.tolist()
    assert row == {
        "name": name,
        "width": 3,
        "height": 2,
        "foreground_share": 0.5,
        "foreground_box": [0, 0, 2, 2],
        "shares": {"pet": 0.5, "background": 0.333333, "border": 0.166667},
        "confidence": None,
        "model": model.identity,
        "files": {"mask": mask, "confidence": None},
        "warning": None,
        "error": None,
    }
    line["foreground_box"] = list(line["foreground_box"])
    assert line.items() <= (row | {"ms": line["ms"], "files": {"mask": mask}}).items()


def test_a_local_file_has_the_mask_that_it_has_by_itself(model, tmp_path):
    photograph = tmp_path / "in/a.png"
    photograph.parent.mkdir()
    photograph.write_bytes(PICTURE)
    [line] = predict_all(model, folder_jobs(model, [photograph], tmp_path / "own"), 1)
    [same] = outcomes(model, f"file://{tmp_path}/in", f"file://{tmp_path}/out")
    written = Path(same["files"]["mask"].removeprefix("file://"))
    assert written == tmp_path / "out/masks/file" / str(photograph)[1:].replace(
        ".png", ".png.mask.png"
    )
    assert written.read_bytes() == Path(line["files"]["mask"]).read_bytes()


def test_after_a_kill_only_the_unfinished_part_is_done_again(model, store):
    names = [f"in/{n}.png" for n in range(18)]
    fill(store, *names)
    fill(store, "in/7.png", content=b"broken")
    assert len(list(outcomes(model, f"{store}/in", f"{store}/whole"))) == 18
    killed = outcomes(model, f"{store}/in", f"{store}/out")
    list(islice(killed, 11))  # the third part lacks a row
    killed.close()
    assert len(table(f"{store}/out")) == 8
    model.images = 0
    assert len(list(outcomes(model, f"{store}/in", f"{store}/out"))) == 10
    assert model.images == 9  # the broken one is among them
    expected = {name.replace("/whole/", "/out/") for name in contents(f"{store}/whole")}
    assert contents(f"{store}/out").keys() == expected
    assert len(table(f"{store}/out")) == 18
    assert list(outcomes(model, f"{store}/in", f"{store}/out")) == []
    fill(store, "in/100.png")
    assert len(list(outcomes(model, f"{store}/in", f"{store}/out"))) == 1


def test_equal_runs_write_equal_bytes(model, store):
    fill(store, *(f"in/{n}.png" for n in range(9)))
    twice = []
    for _ in range(2):
        list(outcomes(model, f"{store}/in", f"{store}/out"))
        twice.append(contents(f"{store}/out"))
        fsspec.url_to_fs(store)[0].rm(f"{store}/out", recursive=True)
    assert twice[0] == twice[1]
    assert len(twice[0]) == 9 + 3  # parts of 4, 4 and 1


def test_what_is_broken_is_named_and_what_the_store_withholds_is_tried_again(
    model, store, monkeypatch
):
    fill(store, "in/a.png", "in/c.png")
    fill(store, "in/b.png", content=b"broken")
    fill(store, "in/e.png", content=b"")
    memory = type(fsspec.filesystem("memory"))
    real = memory.cat_file

    def cat_file(self, path, **range_of):
        if path.endswith("/c.png"):
            raise ConnectionError("reset by peer")
        return real(self, path, **range_of)

    with monkeypatch.context() as patched:
        patched.setattr(memory, "cat_file", cat_file)
        _, broken, lost, empty = outcomes(model, f"{store}/in", f"{store}/out")
    assert f"{store}/in/b.png: not a picture" in str(broken)
    assert str(lost) == f"{store}/in/c.png: it cannot be read: reset by peer"
    assert f"{store}/in/e.png: not a picture" in str(empty)
    assert [(row["name"][-5:], row["error"]) for row in table(f"{store}/out")] == [
        ("a.png", None),
        ("b.png", str(broken)),
        ("e.png", str(empty)),
    ]
    [again] = outcomes(model, f"{store}/in", f"{store}/out")
    assert again["name"] == f"{store}/in/c.png"


def test_a_store_out_of_reach_stops_the_run(model, store, monkeypatch):
    fill(store, *(f"in/{n}.png" for n in range(40)))
    memory = type(fsspec.filesystem("memory"))
    monkeypatch.setattr(memory, "pipe_file", lambda *_, **__: 1 / 0)
    found = []
    with pytest.raises(UserError, match="stopped after 4 errors of the store"):
        found.extend(outcomes(model, f"{store}/in", f"{store}/out"))
    assert len(found) == 4
    monkeypatch.setattr(memory, "info", lambda *_, **__: 1 / 0)
    with pytest.raises(UserError, match=f"{store}/out: division by zero"):
        outcomes(model, f"{store}/in", f"{store}/out")
    with pytest.raises(UserError, match=f"{store}/in: division by zero"):
        list(Place(f"{store}/in").files())


def test_no_two_names_share_a_mask(model, store):
    names = ["a.png", "a.jpg", "a.mask.png", "x/a.png", "x/y/a.png", "Kätzchen 猫.png"]
    fill(store, *(f"in/{name}" for name in names))
    fill(f"{store}/other", "a.png")
    for folder in ("in", "other"):
        list(outcomes(model, f"{store}/{folder}", f"{store}/out"))
    rows = table(f"{store}/out")
    assert len({row["files"]["mask"] for row in rows}) == len(rows) == 7
    assert len([name for name in contents(f"{store}/out") if "/masks/" in name]) == 7


def test_other_files_hidden_ones_and_the_results_are_left_out(model, store):
    fill(store, "a.png", "notes.txt", ".trash/b.png", "more/.b.png", "more/c.JPG", "plain")
    for _ in range(2):
        list(outcomes(model, store, f"{store}/out"))
    assert [row["name"] for row in table(f"{store}/out")] == [
        f"{store}/a.png",
        f"{store}/more/c.JPG",
    ]
    [line] = outcomes(model, f"{store}/plain", f"{store}/out")  # a file may have any name
    assert line["width"] == 3


def test_images_beside_local_results_are_found_whatever_they_are_called(tmp_path):
    for name in ("masks_old/a.jpg", "table1.jpg", "masks/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(PICTURE)
    place = Place(f"file://{tmp_path}")
    found = {
        Path(file.path).name for file in images_to_do(place, place, Done(place, {"digest": ""}))
    }
    assert found == {"a.jpg", "table1.jpg"}


def test_a_name_that_would_leave_the_folder_is_an_error(model, store, tmp_path):
    fill(store, "a.png")
    images, out = Place(store), Place(str(tmp_path / "out"))
    names = ("a//b.png", "../b.png", "./b.png") * batch.ROWS  # no errors of the store, then
    files = [Found(f"{images.path}/{name}", 0) for name in names]
    images.read = None  # before anything is read
    told = [str(found) for found in predict_batch(model, images, files, out, 1)]
    assert ["its name is empty, . or ..: rename it" in each for each in told] == [True] * len(names)
    assert not (tmp_path / "out/masks").exists()


def test_a_name_in_no_utf8_and_a_folder_that_may_not_be_read_are_errors_beside_the_others(
    model, tmp_path, monkeypatch
):
    odd = tmp_path / os.fsdecode(b"in/caf\xe9.png")
    (tmp_path / "in/closed").mkdir(parents=True)
    for file in (odd, tmp_path / "in/a.png", tmp_path / "in/z.png"):
        file.write_bytes(PICTURE)
    listed = LocalFileSystem.ls

    def ls(self, path, **settings):
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return listed(self, path, **settings)

    monkeypatch.setattr(LocalFileSystem, "ls", ls)
    found = list(outcomes(model, f"file://{tmp_path}/in", f"file://{tmp_path}/out"))
    told = sorted(str(each) for each in found if isinstance(each, UserError))
    assert len(found) - len(told) == 2
    assert "its name is not in UTF-8: rename it" in told[0]
    assert told[1].endswith("in/closed: Permission denied")


def test_the_results_of_another_model_are_not_continued(model, store, tmp_path):
    fill(store, "in/a.png", "in/b.png")
    list(outcomes(model, f"{store}/in", f"{store}/out"))
    other = Predictor(write_onnx(tmp_path / "other.onnx", PET), threads=1)
    with pytest.raises(
        UserError, match=rf"holds results of another model, {model.identity['digest']}"
    ):
        outcomes(other, f"{store}/in", f"{store}/out")


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("memory:///none/at/all", "memory:///none/at/all: no such file or folder"),
        ("gs://bucket/folder", "gs://bucket/folder: Please install gcsfs to access Google Storage"),
        ("s4://bucket/folder", "s4://bucket/folder: Protocol not known: s4"),
    ],
)
def test_a_store_that_cannot_be_listed_is_an_error(address, error):
    with pytest.raises(UserError, match=error):
        list(Place(address).files())


def test_the_confidence_is_in_the_table_and_drawn(model_file, store):
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    fill(store, "in/a.png", content=encoded(noise))
    model = Predictor(model_file, threads=1)
    list(outcomes(model, f"{store}/in", f"{store}/out", confidence=True))
    [row] = table(f"{store}/out")
    shown = decoded(fsspec.open(row["files"]["confidence"]).open().read())
    assert row["confidence"] == round(shown.mean() / 255, 4)


@pytest.mark.parametrize("address", ["ftp://host/images", "zip://a.png::memory:///b.zip"])
def test_an_address_that_its_files_do_not_repeat_is_refused(address):
    with pytest.raises(UserError, match="a host or an archive"):
        Place(address)
