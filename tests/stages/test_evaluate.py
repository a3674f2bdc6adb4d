"""Evaluation against an independent count of the same pixels."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from processes import call
from sklearn import metrics
from tiny_models import save_random_model
from tiny_pets import LISTS, PETS, move_into_shards, write_params

from pipeline.core.files import write_rows
from pipeline.core.terminal import UserError
from pipeline.data.images import load_image, load_mask, save_mask
from pipeline.data.pairs import image_path, mask_path
from pipeline.data.reviewed import COLUMNS
from stages import evaluate as stage


@pytest.fixture
def segmenter(tiny_pets):
    return save_random_model(tiny_pets / "models")


def evaluate():
    paths = "data/pairs data/reviewed data/splits models metrics/evaluate.json tables plots"
    call(stage, *paths.split())
    return json.loads(Path("metrics/evaluate.json").read_text())


def test_scores_agree_with_scikit_learn_in_batches_of_any_size(tiny_pets, segmenter):
    write_params(tiny_pets, evaluate={"batch_size": 1})
    alone = evaluate()
    write_params(tiny_pets, evaluate={"batch_size": 3})
    scores = evaluate()
    assert scores["miou"] == pytest.approx(alone["miou"], abs=1e-3)
    truth, prediction = [], []
    for name in LISTS["test"]:
        truth.append(load_mask(mask_path(tiny_pets / "data/pairs", name)).ravel())
        photograph = load_image(image_path(tiny_pets / "data/pairs", name))
        prediction.append(segmenter(torch.from_numpy(photograph)).numpy().ravel())
    flat = np.concatenate(truth), np.concatenate(prediction)
    assert len(np.unique(flat[1])) == len(PETS), "a model of one answer would test little"
    expected = metrics.jaccard_score(*flat, average=None)
    assert list(scores["iou"].values()) == pytest.approx(expected, abs=1e-3)
    assert scores["miou"] == pytest.approx(expected.mean(), abs=1e-3)
    assert scores["pixel_accuracy"] == pytest.approx(metrics.accuracy_score(*flat), abs=1e-3)
    animal = [(ids != 1).astype(int) for ids in flat]
    merged = scores["border_merged"]["iou"]["pet"]
    assert merged == pytest.approx(metrics.jaccard_score(*animal), abs=1e-3)
    assert scores["images"] == len(LISTS["test"])


def test_the_tables_say_what_the_headline_says_and_count_every_pixel(tiny_pets, segmenter):
    scores = evaluate()
    table = pd.read_csv("tables/scores.csv", index_col="score")
    assert table.loc["miou"].tolist() == [scores["miou"], scores["miou_low"], scores["miou_high"]]
    slices = pd.read_csv("tables/slices.csv")
    assert slices.groupby("slice")["images"].sum().unique().tolist() == [len(LISTS["test"])]
    breeds = slices[slices["slice"] == "breed"]["group"]
    assert sorted(breeds) == sorted(name.rpartition("_")[0] for name in LISTS["test"])
    images = pd.read_csv("tables/per_image.csv")
    assert images["name"].tolist() == LISTS["test"]
    for row in images.to_dict("records"):
        mask = load_mask(mask_path(tiny_pets / "data/pairs", row["name"]))
        for index, name in enumerate(PETS.names):
            assert row[f"{name}_true"] == (mask == index).sum()
        assert sum(row[f"{name}_predicted"] for name in PETS.names) == mask.size


def test_the_sheets_show_every_image_and_pairs_in_shards_give_the_same_bytes(tiny_pets, segmenter):
    folders = [Path("metrics"), Path("tables"), Path("plots")]
    evaluate()
    for sheet in ("examples", "worst", "median"):
        picture = Image.open(f"plots/{sheet}.png")
        assert 4 * 160 < picture.width < 700
        assert picture.height > len(LISTS["test"]) * 140
    for plot in ("confusion", "reliability", "slices"):
        assert min(Image.open(f"plots/{plot}.png").size) > 150
    first = {file: file.read_bytes() for folder in folders for file in folder.iterdir()}
    move_into_shards(tiny_pets / "data/pairs", 2)
    evaluate()
    assert {file: file.read_bytes() for folder in folders for file in folder.iterdir()} == first
    assert len(first) == 1 + 3 + 6


def review(decisions, masks=None):
    """What extract leaves of people's decisions."""
    rows = [(name, decision, "odd") for name, decision in decisions.items()]
    write_rows(Path("data/reviewed/decisions.csv"), COLUMNS, rows)
    for name, mask in (masks or {}).items():
        file = mask_path(Path("data/reviewed"), name)
        file.parent.mkdir(exist_ok=True)
        save_mask(file, mask, PETS.palette)


def test_scores_on_the_reviewed_list_stand_beside_the_headline(tiny_pets, segmenter):
    published = evaluate()
    assert "reviewed" not in published
    files = {file: file.read_bytes() for file in (tiny_pets / "tables").iterdir()}
    first, second, third = LISTS["test"]

    review({first: "right", "Bengal_1": "leave out"})  # the second is not in the list
    reviewed = evaluate().pop("reviewed")
    assert reviewed == {"decisions": {"right": 1}, **published}

    data = tiny_pets / "data/pairs"
    predicted = segmenter(torch.from_numpy(load_image(image_path(data, second)))).numpy()
    review(
        {first: "leave out", second: "model", third: "leave out"},
        {second: predicted.astype(np.uint8)},
    )
    scores = evaluate()
    reviewed = scores.pop("reviewed")
    assert scores == published
    assert {file: file.read_bytes() for file in (tiny_pets / "tables").iterdir()} == files
    assert reviewed["decisions"] == {"leave out": 2, "model": 1}
    assert reviewed["images"] == 1
    assert reviewed["miou"] == reviewed["pixel_accuracy"] == 1

    review(dict.fromkeys(LISTS["test"], "leave out"))
    with pytest.raises(UserError, match="leaves out the whole test list"):
        evaluate()


def test_added_pairs_that_were_held_out_have_scores_of_their_own(tiny_pets, segmenter):
    published = evaluate()
    data, splits = tiny_pets / "data/pairs", tiny_pets / "data/splits"
    for name in LISTS["test"]:
        for place in (image_path, mask_path):
            file = place(splits, f"new_{name}")
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(place(data, name).read_bytes())
    listed = (splits / "test.csv").read_text().splitlines()
    (splits / "added.csv").write_text("\n".join([listed[0], *(f"new_{row}" for row in listed[1:])]))
    assert evaluate() == published | {"added": published}
