"""The JSON of a photograph: exactly what it says, or an error that says where it is wrong."""

import numpy as np
import pytest
from starlette.exceptions import HTTPException

from tools.serving.formats import pixels


def test_the_numbers_are_the_pixels():
    photograph = pixels(b'{"inputs": [[[0, 1, 2], [253, 254, 255]]], "params": {}}')
    assert photograph.dtype == np.uint8
    assert np.array_equal(photograph, [[[0, 1, 2], [253, 254, 255]]])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"no JSON", "the body: Invalid JSON"),
        (b"", "the body: Invalid JSON"),
        (b"\xff\xfe", "the body: Invalid JSON"),
        (b"[" * 1_000_000, "the body: Invalid JSON: recursion limit"),
        (b"[[[1, 2, 3]]]", "the body: Input should be an object"),
        (b'{"instances": [[[1, 2, 3]]]}', "inputs: Field required"),
        (b'{"inputs": null}', "inputs: Input should be a valid array"),
        (b'{"inputs": "cat.jpg"}', "inputs: Input should be a valid array"),
        (b'{"inputs": {"photograph": [[[1, 2, 3]]]}}', "inputs: Input should be a valid array"),
        (b'{"inputs": [[1, 2, 3]]}', "inputs.0.0: Input should be a valid array"),  # grey
        (b'{"inputs": [[[1, 2, 3, 255]]]}', "inputs.0.0: Tuple should have at most 3 items"),
        (b'{"inputs": [[[[1, 2, 3]]]]}', "inputs.0.0.0: Input should be a valid integer"),
        (b'{"inputs": [[["1", 2, 3]]]}', "inputs.0.0.0: Input should be a valid integer"),
        (b'{"inputs": [[[true, 2, 3]]]}', "inputs.0.0.0: Input should be a valid integer"),
        (b'{"inputs": [[[1, null, 3]]]}', "inputs.0.0.1: Input should be a valid integer"),
        (b'{"inputs": [[[0.5, 0, 0]]]}', "inputs.0.0.0: Input should be a valid integer"),
        (b'{"inputs": [[[1, 2, NaN]]]}', "inputs.0.0.2: Input should be a"),
        (b'{"inputs": [[[1, 2, -1]]]}', "inputs.0.0.2: Input should be greater than or equal to 0"),
        (b'{"inputs": [[[1, 2, 3]], [[1, 256, 3]]]}', "inputs.1.0.1: Input should be less than"),
        (b'{"inputs": [[[1, 2, 3]], []]}', "inputs: expected rows of pixels, all equally long"),
        (b'{"inputs": []}', "inputs: expected rows"),
        (b'{"inputs": [[]]}', "inputs: expected rows"),
    ],
)
def test_anything_else_is_refused_with_its_place(body, message):
    with pytest.raises(HTTPException) as refusal:
        pixels(body)
    assert refusal.value.status_code == 400
    assert refusal.value.detail.startswith(message)
