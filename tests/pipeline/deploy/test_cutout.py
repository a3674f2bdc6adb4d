"""The cut-out is opaque on the pet, transparent on the background, and fades across the border."""

import numpy as np
import pytest
from tiny_models import BACKGROUND, BORDER, PET

from pipeline.deploy.cutout import cut_out, opacity
from pipeline.deploy.mask import LONGEST_SIDE


def test_across_the_border_opacity_falls_from_pet_to_background():
    mask = np.array([[PET, BORDER, BORDER, BORDER, BACKGROUND]], np.uint8)
    assert opacity(mask).tolist() == [[255, 191, 128, 64, 0]]  # 255 times 3/4, 2/4 and 1/4


def test_the_way_to_pet_and_background_is_the_shortest_one():
    mask = np.full((5, 5), BACKGROUND, np.uint8)
    mask[0, 0] = PET
    mask[3, 4] = BORDER  # 5 from the pet (3, 4, 5), and 1 from the background beside it
    assert opacity(mask)[3, 4] == round(255 * 1 / 6)


@pytest.mark.parametrize("other", [PET, BACKGROUND])
def test_with_pet_or_background_alone_the_border_counts_as_pet(other):
    mask = np.array([[other, BORDER]], np.uint8)
    assert opacity(mask)[0, 1] == 255


def test_without_pet_and_border_everything_is_transparent():
    assert not opacity(np.full((3, 4), BACKGROUND, np.uint8)).any()


def test_the_pet_keeps_its_colours_and_nothing_of_the_background_stays():
    photograph = np.full((1, 3, 3), 77, np.uint8)
    cut = cut_out(photograph, np.array([[PET, BORDER, BACKGROUND]], np.uint8))
    assert cut.mode == "RGBA"
    assert list(cut.get_flattened_data()) == [(77, 77, 77, 255), (77, 77, 77, 128), (0, 0, 0, 0)]


def test_of_a_large_photograph_the_opacity_is_made_at_the_masks_own_size():
    mask = np.full((3 * LONGEST_SIDE, 6), BACKGROUND, np.uint8)
    mask[:LONGEST_SIDE] = PET
    alpha = opacity(mask)
    assert alpha.shape == mask.shape
    assert (alpha[: LONGEST_SIDE - 3] == 255).all()
    assert (alpha[LONGEST_SIDE + 3 :] == 0).all()
