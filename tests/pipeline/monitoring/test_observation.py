"""What is noted of a picture: numbers worked out by hand, and what they must not depend on."""

import numpy as np
import pytest
from PIL import Image, ImageFilter
from tiny_pets import PETS

from pipeline.monitoring.observation import PIXELS, observe

GREY = np.full((2, 4, 3), 51, np.uint8)  # a fifth of white
MASK = np.array([[0, 0, 1, 1], [1, 1, 1, 2]], np.uint8)
CONFIDENCE = np.array([[255, 255, 127, 128], [254, 254, 255, 0]], np.uint8)


def picture(height=200, width=160):
    """Noise over shapes, brighter at the top."""
    random = np.random.default_rng(0)
    grey = np.linspace(180, 60, height)[:, None] + random.normal(0, 20, (height, width))
    grey[50:90, 40:100] += 40
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def looks(image):
    return observe(image, np.zeros(image.shape[:2], np.uint8), None, PETS)


def test_shares_and_levels_by_hand():
    seen = observe(GREY, MASK, CONFIDENCE, PETS, size=(20, 40))
    assert (seen["width"], seen["height"]) == (40, 20)
    assert seen["brightness"] == pytest.approx(0.2, abs=1e-6)
    assert (seen["contrast"], seen["sharpness"]) == (0, 0)
    shares = [seen[f"share.{name}"] for name in PETS.names]
    assert shares == [0.25, 0.625, 0.125]
    assert seen["confidence"] == pytest.approx(CONFIDENCE.mean() / 255, abs=1e-6)
    levels = {name: seen[name] for name in seen if name.startswith("level")}
    assert levels == {
        "level.pet.7": 0.25,
        "level.background.0": 0.125,
        "level.background.1": 0.125,
        "level.background.7": 0.375,
        "level.border.0": 0.125,
    }
    # Rows are at a quarter and three quarters of the height.
    assert [seen["centre.pet"], seen["centre.background"], seen["centre.border"]] == [
        0.25,
        0.55,
        0.75,
    ]


def test_a_model_without_confidence_leaves_it_open():
    seen = observe(GREY, MASK, None, PETS)
    assert seen["confidence"] is None
    assert not [name for name in seen if name.startswith("level")]
    assert seen["share.background"] == 0.625


def test_each_change_moves_the_feature_that_names_it():
    before = looks(picture())
    dark = looks((picture() * 0.5).astype(np.uint8))
    assert dark["brightness"] == pytest.approx(before["brightness"] / 2, abs=0.005)
    assert dark["contrast"] == pytest.approx(before["contrast"] / 2, abs=0.005)
    assert dark["sharpness"] == pytest.approx(before["sharpness"], rel=0.05)
    blurred = Image.fromarray(picture()).filter(ImageFilter.GaussianBlur(2))
    assert looks(np.array(blurred))["sharpness"] < before["sharpness"] / 3


def test_a_picture_on_its_head_differs_in_where_the_classes_are_alone():
    mask = np.zeros((200, 160), np.uint8)
    mask[20:60] = 1
    upright = observe(picture(), mask, None, PETS)
    turned = observe(picture()[::-1, ::-1], mask[::-1, ::-1], None, PETS)
    assert (upright["centre.background"], turned["centre.background"]) == (0.2, 0.8)
    assert upright["centre.border"] is None
    for name in ("brightness", "contrast", "sharpness", "share.pet"):
        assert turned[name] == pytest.approx(upright[name], abs=1e-5)


def test_a_large_picture_is_sampled_without_changing_what_is_seen():
    side = 4 * int(PIXELS**0.5)
    mask = np.zeros((side, side), np.uint8)
    mask[: side // 4] = 1
    image = np.broadcast_to(np.uint8(102), (side, side, 3)).copy()
    seen = observe(image, mask, np.full_like(mask, 250), PETS)
    assert (seen["share.background"], seen["share.pet"]) == (0.25, 0.75)
    assert (seen["level.background.5"], seen["brightness"]) == (0.25, 0.4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (3, 1)])
def test_the_smallest_pictures_have_no_detail(shape):
    seen = looks(np.full((*shape, 3), 7, np.uint8))
    assert seen["sharpness"] == 0
    assert all(np.isfinite(value) for value in seen.values() if value is not None)
