"""The row of an epoch by hand, which row is kept, and the table of them all."""

import time

import pytest
import torch

from pipeline.model.fit import Epoch
from pipeline.scoring.curves import best_row, curve_row, curve_table, summary

# Ten pixels: rows are true, columns predicted pet, background, border.
CONFUSION = torch.tensor([[3, 1, 0], [0, 4, 0], [1, 0, 1]])
NOWHERE = torch.tensor([[2, 1, 0], [0, 1, 0], [0, 0, 0]])  # no border, none predicted


def row(number, confusion=CONFUSION):
    return curve_row(Epoch(number, 0.01 / number, 0.5, 0.75, confusion))


def scored(number, miou):
    return {
        "epoch": number,
        "time": 1,
        "train": {"loss": 1 / number, "lr": 0.1},
        "val": {"loss": 0.5, "miou": miou, "iou": {"pet": miou}},
    }


def test_an_epoch_by_hand():
    before = time.time_ns() // 1_000_000
    made = row(2)
    assert before <= made.pop("time") <= time.time_ns() // 1_000_000
    # Hits over what is true or predicted: 3 of 4 + 4 - 3, 4 of 4 + 5 - 4, 1 of 2 + 1 - 1.
    ious = {"pet": 0.6, "background": 0.8, "border": 0.5}
    assert made == {
        "epoch": 2,
        "train": {"loss": 0.5, "lr": 0.005},
        "val": {"loss": 0.75, "miou": pytest.approx(1.9 / 3, abs=1e-6), "iou": ious},
    }


def test_a_class_that_is_nowhere_has_no_score_and_does_not_count():
    val = row(1, NOWHERE)["val"]
    assert val["iou"] == {"pet": pytest.approx(2 / 3, abs=1e-6), "background": 0.5, "border": None}
    assert val["miou"] == pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-6)


def test_scores_are_rounded_alike_and_so_are_equal_where_they_print_alike():
    third = torch.tensor([[1, 2, 0], [0, 0, 0], [0, 0, 0]])
    assert row(1, third)["val"]["iou"]["pet"] == 0.333333


@pytest.mark.parametrize(
    ("scores", "best"), [([0.25], 1), ([0.25, 0.75, 0.5], 2), ([0.5, 0.75, 0.75, 0.25, 0.75], 2)]
)
def test_the_best_row_is_the_first_of_the_highest_scores(scores, best):
    rows = [scored(number, score) for number, score in enumerate(scores, 1)]
    assert best_row(rows) is rows[best - 1]


def test_the_summary_is_that_of_the_best_row():
    rows = [scored(1, 0.25), scored(2, 0.75), scored(4, 0.5)]
    assert summary(rows) == {
        "best_epoch": 2,
        "train_loss": 0.5,
        "val": {"loss": 0.5, "miou": 0.75, "iou": {"pet": 0.75}},
    }


def test_the_table_has_a_line_an_epoch_flat_columns_and_no_time():
    table = curve_table([row(1), row(2, NOWHERE)])
    assert table.columns.tolist() == [
        "epoch",
        "train_loss",
        "train_lr",
        "val_loss",
        "val_miou",
        "val_iou_pet",
        "val_iou_background",
        "val_iou_border",
    ]
    assert table["epoch"].tolist() == [1, 2]
    assert table["train_lr"].tolist() == [0.01, 0.005]
    assert table["val_iou_border"].isna().tolist() == [False, True]
