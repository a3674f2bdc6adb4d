"""What a model disputes, and why, is worked out by hand on squares."""

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_models import random_network, save_random_model
from tiny_pets import PETS

from pipeline.data.classes import IGNORE, Class, Classes
from pipeline.data.images import load_mask
from pipeline.data.pairs import mask_path
from pipeline.data.splits import read_split
from pipeline.model.settings import ModelParams
from pipeline.scoring.segmenter import BothWays
from pipeline.scoring.suspects import (
    ANOTHER,
    KINDS,
    ONE_CLASS,
    PART_MISSING,
    RIM,
    SHIFTED,
    SWAPPED,
    THIN,
    are_swapped,
    draw_suspects,
    find_suspects,
    judge,
    ranked,
    unusual,
)

PET, BACKGROUND, BORDER = range(3)
STREET = Classes("street", tuple(Class(name, "#123456") for name in ("sky", "road", "tree")))


def mask_with(*boxes, size=100):
    """Background with boxes of pet: (top, bottom, left, right). Of 100x100 thick is from 3 on."""
    mask = np.full((size, size), BACKGROUND, np.uint8)
    for top, bottom, left, right in boxes:
        mask[top:bottom, left:right] = PET
    return mask


SEEN = mask_with((30, 70, 30, 70))
EAR = mask_with((30, 70, 0, 50), (20, 30, 30, 40))
EAR_MOVED = mask_with((30, 70, 0, 40), (20, 30, 20, 30))


def judged(label, seen=SEEN, lead=1.0, classes=PETS):
    return judge(label, seen, np.full(label.shape, lead, np.float32), classes)


@pytest.mark.parametrize(
    ("label", "seen", "lead", "kind", "strength"),
    [
        # A quarter of the pet is missing, and the model is 80 points surer of it.
        (mask_with((30, 70, 30, 60)), SEEN, 0.8, PART_MISSING, 0.25 * 0.8),
        # Half of a small object is as wrong as half of a large one.
        (mask_with((40, 60, 40, 50)), mask_with((40, 60, 40, 60)), 1.0, PART_MISSING, 0.5),
        (mask_with((10, 90, 10, 50)), mask_with((10, 90, 10, 90)), 1.0, PART_MISSING, 0.5),
        # A ring of one pixel around the pet hardly counts.
        (mask_with((29, 71, 29, 71)), SEEN, 1.0, RIM, THIN * (42**2 - 40**2) / 42**2),
        # Moved by 6 of 100 pixels: 480 of them are disputed, where 1,840 are the object, but all
        # of the label is wrong.
        (np.roll(SEEN, 6, axis=1), SEEN, 0.8, SHIFTED, 0.8),
    ],
)
def test_the_strength_of_a_dispute_by_hand(label, seen, lead, kind, strength):
    found = judged(label, seen, lead)
    assert (found.kind, found.strength) == (kind, pytest.approx(strength))


def test_a_rim_is_half_an_object():
    """A quarter of the pet is labelled as border."""
    label = SEEN.copy()
    label[30:70, 60:70] = BORDER
    found = judged(label)
    assert (found.kind, found.strength) == (PART_MISSING, pytest.approx(0.25 / 2))


@pytest.mark.parametrize(
    ("label", "seen", "kind"),
    [
        (1 - SEEN, SEEN, SWAPPED),
        (np.full_like(SEEN, BACKGROUND), SEEN, ONE_CLASS),
        (np.full_like(SEEN, PET), SEEN, ONE_CLASS),
        (np.roll(SEEN, (5, -12), (0, 1)), SEEN, SHIFTED),
        # A body that the image's edge cuts off, and an ear: moved out by 10 pixels, it is narrower.
        (EAR_MOVED, EAR, SHIFTED),
        (mask_with((30, 70, 30, 50)), SEEN, PART_MISSING),
        # The label is right; the model sees a larger region far away, too.
        (mask_with((0, 30, 20, 60)), mask_with((0, 30, 20, 60), (62, 98, 15, 65)), PART_MISSING),
        (mask_with((2, 22, 10, 90)), SEEN, ANOTHER),
        (mask_with((30, 70, 30, 70), (0, 20, 0, 60)), SEEN, ANOTHER),
        (SEEN, SEEN, RIM),
        (np.where(SEEN == PET, np.uint8(BORDER), SEEN), SEEN, ONE_CLASS),  # besides the border
    ],
)
def test_each_kind_is_known(label, seen, kind):
    assert judged(label, seen).kind == kind


