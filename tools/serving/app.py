"""The HTTP application of `make serve`: a photograph in, its mask out (docs/serving.md)."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from importlib.metadata import distributions
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
from PIL import Image
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.config import STARTUP_FAILURE

from pipeline.core.terminal import UserError, printable
from pipeline.data.images import ImageError
from pipeline.deploy.predictor import enlarge_mask
from pipeline.deploy.results import png_of
from pipeline.monitoring.log import PredictionLog
from tools.decoding import Decoded, decode_apart, stop_decoding
from tools.serve import SETTINGS
from tools.serving.afterwards import Afterwards, Answered
from tools.serving.body import read_image
from tools.serving.live import ANSWERS, SHADOW, Followed, LiveModel, Served, answered_before
from tools.serving.metrics import Counting, Metrics
from tools.serving.openapi import DESCRIPTION, HEADERS, OUTPUTS
from tools.serving.page import drawn, show_page

MAX_WAIT = 60.0  # seconds until an image has its turn and is answered
LEFT = 499  # nginx's status for a client that did not wait: nobody reads it
PATHS = ", ".join(
    f"{method.upper()} {path}" for path, known in DESCRIPTION["paths"].items() for method in known
)
Render = Callable[[Answered], Any]  # what the answer needs of it


def served_app() -> Starlette:
    """The application for the arguments of `make serve`: each worker process calls this."""
    settings = SimpleNamespace(**json.loads(os.environ[SETTINGS]))
    metrics = Metrics()
    shadow = settings.shadow and Followed(SHADOW, settings.shadow, settings.precision, metrics)
    answers = Followed(ANSWERS, settings.model, settings.precision, metrics)
    try:
        log = PredictionLog(Path(settings.log), settings.keep) if settings.log else None
    except UserError as error:
        logging.getLogger("uvicorn.error").critical("%s", printable(error))
        # A worker that comes later ends alone: those that answer must not end with it.
        sys.exit(1 if answered_before() else STARTUP_FAILURE)
    afterwards = Afterwards(metrics, log, shadow or None, settings.shadow_share)
    return make_app(LiveModel(answers, shadow or None), afterwards, settings.cors_origin)


def make_app(live: LiveModel, afterwards: Afterwards, origin: str = "") -> Starlette:
    """The PATHS, answered by the live model, which may be replaced between two images.

    origin: the web pages that may ask, none by default. Errors are JSON in MLflow's form,
    `{"error_code": ..., "message": ...}`, with a 4xx status if the client made them.
    """
    service = Service(live, afterwards)
    # As MLflow answers, and its version: empty where it is not installed, as in the container.
    mlflow = next((each.version for each in distributions(name="mlflow")), "")
    ping = Response("\n", media_type="application/json")
    mlflows = Response(mlflow, media_type="application/json")
    routes = [
        Route("/", service.page),
        Route("/", service.upload, methods=["POST"]),
        Route("/invocations", service.invocations, methods=["POST"]),
        Route("/health", service.health),
        Route("/v2/health/ready", service.ready),
        Route("/v2/health/live", lambda _: JSONResponse({"live": True})),
        Route("/ping", lambda _: ping),
        Route("/version", lambda _: mlflows),
        Route("/metrics", service.metrics),
        Route("/openapi.json", lambda _: JSONResponse(DESCRIPTION)),
    ]
    paths = frozenset(route.path for route in routes)
    counting = Middleware(Counting, metrics=afterwards.metrics, paths=paths)
    allowed = Middleware(
        CORSMiddleware,
        allow_origins=[origin],
        allow_methods=["GET", "POST"],
        allow_headers=["Content-Type"],
        expose_headers=[*HEADERS],
    )
    return Starlette(
        routes=routes,
        middleware=[counting, allowed] if origin else [counting],
        lifespan=service.running,
        exception_handlers={
            HTTPException: _as_json,
            ClientDisconnect: lambda *_: Response(status_code=LEFT),
        },
    )


class Service:
    """What the routes answer."""

    def __init__(self, live: LiveModel, afterwards: Afterwards) -> None:
        self.live, self.afterwards = live, afterwards
        self.turn = asyncio.Lock()  # one image at a time is in memory as pixels

    @asynccontextmanager
    async def running(self, _: Starlette) -> AsyncGenerator[None]:
        self.live.start()
        self.afterwards.start()
        yield
        self.live.stop()
        await run_in_threadpool(self.afterwards.stop)
        stop_decoding()

    async def invocations(self, request: Request) -> Response:
        """The mask of an image as a PNG of class ids; with ?output=confidence, how sure it is."""
        output = request.query_params.get("output", "mask")
        if output not in OUTPUTS:
            raise HTTPException(400, f"output: found {output}; accepted are {', '.join(OUTPUTS)}")
        answered, png = await self.label(request, partial(_png, output), output == "confidence")
        noted = BackgroundTask(self.afterwards.take, answered)
        headers = model_headers(answered.served)
        return Response(png, media_type="image/png", headers=headers, background=noted)

    async def page(self, _: Request) -> Response:
        return show_page(self.live.current)

    async def upload(self, request: Request) -> Response:
        """The page with the photograph that its form sent, and what is in it."""
        try:
            answered, shown = await self.label(request, drawn, confident=True)
        except HTTPException as error:
            return show_page(self.live.current, status=error.status_code, message=error.detail)
        noted = BackgroundTask(self.afterwards.take, answered)
        headers = model_headers(answered.served)
        return show_page(answered.served, shown=shown, headers=headers, background=noted)

    async def health(self, _: Request) -> Response:
        served = self.live.current
        if not served:
            return JSONResponse({"status": "loading", "model": None}, 503)
        model = served.predictor.identity | {"source": served.source}
        return JSONResponse({"status": "ready", "model": model})

    async def ready(self, _: Request) -> Response:
        ready = self.live.current is not None
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    def metrics(self, _: Request) -> Response:
        return Response(self.afterwards.metrics.exposed(), media_type=CONTENT_TYPE_LATEST)

    async def label(
        self, request: Request, render: Render, confident: bool
    ) -> tuple[Answered, Any]:
        """Label the image of a request, at its turn and while its client is there.

        render: makes of it what the answer needs. Raises HTTPException, and ClientDisconnect.
        """
        body = await read_image(request)
        with anyio.CancelScope() as present, anyio.move_on_after(MAX_WAIT):
            leaving = asyncio.create_task(_when_left(request, present.cancel))
            try:
                async with self.turn:
                    return await self._answer(body, render, confident)
            finally:
                leaving.cancel()
        if present.cancel_called:
            raise ClientDisconnect
        raise HTTPException(503, f"too busy: no answer within {MAX_WAIT:.0f} seconds")

    async def _answer(self, body: bytes, render: Render, confident: bool) -> tuple[Answered, Any]:
        if not (served := self.live.current):
            raise HTTPException(503, "the model is being loaded: try again in some seconds")
        try:
            decoded = await decode_apart(body, served.predictor.side)
        except ImageError as error:
            raise HTTPException(400, str(error)) from None
        confident |= self.afterwards.log is not None
        # A thread is waited for, even if the client leaves: the next image has its turn after it.
        answered, shown = await run_in_threadpool(_label, served, decoded, render, confident)
        self.afterwards.metrics.model_seconds.observe(answered.seconds)
        return answered, shown


def model_headers(served: Served) -> dict[str, str]:
    """Which model gave an answer, in ASCII: the HEADERS. No header says what is not known."""
    named = {"X-Model": served.source}
    named |= {f"X-Model-{key}": value for key, value in served.predictor.identity.items()}
    return {header: ascii(str(text))[1:-1] for header, text in named.items() if text is not None}


def _label(
    served: Served, decoded: Decoded, render: Render, confident: bool
) -> tuple[Answered, Any]:
    mask, confidence, seconds = served.predictor.predict(decoded.image, confident)
    pixels = (decoded.image, mask, confidence)
    answered = Answered(served, *pixels, decoded.size, decoded.format, seconds)
    return answered, render(answered)


def _png(output: str, answered: Answered) -> bytes:
    """One of OUTPUTS at the size of the image that was sent; its texts say which model gave it.

    Raises HTTPException (400) if the model does not tell its confidence.
    """
    values = getattr(answered, output)
    if values is None:
        text = "this model was exported before models told their confidence: export it again"
        raise HTTPException(400, f"output: {text}, or ask for the mask")
    image = Image.fromarray(enlarge_mask(values, *answered.size))
    return png_of(image, answered.served.predictor.identity)


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
