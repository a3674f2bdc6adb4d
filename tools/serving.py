"""The HTTP application of `make serve`: a photograph in, its mask out (docs/serving.md)."""

import asyncio
import io
import os
from pathlib import Path

from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.data.images import ImageError, decode_image
from pipeline.deploy.predictor import Predict, Predictor, predict_mask
from tools.serve import MODEL_FILE

MAX_BODY = 20_000_000  # bytes: any telephone's photograph
MAX_WAIT = 60.0  # seconds, for a whole body to arrive


def served_app() -> Starlette:
    """The application for the model file in PETSEG_SERVED_MODEL: each worker process calls this."""
    return make_app(Predictor(Path(os.environ[MODEL_FILE]), threads=0).tried())  # 0: all cores


def make_app(predict: Predict) -> Starlette:
    """POST /invocations takes an image, and answers with its mask; GET /health, once loaded.

    predict: (H, W, 3) uint8 RGB to (H, W) uint8 class ids. Errors are JSON in MLflow's form,
    `{"error_code": ..., "message": ...}`, with a 4xx status if the client made them.
    """
    turn = asyncio.Lock()  # one image at a time is in memory as pixels, which may be 2.5 GB

    async def invocations(request: Request) -> Response:
        body = await read_body(request)
        async with turn:
            return await asyncio.to_thread(answer, predict, body)

    return Starlette(
        routes=[
            Route("/invocations", invocations, methods=["POST"]),
            *(Route(path, lambda _: Response("\n")) for path in ("/health", "/ping")),
        ],
        exception_handlers={
            HTTPException: _as_json,
            ClientDisconnect: lambda *_: Response(status_code=400),  # nobody is there to read it
        },
    )


async def read_body(request: Request) -> bytes:
    """The body of a request, of a limited size and within a limited time.

    A refused body is read to its end first, and dropped: a client that is still sending would see
    a broken connection in place of the answer. Raises HTTPException: 415 for a type that is no
    image's, 413 for more than MAX_BODY, 408 for longer than MAX_WAIT; and ClientDisconnect.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    accepted = kind.startswith("image/")
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(MAX_WAIT):
            async for chunk in request.stream():
                size += len(chunk)
                if accepted and size <= MAX_BODY:
                    body += chunk
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {MAX_WAIT:.0f} seconds") from None
    if not accepted:
        raise HTTPException(415, f"Content-Type: expected image/..., found {kind or 'nothing'}")
    if size > MAX_BODY:
        found, most = f"{size / 1e6:.1f} MB", f"{MAX_BODY / 1e6:.0f} MB"
        raise HTTPException(413, f"{found}, accepted are {most}: reduce the photograph")
    return bytes(body)


def answer(predict: Predict, body: bytes) -> Response:
    """The mask of an image file, as a PNG of class ids. Raises HTTPException (400)."""
    try:
        image = decode_image(io.BytesIO(body))
    except ImageError as error:
        raise HTTPException(400, str(error)) from None
    file = io.BytesIO()
    Image.fromarray(predict_mask(predict, image)).save(file, "PNG")
    return Response(file.getvalue(), media_type="image/png")


async def _as_json(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    content = {"error_code": "BAD_REQUEST", "message": error.detail}
    return JSONResponse(content, error.status_code, error.headers)
