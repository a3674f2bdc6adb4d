"""What the page says and makes; test_app_in_browser.py is about how it is used."""

import io
import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from mlflow_workspace import register
from pictures import claim, decoded, encoded
from PIL import Image
from streamlit.testing.v1 import AppTest
from tiny_models import (
    BACKGROUND,
    CHANNELS,
    COLOURS,
    MASK,
    PET,
    RED,
    write_model,
    write_onnx,
    write_threshold_model,
    write_traffic_light,
)
from tiny_pets import PETS, REPOSITORY, write_tiny_pets

from pipeline.core.layout import int8_beside
from pipeline.data.classes import Class, Classes
from pipeline.data.colours import distinct_colours
from pipeline.records.models import find_model
from pipeline.records.store import open_store
from pipeline.records.versions import model_name
from tools.page.result import pack_results

MIOU = {"miou": 0.8012, "miou_low": 0.7981, "miou_high": 0.8042}
SAMPLE = replace(PETS, dataset="sample")
SCORES = {
    "test": {"images": 3421, **MIOU, "iou": {"pet": 0.8757, "border": 0.5907}},
    "export": {"int8": {"miou": 0.7993, "miou_drop": 0.0019, "offered": True}},
}


@pytest.fixture(autouse=True)
def _new_page(workspace, monkeypatch):
    st.cache_data.clear()
    st.cache_resource.clear()
    monkeypatch.setattr(sys, "argv", ["app"])


@pytest.fixture
def page():
    return AppTest.from_file(str(REPOSITORY / "tools/app.py"), default_timeout=120)


def picture(mask=MASK, name="pet.png"):
    """A PNG that has this mask."""
    return picture_of(COLOURS[np.array(mask)], name)


def picture_of(pixels, name="pet.png"):
    return name, encoded(pixels.astype(np.uint8)), "image/png"


def traffic_light():
    return write_traffic_light(Path("model.onnx"), SAMPLE)


def streets(count, role=None):
    """So many classes of the role."""
    names = ("road", "kerb", "sky", *(f"thing {number}" for number in range(3, count)))
    colours = distinct_colours([None] * count)
    pairs = zip(names[:count], colours, strict=True)
    return Classes("streets", tuple(Class(name, colour, role) for name, colour in pairs))


def give(page, *files):
    page.file_uploader[0].set_value([*files])
    return page.run()


def result_of(page):
    [result] = page.session_state["results"].values()
    return result


def mask_of(page):
    return decoded(result_of(page).mask_png)


def html(page):
    return " ".join(element.proto.body for element in page.get("html"))


def test_without_a_model_the_page_says_how_to_get_one(page):
    page.run()
    assert not page.exception
    assert "train one with `make`" in page.error[0].value


def test_a_version_whose_file_is_gone_is_named_and_another_can_be_chosen(page):
    register(traffic_light(), SCORES, "challenger")
    register(write_onnx(Path("second.onnx")), SCORES, "champion")
    find_model("2").file.unlink()
    open_store().client.set_model_version_tag(model_name(), "1", "data.name", "sample")
    page.run()
    assert page.selectbox[0].options == ["2 @champion", "1 @challenger"]
    assert page.selectbox[0].value == "2"
    assert r"version 2 @champion\: " in page.error[0].value
    page.selectbox[0].set_value("1").run()
    assert not page.error
    assert "drawings only" in page.warning[0].value
    assert "drawings only" in find_model("1").source
    assert mask_of(give(page, picture())).tolist() == MASK.tolist()


def test_without_a_version_the_exported_file_is_used_unless_it_is_of_another_kind(page):
    Path("metrics").mkdir()
    Path("metrics/evaluate.json").write_text(json.dumps(SCORES["test"]))
    write_onnx(Path("models/model.onnx"), weight=7)  # its masks hold 7
    page.run()
    assert not page.exception
    assert "gives no masks of its 3 classes" in page.error[0].value
    write_traffic_light(Path("models/model.onnx"))
    page.run()
    assert page.selectbox[0].options == ["models/model.onnx"]
    assert page.metric[0].value == "0.801"
    assert mask_of(give(page, picture())).tolist() == MASK.tolist()


def test_int8_is_used_where_it_is_offered_and_float32_on_demand_each_with_its_facts(page):
    write_threshold_model(int8_beside(traffic_light()), 256)  # calls everything background
    register(traffic_light(), SCORES)
    give(page.run(), picture())
    assert page.metric[0].value == "0.799"
    assert page.metric[0].delta == "-0.0019 beside float32"
    assert (mask_of(page) == BACKGROUND).all()
    assert page.info[0].value == "No pet was found in this photograph."
    page.get("button_group")[0].set_value("fp32")
    page.run()
    assert page.metric[0].value == "0.801"
    assert mask_of(page).tolist() == MASK.tolist()
    assert not page.info
    facts = ("0.798 to 0.804", "IoU pet</dt><dd>0.876", "IoU border</dt><dd>0.591", "MLflow run")
    assert all(fact in html(page) for fact in (*facts, "3,421 photographs"))
    found = ("pet <b>50.0%</b>", "border <b>16.7%</b>", "3x2 pixels", " ms in the model")
    assert all(fact in html(page) for fact in found)


