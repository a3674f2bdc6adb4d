"""Photographs and masks as they travel: pictures, or MLflow's JSON."""

import io
from collections.abc import Callable
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from pipeline.data.images import ImageError, decode_image
from pipeline.deploy.mask import predict_mask

JSON = "application/json"

Array = NDArray[np.uint8]
Predict = Callable[[Array], Array]
Number = Annotated[int, Field(ge=0, le=255)]
Row = Annotated[list[tuple[Number, Number, Number]], FailFast()]


class Invocation(BaseModel):
    """The JSON of a photograph: rows of pixels, each red, green and blue."""

    # Strict: of texts and fractions, numpy would make numbers without a word.
    model_config = ConfigDict(strict=True)

    inputs: Annotated[list[Row], FailFast()]


def is_accepted(kind: str) -> bool:
    return kind == JSON or kind.startswith("image/")


def answer(predict: Predict, kind: str, body: bytes) -> Response:
    """The mask, in the form in which the photograph came: JSON, or a picture (PNG) of class ids.

    Raises HTTPException (400), which says why, for a body that is no photograph.
    """
    if kind == JSON:
        mask = predict_mask(predict, pixels(body))
        return JSONResponse({"predictions": {"mask": mask.tolist()}})
    try:
        photograph = decode_image(io.BytesIO(body))
    except ImageError as error:
        raise HTTPException(400, str(error)) from None
    return Response(as_png(predict_mask(predict, photograph)), media_type="image/png")


def pixels(body: bytes) -> Array:
    """The photograph of `{"inputs": ...}`, (H, W, 3). Raises HTTPException (400)."""
    try:
        rows = Invocation.model_validate_json(body).inputs
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise HTTPException(400, f"{place or 'the body'}: {first['msg']}") from None
    widths = {len(row) for row in rows}
    if len(widths) != 1 or widths == {0}:
        raise HTTPException(400, "inputs: expected rows of pixels, all equally long, at least one")
    return np.array(rows, np.uint8)


def as_png(mask: Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return file.getvalue()
