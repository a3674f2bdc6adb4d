"""Parts of a handmade test list: who is in which, and which are flagged."""

import numpy as np
import pandas as pd
import pytest

from pipeline.scoring.slices import FEW, slice_table
from pipeline.scoring.tables import COUNT_COLUMNS

WELL = [30, 5, 0, 0, 55, 0, 0, 0, 10]
BADLY = [5, 30, 0, 0, 55, 0, 0, 0, 10]


def pictures(breed, species, counts, number, **properties):
    known = {"breed": breed, "species": species, "pet_share": 0.3, "brightness": 0.5}
    row = known | {"touches_frame": False} | dict(zip(COUNT_COLUMNS, counts, strict=True))
    return [row | properties for _ in range(number)]


@pytest.fixture
def table():
    rows = [
        *pictures("pug", "dog", WELL, 30, brightness=0.2),
        *pictures("Bengal", "cat", BADLY, 20, touches_frame=True),
        *pictures("Sphynx", "cat", BADLY, FEW - 1, pet_share=0.7),
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def slices(table):
    return slice_table(table, whole=(0.6, 0.7)).set_index(["slice", "group"])


def test_every_slice_holds_every_picture(slices, table):
    assert set(slices.groupby(level="slice")["images"].sum()) == {len(table)}


def test_the_score_is_that_of_the_summed_counts(slices):
    # Pet 30 of 35, background 55 of 60, border 10 of 10.
    assert slices.loc[("breed", "pug"), "miou"] == pytest.approx(
        (30 / 35 + 55 / 60 + 1) / 3, abs=1e-6
    )
    total = np.array(BADLY)  # equal pictures score as one does
    expected = (total[0] / 35 + 55 / 85 + 1) / 3
    assert slices.loc[("species", "cat"), "miou"] == pytest.approx(expected, abs=1e-6)


def test_only_what_lies_below_the_whole_is_flagged_and_few_pictures_are_said(slices):
    breeds = slices.loc["breed"]
    assert breeds["below"].to_dict() == {"Bengal": True, "Sphynx": False, "pug": False}
    assert breeds["few"].to_dict() == {"Bengal": False, "Sphynx": True, "pug": False}


def test_the_worst_group_comes_first(slices):
    assert slices.loc["breed"].index.tolist() == ["Bengal", "Sphynx", "pug"]


def test_pictures_are_sorted_by_their_properties(slices):
    images = slices["images"]
    assert images["pet size"].to_dict() == {"25 to 50 %": 50, "above 50 %": FEW - 1}
    assert images["brightness"].to_dict() == {"dark": 30, "medium": 20 + FEW - 1}
    assert images["frame"].to_dict() == {"touched": 20, "not touched": 30 + FEW - 1}


@pytest.mark.parametrize(
    ("share", "group"), [(0.0, "below 10 %"), (0.0999, "below 10 %"), (0.1, "10 to 25 %")]
)
def test_a_bound_belongs_to_the_upper_group(share, group):
    table = pd.DataFrame(pictures("pug", "dog", WELL, 1, pet_share=share))
    slices = slice_table(table, (0, 1))
    assert group in slices["group"].tolist()
