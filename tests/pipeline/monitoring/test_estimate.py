"""Scores without truth: exact on the test pictures themselves, and on other mixtures of them."""

import numpy as np
import pandas as pd
import pytest
from monitored import log_rows, make_reference, pictures

from pipeline.monitoring.estimate import accuracies, estimate, mistaken
from pipeline.monitoring.observation import LEVELS
from pipeline.monitoring.reference import Reference
from pipeline.scoring.confusion import margins, mean_iou, pixel_accuracy


def by_hand() -> Reference:
    """Two classes of 100 pixels each: sky is right in 80 of 80 sure and 10 of 20 doubtful ones."""
    pixels, right = np.zeros((2, 2, LEVELS), np.int64)
    pixels[:, [0, 7]] = [[20, 80], [60, 40]]
    right[:, [0, 7]] = [[10, 80], [30, 40]]
    confusion = np.array([[90, 30], [10, 70]])
    return Reference(["sky", "road"], pd.DataFrame({"width": [10]}), pixels, right, confusion)


def row(sizes, **levels):
    names = {f"level.{key.replace('_', '.')}": value for key, value in levels.items()}
    return {"width": sizes[0], "height": sizes[1], "confidence": 0.9, **names}


def test_an_estimate_by_hand():
    """100 pixels of sky, half doubtful: 75 right, 25 belong to road. 300 of road, 300 right."""
    one = row((10, 10), sky_0=0.5, sky_7=0.5)
    other = row((20, 15), road_7=1.0)  # larger pictures weigh more
    found = estimate(pd.DataFrame([one, other]), by_hand())
    assert found.pixel_accuracy[0] == pytest.approx((75 + 300) / 400)
    assert found.miou[0] == pytest.approx((75 / 100 + 300 / 325) / 2)
    # The two resamples of one picture alone: 0.75 and 1.
    assert found.pixel_accuracy[1:3] == (0.75, 1.0)
    assert found.pixel_accuracy.reference == 160 / 200
    assert found.miou.reference == pytest.approx((90 / 130 + 70 / 110) / 2)


def test_the_truth_of_new_pictures_is_in_the_interval():
    """Sixty times forty pictures: 95 % of the truths are to be within, by chance 90."""
    reference, within = make_reference(pictures(150)), 0
    for seed in range(60):
        seen = pictures(40, seed=seed + 1)
        truth = float(pixel_accuracy(margins(make_reference(seen).confusion)))
        _, low, high, _ = estimate(log_rows(seen), reference).pixel_accuracy
        assert high - low < 0.1
        within += low <= truth <= high
    assert within >= 54


def test_what_the_test_never_showed_is_as_in_the_other_classes_or_as_sure_as_it_says():
    known = accuracies(by_hand())
    assert known[0, [0, 7]].tolist() == [0.5, 1]
    assert known[1, 3] == pytest.approx((224 + 240) / 2 / 255)
    lacking = by_hand()
    lacking.pixels[0, 7] = lacking.right[0, 7] = 0
    lacking.right[1, 7] = 30
    assert accuracies(lacking)[0, 7] == 0.75
    assert mistaken(by_hand()).tolist() == [[0, 1], [1, 0]]


def test_the_test_pictures_themselves_get_the_scores_of_their_evaluation():
    seen = pictures(40)
    reference = make_reference(seen)
    counted = margins(reference.confusion)
    scores = (float(pixel_accuracy(counted)), float(mean_iou(counted)))
    found = estimate(log_rows(seen), reference)
    assert (found.pixel_accuracy[0], found.miou[0]) == pytest.approx(scores, abs=1e-5)
    for score, of_reference in zip(found, scores, strict=True):
        assert 0 <= score.low < score.estimate < score.high <= 1
        assert score.reference == of_reference


def test_another_mixture_of_the_same_pixels_gets_its_own_scores():
    """Only pictures of which the model is unsure: the truth is known here, and met."""
    seen = pictures(200)
    reference = make_reference(seen)
    unsure = sorted(seen, key=lambda each: each.confidence.mean())[:60]
    counted = margins(make_reference(unsure).confusion)
    found = estimate(log_rows(unsure), reference)
    assert found.pixel_accuracy[0] == pytest.approx(float(pixel_accuracy(counted)), abs=0.01)
    assert found.miou[0] == pytest.approx(float(mean_iou(counted)), abs=0.02)
    assert found.miou.estimate < found.miou.reference - 0.05


def test_a_class_that_the_test_lacks_is_left_out_here_too():
    lacking = by_hand()
    lacking.confusion[1] = 0
    found = estimate(pd.DataFrame([row((10, 10), sky_7=1.0)]), lacking)
    assert found.miou[0] == 1


def test_a_class_that_no_picture_shows_is_left_out_on_both_sides():
    """An evaluation of pictures without road would not score it either."""
    found = estimate(pd.DataFrame([row((10, 10), sky_7=0.9, sky_0=0.1)] * 2), by_hand())
    assert found.miou.estimate == pytest.approx(0.95)  # right: all of 90, half of 10
    assert found.miou.reference == pytest.approx(90 / 130)


def test_a_class_that_few_pictures_show_counts_in_every_resample():
    """Else the upper end would be that of the other class alone."""
    rows = [row((10, 10), sky_7=1.0)] * 98 + [row((10, 10), road_0=1.0)] * 2
    found = estimate(pd.DataFrame(rows), by_hand())
    assert found.miou.estimate == pytest.approx((9800 / 9900 + 100 / 200) / 2)
    assert found.miou.high < 0.9


def test_no_interval_leaves_the_scores_range_even_if_nearly_all_is_right():
    reference = make_reference(pictures(20))
    sure = log_rows(pictures(20)).iloc[:1]
    for name in reference.classes:
        sure = sure.assign(**{f"level.{name}.{level}": 0.0 for level in range(LEVELS)})
    sure = sure.assign(**{f"level.{reference.classes[0]}.{LEVELS - 1}": 1.0})
    for score in estimate(sure, reference):
        assert 0 <= score.low <= score.high <= 1


def test_without_confidence_nothing_is_estimated():
    rows = log_rows(pictures(3)).assign(confidence=None)
    assert estimate(rows, make_reference(pictures(3))) is None
