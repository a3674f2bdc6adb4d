import numpy as np
import pytest
from tiny_models import write_threshold_model
from tiny_pets import LISTS

from pipeline.core.terminal import UserError
from pipeline.data.pets import image_path, load_image, load_mask, mask_path
from pipeline.deploy.counts import count_pixels


def test_each_model_is_counted_on_each_picture_at_its_own_size(tiny_pets):
    pets, names = tiny_pets / "data/pets", LISTS["test"]
    thresholds = (140, 200)
    files = [write_threshold_model(tiny_pets / f"{limit}.onnx", limit) for limit in thresholds]
    for limit, counts in zip(thresholds, count_pixels(files, pets, names), strict=True):
        assert counts.shape == (len(names), 3, 3)
        for name, matrix in zip(names, counts, strict=True):
            mask = load_mask(mask_path(pets, name))
            prediction = np.where(load_image(image_path(pets, name)).max(axis=2) < limit, 1, 0)
            for truth, predicted in np.ndindex(3, 3):
                both = (mask == truth) & (prediction == predicted)
                assert matrix[truth, predicted] == both.sum()


def test_missing_pictures_are_named_before_the_work_begins(tiny_pets):
    pets = tiny_pets / "data/pets"
    mask_path(pets, "Bengal_5").unlink()
    with pytest.raises(UserError, match=r"Bengal_5\.png is missing \(1 file.*dvc checkout"):
        count_pixels([], pets, LISTS["test"])
