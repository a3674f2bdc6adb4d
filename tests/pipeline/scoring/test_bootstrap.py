import tracemalloc

import numpy as np
import pytest

from pipeline.scoring.bootstrap import (
    bootstrap,
    bootstrap_weights,
    interval,
    resampled_counts,
    resampled_means,
)
from pipeline.scoring.confusion import margins, mean_iou, pixel_accuracy


def draw_counts(images: int, seed: int = 0, classes: int = 3) -> np.ndarray:
    """Matrices of images of many sizes."""
    return np.random.default_rng(seed).integers(0, 10**6, (images, classes, classes))


def all_weights(images: int, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    return np.concatenate(list(bootstrap_weights(images, resamples, seed)))


def test_the_seed_alone_decides_the_resamples():
    assert all_weights(5, 3, seed=0).tolist() == [
        [0, 2, 1, 1, 1],
        [4, 0, 0, 0, 1],
        [0, 0, 1, 2, 2],
    ]
    assert (all_weights(5, 3, seed=1) != all_weights(5, 3, seed=0)).any()
    assert (all_weights(7, 50).sum(axis=1) == 7).all()  # as many images as there are


@pytest.mark.parametrize("chunk", [1, 60, 10**6])
def test_the_size_of_the_pieces_does_not_change_the_resamples(chunk, monkeypatch):
    whole = all_weights(20, resamples=30)
    monkeypatch.setattr("pipeline.scoring.bootstrap.CHUNK", chunk)
    pieces = list(bootstrap_weights(20, resamples=30))
    assert max(piece.size for piece in pieces) <= max(chunk, 20)
    assert (np.concatenate(pieces) == whole).all()
    counts = draw_counts(images=20)
    samples = bootstrap(lambda weights: resampled_counts(counts, weights), 20, resamples=30)
    assert (samples == resampled_counts(counts, whole)).all()


def test_resampled_counts_and_means_agree_with_a_loop():
    counts, weights = draw_counts(images=20), all_weights(20, resamples=30)
    expected = [
        sum(counts[image] * int(times) for image, times in enumerate(row)) for row in weights
    ]
    assert (resampled_counts(counts, weights) == np.stack(expected)).all()
    values = np.random.default_rng(0).normal(size=(20, 3))
    values[::3, 1] = np.nan
    expected = [np.nanmean(np.repeat(values, row, axis=0), axis=0) for row in weights]
    assert resampled_means(values, weights) == pytest.approx(np.stack(expected))
    assert resampled_means(values[:, 0], weights) == pytest.approx(np.stack(expected)[:, 0])


def test_a_resample_of_nan_alone_is_left_out_of_the_interval():
    values, weights = np.array([np.nan, 0.5]), np.array([[2, 0], [1, 1], [0, 2]], dtype=np.uint8)
    means = resampled_means(values, weights)
    assert np.array_equal(means, [np.nan, 0.5, 0.5], equal_nan=True)
    assert interval(means).tolist() == [0.5, 0.5]
    assert np.isnan(interval(np.full(10, np.nan))).all()


def test_an_interval_is_the_middle_part_of_the_samples():
    samples = np.arange(101.0)
    assert interval(samples, level=0.9) == pytest.approx([5, 95])
    low, high = interval(np.stack([samples, samples * 2], axis=1), level=0.5)
    assert low == pytest.approx([25, 50])
    assert high == pytest.approx([75, 150])
    one = margins(draw_counts(images=1))
    samples = mean_iou(resampled_counts(one, all_weights(1, resamples=10)))
    assert interval(samples) == pytest.approx(mean_iou(one).repeat(2))


def test_95_percent_intervals_hold_the_truth_about_95_times_in_100():
    generator = np.random.default_rng(0)
    held = {"accuracy of all pixels": 0, "mean over images": 0}
    for trial in range(300):
        # Images of many sizes, 70 % of whose pixels are right, more or less by image.
        pixels = generator.integers(500, 1500, size=80)
        right = generator.binomial(pixels, generator.beta(14, 6, size=80))
        counts = np.zeros((80, 2, 2), dtype=np.int64)
        counts[:, 0, 0], counts[:, 0, 1] = right, pixels - right
        weights = all_weights(80, resamples=400, seed=trial)
        by_pixel = interval(pixel_accuracy(resampled_counts(margins(counts), weights)))
        by_image = interval(resampled_means(right / pixels, weights))
        held["accuracy of all pixels"] += by_pixel[0] < 0.7 < by_pixel[1]
        held["mean over images"] += by_image[0] < 0.7 < by_image[1]
    # The standard error of 300 trials is 1.3 %; the percentile method is somewhat too narrow.
    assert all(0.90 <= times / 300 <= 0.985 for times in held.values()), held


def test_a_hundred_thousand_images_need_no_matrix_of_all_their_weights():
    counts = draw_counts(100_000)
    tracemalloc.start()
    bootstrap(lambda weights: resampled_counts(counts, weights), 100_000, resamples=300)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 29e6  # of which a piece is 18, the counts as float64 7: all weights would be 30
