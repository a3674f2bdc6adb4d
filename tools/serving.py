"""The HTTP application of `make serve`: a photograph in, its mask out (docs/serving.md)."""

import asyncio
import io
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

import anyio
from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.data.images import ImageError
from pipeline.deploy.predictor import Array, Predict, Predictor, enlarge_mask, longest_side
from tools.decoding import decode_apart, stop_decoding
from tools.serve import MODEL_FILE, MODEL_SOURCE, ORIGIN

MAX_BODY = 20_000_000  # bytes: any telephone's photograph
MAX_WAIT = 60.0  # seconds, for a whole body to arrive, and then for the answer
MAX_PAUSE = 10.0  # seconds in which nothing of a body arrives
MODEL_HEADER = "X-Model"  # "version 3 @champion", or a path, and what it has not seen
FORM = "multipart/form-data"
ACCEPTED = (
    f"accepted is one photograph as it is (Content-Type: image/...), or as the file of a {FORM}; "
    "neither batches nor pixels as JSON (inputs, instances), which MLflow's own server takes"
)
PATHS = "POST /invocations, GET /health, /ping, /version, /v2/health/live, /v2/health/ready"


def served_app() -> Starlette:
    """The application for the model file in PETSEG_SERVED_MODEL: each worker process calls this."""
    model = Predictor(Path(os.environ[MODEL_FILE]), threads=0).tried()  # 0: all cores
    side = longest_side(len(model.classes))
    return make_app(model, side, os.environ[MODEL_SOURCE], os.environ[ORIGIN])


def make_app(predict: Predict, side: int, source: str, origin: str = "") -> Starlette:
    """POST /invocations takes an image, and answers with its mask; the other PATHS, once loaded.

    predict: (H, W, 3) uint8 RGB to (H, W) uint8 class ids. side: to which larger images are reduced
    for it. source: what each mask's header names as the model. origin: the web pages that may ask,
    none by default. Errors are JSON in MLflow's form, `{"error_code": ..., "message": ...}`, with a
    4xx status if the client made them.
    """
    named = {MODEL_HEADER: ascii(source)[1:-1]}
    turn = asyncio.Lock()  # one image at a time is in memory as pixels

    async def invocations(request: Request) -> Response:
        body = await read_body(request)
        with anyio.move_on_after(MAX_WAIT) as waiting:
            leaving = asyncio.create_task(_when_left(request, waiting.cancel))
            try:
                async with turn:
                    mask = await answer(predict, side, request.headers, body)
                    return Response(mask, media_type="image/png", headers=named)
            finally:
                leaving.cancel()
        raise HTTPException(503, f"too busy: no answer within {MAX_WAIT:.0f} seconds")

    allowed = Middleware(
        CORSMiddleware,
        allow_origins=[origin],
        allow_headers=["Content-Type"],
        expose_headers=[MODEL_HEADER],
    )
    ping = Response("\n", media_type="application/json")  # as MLflow answers, and its version
    answers = {
        **dict.fromkeys(("/health", "/ping"), ping),
        "/version": Response(version("mlflow"), media_type="application/json"),
        **{f"/v2/health/{state}": JSONResponse({state: True}) for state in ("live", "ready")},
    }
    return Starlette(
        routes=[
            Route("/invocations", invocations, methods=["POST"]),
            *(Route(path, lambda _, each=each: each) for path, each in answers.items()),
        ],
        middleware=[allowed] if origin else [],
        lifespan=_decoding,
        exception_handlers={
            HTTPException: _as_json,
            ClientDisconnect: lambda *_: Response(status_code=400),  # nobody is there to read it
        },
    )


@asynccontextmanager
async def _decoding(_: Starlette) -> AsyncGenerator[None]:
    yield
    stop_decoding()


async def read_body(request: Request) -> bytes:
    """The body of a request, of a limited size and within a limited time.

    A refused body is read to its end first, and dropped: a client that is still sending would see
    a broken connection in place of the answer. Raises HTTPException: 415 for a type that is
    neither an image's nor FORM, 413 for more than MAX_BODY, 408 for longer than MAX_WAIT, or
    MAX_PAUSE without a byte; and ClientDisconnect.
    """
    kind = _kind(request.headers)
    accepted = kind.startswith("image/") or kind == FORM
    body, size = bytearray(), 0
    end = asyncio.get_running_loop().time() + MAX_WAIT
    try:
        async with asyncio.timeout(MAX_PAUSE) as pause:
            async for chunk in request.stream():
                pause.reschedule(min(end, asyncio.get_running_loop().time() + MAX_PAUSE))
                size += len(chunk)
                if accepted and size <= MAX_BODY:
                    body += chunk
    except TimeoutError:
        text = f"the body did not arrive within {MAX_WAIT:.0f} seconds, or paused"
        raise HTTPException(408, text, {"Connection": "close"}) from None
    if not accepted:
        raise HTTPException(415, f"Content-Type: found {kind or 'nothing'}; {ACCEPTED}")
    if size > MAX_BODY:
        found, most = f"{size / 1e6:.1f} MB", f"{MAX_BODY / 1e6:.0f} MB"
        raise HTTPException(413, f"{found}, accepted are {most}: reduce the photograph")
    return bytes(body)


async def answer(predict: Predict, side: int, headers: Headers, body: bytes) -> bytes:
    """The mask of an image file, as a PNG of class ids. Raises HTTPException (400)."""
    content = await form_file(headers, body) if _kind(headers) == FORM else body
    try:
        image, size = await decode_apart(content, side)
    except ImageError as error:
        raise HTTPException(400, str(error)) from None
    # A thread is waited for, even if the client leaves: the next image has its turn after it.
    return await run_in_threadpool(_mask_png, predict, image, size)


async def form_file(headers: Headers, body: bytes) -> bytes:
    """The only file of a form, as `curl -F image=@cat.jpg` sends it. Raises HTTPException (400)."""

    async def whole() -> AsyncGenerator[bytes]:
        yield body

    parser = MultiPartParser(headers, whole(), max_files=1)
    parser.spool_max_size = MAX_BODY  # in memory, not on the disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"{error.message} {ACCEPTED}") from None
    files = [each for each in form.values() if isinstance(each, UploadFile)]
    if not files:
        raise HTTPException(400, f"a form without a file; {ACCEPTED}")
    return await files[0].read()


def _mask_png(predict: Predict, image: Array, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(enlarge_mask(predict(image), *size)).save(file, "PNG")
    return file.getvalue()


def _kind(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def _when_left(request: Request, stop: Callable[[], None]) -> None:
    """Call `stop` once the client is gone: after the body, a request receives nothing else."""
    await request.receive()
    stop()


async def _as_json(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code)
    message = f"there is {PATHS}" if code in (404, 405) else error.detail
    content = {"error_code": code.name, "message": message}
    return JSONResponse(content, code, error.headers)
