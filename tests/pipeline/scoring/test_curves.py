"""The scores of an epoch by hand, the epoch that is kept, and the table of all."""

import pytest
import torch

from pipeline.scoring.curves import curve_table, kept_epoch, validation_scores

# Ten pixels: rows are true, columns predicted pet, background, border.
CONFUSION = torch.tensor([[3, 1, 0], [0, 4, 0], [1, 0, 1]])
NOWHERE = torch.tensor([[2, 1, 0], [0, 1, 0], [0, 0, 0]])  # no border, none predicted


def row(number, confusion):
    val = {"loss": 0.75, **validation_scores(confusion)}
    return {"epoch": number, "time": 1, "train": {"loss": 0.5, "lr": 0.01 / number}, "val": val}


def test_the_scores_by_hand():
    # Hits over what is true or predicted: 3 of 4 + 4 - 3, 4 of 4 + 5 - 4, 1 of 2 + 1 - 1.
    ious = {"pet": 0.6, "background": 0.8, "border": 0.5}
    miou = pytest.approx(1.9 / 3, abs=1e-6)
    assert validation_scores(CONFUSION) == {"miou": miou, "iou": ious}


def test_a_class_that_is_nowhere_has_no_score_and_does_not_count():
    assert validation_scores(NOWHERE) == {
        "miou": pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-6),
        # Rounded, so that scores which print alike are equal.
        "iou": {"pet": 0.666667, "background": 0.5, "border": None},
    }


def test_the_kept_epoch_is_that_of_the_best_row():
    rows = [row(1, NOWHERE), row(2, CONFUSION), row(3, NOWHERE)]
    assert kept_epoch(rows) == {"best_epoch": 2, "train_loss": 0.5, "val": rows[1]["val"]}


def test_the_table_has_a_line_an_epoch_flat_columns_and_no_time():
    table = curve_table([row(1, CONFUSION), row(2, NOWHERE)])
    ious = ["val_iou_pet", "val_iou_background", "val_iou_border"]
    head = ["epoch", "train_loss", "train_lr", "val_loss", "val_miou"]
    assert table.columns.tolist() == head + ious
    assert table["epoch"].tolist() == [1, 2]
    assert table["train_lr"].tolist() == [0.01, 0.005]
    assert table["val_iou_border"].isna().tolist() == [False, True]