def test_the_files_to_take_away_have_every_pixel(page):
    register(traffic_light(), SCORES)
    halves = 5 * [[PET] * 1500] + 5 * [[BACKGROUND] * 1500]  # wider than what is shown
    give(page.run(), picture(halves))
    result = result_of(page)
    assert max(result.mask.shape) < 1500
    cut = Image.open(io.BytesIO(result.cut_out_png()))
    assert (cut.mode, cut.size) == ("RGBA", (1500, 10))
    assert cut.getpixel((0, 0)) == (*RED, 255)
    assert cut.getpixel((1499, 9)) == (0, 0, 0, 0)
    mask = Image.open(io.BytesIO(result.mask_png))
    assert np.array(mask).tolist() == halves
    assert mask.convert("RGB").getpixel((0, 0)) != (PET, PET, PET)


def test_a_bomb_alone_gets_a_sentence_and_the_page_still_works(page):
    """What is no picture at all is among others below."""
    register(traffic_light(), SCORES)
    give(page.run(), ("pet.png", claim(picture()[1], 65_535, 65_535), "image/png"))
    assert not page.exception
    assert page.error[0].value.startswith("**pet.png** does not work: more than 120 megapixels")
    assert not give(page, picture()).error
    assert mask_of(page).tolist() == MASK.tolist()


def test_photographs_of_the_test_list_else_drawn_samples_can_be_tried(page, workspace):
    register(traffic_light(), SCORES)
    page.run()
    assert len(page.button) == 6
    page.button[0].click().run()
    assert mask_of(page).shape == (300, 400)  # the latest counts
    assert mask_of(give(page, picture())).tolist() == MASK.tolist()
    page.button[0].click().run()
    assert mask_of(page).shape == (300, 400)
    write_tiny_pets(workspace)
    st.cache_data.clear()  # as for whoever comes later
    page.run()
    assert [button.label for button in page.button] == ["Bengal 5", "Sphynx 3", "pug 5"]
    page.button[2].click().run()
    assert mask_of(page).shape == (90, 60)  # pug_5


def test_a_model_of_another_data_set_has_no_drawn_samples_and_without_foreground_no_cut_out(page):
    register(write_traffic_light(Path("model.onnx"), streets(3)), SCORES)
    page.run()
    assert page.title[0].value == "Segmentation"
    assert "pixel of a photograph as **road**, **kerb** or **sky**" in page.markdown[0].value
    assert not page.button
    give(page, picture())
    assert not page.exception
    assert not page.info
    words = [image.proto.imgs[0].alt for image in page.get("image")]
    assert [text.partition(":")[0] for text in words] == [
        "pet.png, tinted by class", "The mask, in the colours of the classes"
    ]  # fmt: skip
    assert zipfile.ZipFile(io.BytesIO(pack_results([result_of(page)]))).namelist() == [
        "01-pet.mask.png"
    ]


def test_of_many_classes_the_largest_are_listed_and_the_others_are_folded_up(page):
    """The model takes the brightest channel for the class."""
    nodes = "mask = ReduceMax<keepdims = 0>(photograph, channels)"
    classes = streets(30, role="foreground")
    write_model(Path("models/model.onnx"), CHANNELS, nodes, classes=classes)
    page.run()
    assert "one of 30 classes, such as **road**, **kerb** and **sky**" in page.markdown[0].value
    # Of 4000 pixels, one each are of the classes 1 to 15, all others of the class 29.
    mask = np.full(4000, 29)
    mask[:15] = range(1, 16)
    give(page, picture_of(np.repeat(mask.reshape(40, 100, 1), 3, axis=2)))
    assert not page.exception
    shown, folded = html(page).split("<details>")
    assert "thing 29 <b>99.6%</b>" in shown
    assert "kerb <b>&lt;0.1%</b>" in shown
    assert shown.count("<b>") == 10
    assert folded.startswith("<summary>and 6 more, 0.1% together</summary>")
    assert folded.count("<b>") == 6
    assert result_of(page).in_words().endswith("thing 9 <0.1%, and 6 more")


def test_several_photographs_each_have_a_result_and_a_rejected_one_is_named(page):
    register(traffic_light(), SCORES)
    hostile = "![x](http://elsewhere/x.png) <b>.png"
    ground = picture([[BACKGROUND]], "../ground.png")
    give(page.run(), picture(), (hostile, b"not a picture", "image/png"), ground)
    assert not page.exception
    [error] = page.error
    escaped = r"**\!\[x\]\(http\://elsewhere/x.png\) \<b\>.png** does not work: "
    assert error.value.startswith(escaped)
    assert "pet <b>50.0%</b>" in html(page)
    chosen = next(button for button in page.button if "ground" in button.label)
    chosen.click().run()
    assert page.info[0].value == "No pet was found in this photograph."
    packed = pack_results([*page.session_state["results"].values()])
    names = ["01-pet.mask.png", "01-pet.pet.png", "02-ground.mask.png"]
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == names
    give(page, picture([[PET]], "newest.png"), ground)
    assert "pet <b>100.0%</b>" in html(page)
    words = [image.proto.imgs[0].alt for image in page.get("image")]
    assert len(words) == 6 + 2 + 3  # samples, results, and one of these large
    assert all(words)
    assert "newest.png, tinted by class: pet 100.0%" in " ".join(words)


def test_the_camera_is_asked_for_only_when_it_is_unfolded(page):
    register(traffic_light(), SCORES)
    assert not page.run().get("camera_input")
    page.session_state["camera"] = True
    assert page.run().get("camera_input")


def test_tags_that_hold_no_numbers_are_left_out(page):
    register(traffic_light(), SCORES)
    for tag in ("test.miou", "test.images", "test.iou.pet"):
        open_store().client.set_model_version_tag(model_name(), "1", tag, "<i>n/a")
    assert not page.run().exception
    assert "IoU border</dt><dd>0.591" in html(page)
    assert "n/a" not in html(page)