def test_where_no_class_is_background_all_pixels_are_the_object():
    """A tenth of the picture is road for the label, and tree for the model."""
    label, seen = np.zeros((2, 100, 100), np.uint8)
    label[:50], seen[:50], seen[:10] = 1, 1, 2
    found = judged(label, seen, classes=STREET)
    assert (found.kind, found.strength) == (ANOTHER, pytest.approx(0.1))


def test_a_class_with_the_wrong_name_is_swapped_with_the_right_one():
    label, seen = np.zeros((2, 100, 100), np.uint8)
    label[:20], seen[:20] = 1, 2
    assert judged(label, seen, classes=STREET).kind == SWAPPED


def test_ignored_pixels_count_nowhere():
    label = mask_with((30, 70, 30, 60))
    label[:, 60:] = IGNORE
    assert judged(label) == judge(label, label, np.ones(label.shape, np.float32), PETS)
    nothing = judged(np.full_like(SEEN, IGNORE))
    assert (nothing.kind, nothing.strength, nothing.share) == (RIM, 0, 0)


@pytest.mark.parametrize(
    ("counts", "swapped"),
    [
        ([[1, 9, 0], [8, 2, 0], [0, 0, 5]], True),
        ([[1, 0, 9], [0, 0, 0], [0, 0, 0]], True),  # the second name is nowhere
        ([[9, 1, 0], [1, 9, 0], [0, 0, 5]], False),
        ([[1, 9, 0], [2, 8, 0], [0, 0, 5]], False),  # one taken for the other, but not back
        ([[1, 9, 0], [8, 2, 0], [40, 0, 5]], False),  # does not end most of it
        ([[5, 0, 0], [0, 5, 0], [0, 0, 5]], False),
    ],
)
def test_classes_are_swapped_if_both_are_seen_as_each_other(counts, swapped):
    assert are_swapped(np.array(counts)) == swapped


def test_a_score_of_a_half_is_the_models_usual_strongest_dispute():
    strengths = np.linspace(0, 1, 11)
    scores = unusual(strengths)
    assert scores[9] == pytest.approx(0.5)
    assert (np.diff(scores) > 0).all()
    assert unusual(np.array([0, 0.02])).tolist() == [0, 0.5]  # less is never unusual


def test_both_ways_a_mirrored_image_gets_the_mirrored_mask():
    network = BothWays(random_network(ModelParams(features=(4, 8)), 32))
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        plain, mirrored = network(images), network(images.flip(-1))
    torch.testing.assert_close(mirrored, plain.flip(-1), atol=1e-4, rtol=0)
    torch.testing.assert_close(plain.exp().sum(dim=1), torch.ones(2, 32, 32))


def test_a_list_gets_kinds_scores_and_the_models_masks(tiny_pets, tmp_path):
    segmenter = save_random_model(tiny_pets / "models")
    data, folder = tiny_pets / "data/pairs", tmp_path / "found"
    rows = read_split(tiny_pets / "data/splits/test.csv")
    found = find_suspects(segmenter, data, rows, 2, folder)
    assert found[[*rows]].equals(rows)
    assert set(found["kind"]) <= set(KINDS)
    assert found["score"].between(0, 1, inclusive="left").all()
    for name, share in zip(found["name"], found["share"], strict=True):
        label, seen = (load_mask(mask_path(root, name)) for root in (data, folder))
        assert share == pytest.approx((label != seen).mean())
    sheets = dict(draw_suspects(data, folder, ranked({"test": [found]}), PETS))
    assert [*sheets] == ["test-01"]


def test_the_ranking_puts_the_most_suspicious_first_whatever_its_list():
    parts = {
        "test": [pd.DataFrame({"name": ["a"], "score": [0.3]})],
        "train": [pd.DataFrame({"name": [name], "score": [0.5]}) for name in ("c", "b")],
    }
    table = ranked(parts)
    assert [*table] == ["name", "list", "score"]
    assert table["name"].tolist() == ["b", "c", "a"]
    assert table["list"].tolist() == ["train", "train", "test"]
