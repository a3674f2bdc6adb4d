"""What the review page asks and writes; test_review_in_browser.py presses its keys."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from pictures import encoded
from streamlit.testing.v1 import AppTest
from tiny_models import PET, write_traffic_light
from tiny_pets import LISTS, PETS, write_tiny_pets

from pipeline.core.files import file_digest
from pipeline.core.layout import LABELS, PAIRS, SUSPECTS
from pipeline.data.images import load_mask, save_mask
from pipeline.data.pairs import image_path, mask_path
from pipeline.ingest.additions import read_additions
from pipeline.ingest.decisions import Held, Review, change, read_reviews
from pipeline.scoring.suspects import TABLE
from tools.page.review import likely_swap

NAMES = ("Bengal_1", "pug_1", "pug_5")  # the last of the test list; the most suspicious first
ANN = "Ann <ann@example.org>"


def script():
    from tools.page.review import review_page

    review_page()


@pytest.fixture
def workspace(workspace, monkeypatch):
    st.cache_data.clear()
    st.cache_resource.clear()
    write_tiny_pets(workspace)
    classes = replace(PETS, dataset="tiny")
    write_traffic_light(Path("models/model.onnx"), classes)
    for name in NAMES:  # the model shifts everything
        mask = load_mask(mask_path(PAIRS, name))
        mask_path(SUSPECTS, name).parent.mkdir(parents=True, exist_ok=True)
        save_mask(mask_path(SUSPECTS, name), np.roll(mask, 9, axis=1), PETS.palette)
    table = {
        "name": NAMES,
        "list": ["train", "train", "test"],
        "breed": ["Bengal", "pug", "pug"],
        "kind": ["swapped", "shifted", "shifted"],
        "score": [0.9, 0.8, 0.7],
        "share": [0.5, 0.2, 0.1],
    }
    pd.DataFrame(table).to_csv(SUSPECTS / TABLE, index=False)
    (workspace / "gitconfig").write_text("[user]\nname = Ann\nemail = ann@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(workspace / "gitconfig"))
    return workspace


def opened():
    page = AppTest.from_function(script, default_timeout=60).run()
    assert not page.exception
    return page


@pytest.fixture
def page(workspace):
    return opened()


def press(page, label):
    [button] = [each for each in page.button if each.label.startswith(label)]
    return button.click().run()


def shown(page):
    return page.session_state["current"]


def digest(name):
    return file_digest(mask_path(PAIRS, name))


def decisions():
    return {name: review.decision for name, review in read_reviews(LABELS).items()}


def test_decisions_are_written_one_after_the_other_and_taken_back(page):
    assert shown(page) == "Bengal_1"
    assert "0 of 3 decided" in page.get("progress")[0].proto.text
    page.text_input[0].set_value("  as it should\nbe ").run()
    press(page, "Right")
    assert read_reviews(LABELS) == {
        "Bengal_1": Review("Bengal_1", digest("Bengal_1"), "right", ANN, "as it should be")
    }
    assert shown(page) == "pug_1"
    press(page, "Take the model")
    assert mask_path(LABELS, "pug_1").read_bytes() == mask_path(SUSPECTS, "pug_1").read_bytes()
    assert decisions() == {"Bengal_1": "right", "pug_1": "model"}
    press(page, "Undo")
    assert (shown(page), decisions()) == ("pug_1", {"Bengal_1": "right"})
    assert not mask_path(LABELS, "pug_1").exists()
    press(page, "are swapped")
    assert decisions()["pug_1"].startswith("swap:")


def test_a_test_mask_is_not_changed_without_a_reason(page):
    press(press(page, "Next"), "Next")
    assert shown(page) == "pug_5"
    assert "pug_5" in LISTS["test"]
    press(page, "Leave out")
    assert "say why" in page.warning[0].value
    assert decisions() == {}
    page.text_input[0].set_value("two animals").run()
    press(page, "Leave out")
    assert decisions() == {"pug_5": "leave out"}
    assert shown(page) == "Bengal_1"  # those passed over come again


def test_pairs_are_filtered_by_kind_list_and_group(page):
    chosen = {box.label: box for box in page.selectbox}
    assert {"kind", "list", "breed"} <= chosen.keys()
    chosen["kind"].set_value("shifted").run()
    assert shown(page) == "pug_1"
    assert "0 of 2 decided" in page.get("progress")[0].proto.text
    {box.label: box for box in page.selectbox}["list"].set_value("test").run()
    assert shown(page) == "pug_5"


def test_a_mask_from_a_file_must_fit_the_picture(page):
    height, width = load_mask(mask_path(PAIRS, "Bengal_1")).shape
    drawn = np.full((height, width), PET, np.uint8)
    page.file_uploader[0].set_value(("wrong.png", encoded(drawn[1:]), "image/png")).run()
    assert "differ in size" in page.error[0].value
    page.file_uploader[0].set_value(("drawn.png", encoded(drawn), "image/png")).run()
    press(page, "Take this file")
    assert decisions() == {"Bengal_1": "file"}
    np.testing.assert_array_equal(load_mask(mask_path(LABELS, "Bengal_1")), drawn)


def test_two_pages_show_different_pairs_and_a_decision_of_another_is_not_overwritten(page):
    other = opened()
    assert (shown(page), shown(other)) == ("Bengal_1", "pug_1")
    review = Review("Bengal_1", digest("Bengal_1"), "leave out", "Bob", "")
    change(LABELS, "Bengal_1", Held(), Held(review))
    press(page, "Right")
    assert "decided meanwhile" in page.warning[0].value
    assert decisions() == {"Bengal_1": "leave out"}


def test_a_decision_about_an_earlier_mask_is_asked_for_again(workspace):
    earlier = Review("Bengal_1", "0" * 64, "leave out", "Bob", "")
    change(LABELS, "Bengal_1", Held(), Held(earlier))
    page = opened()
    assert shown(page) == "Bengal_1"
    assert "has changed since Bob decided" in page.info[0].value
    press(page, "Right")
    assert decisions() == {"Bengal_1": "right"}


def additions():
    from pathlib import Path

    from tools.page.additions import additions_page

    additions_page(Path("log"))


def test_kept_photographs_become_pairs_or_are_discarded_and_both_can_be_undone(workspace):
    kept = workspace / "log/kept"
    kept.mkdir(parents=True)
    content = image_path(PAIRS, "pug_1").read_bytes()
    for name in ("seen-1", "seen-2"):
        (kept / f"{name}.jpg").write_bytes(content)
    page = AppTest.from_function(additions, default_timeout=60).run()
    assert not page.exception
    press(page, "Accept")
    [added] = read_additions(LABELS).values()
    assert (added.name, added.dataset, added.reviewer) == ("seen-1", "tiny", ANN)
    assert added.origin.startswith("prediction log; mask of the model ")
    assert image_path(LABELS / "added", "seen-1").read_bytes() == content
    assert (
        load_mask(mask_path(LABELS / "added", "seen-1")).shape
        == load_mask(mask_path(PAIRS, "pug_1")).shape
    )
    press(page, "Discard")
    assert [file.name for file in kept.iterdir()] == ["seen-1.jpg"]
    assert "No photograph is left" in page.success[0].value
    press(press(page, "Undo"), "Undo")
    assert sorted(file.name for file in kept.iterdir()) == ["seen-1.jpg", "seen-2.jpg"]
    assert read_additions(LABELS) == {}


def test_the_swap_that_helps_most_is_proposed():
    predicted = np.repeat(np.uint8([[0, 1, 2]]), 6, axis=0)
    mask = np.uint8([0, 2, 1])[predicted]
    mask[0] = 255
    assert likely_swap(mask, predicted, 3) == (1, 2)
