"""The HTTP application: a photograph in, its mask out (docs/serving.md)."""

import asyncio
import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.deploy.predictor import Predictor
from tools.serving.body import read_body
from tools.serving.formats import Predict, answer

MODEL_FILE = "PETSEG_SERVED_MODEL"


def served_app() -> Starlette:
    """What each worker of the server calls: the application of the file in PETSEG_SERVED_MODEL."""
    return make_app(Predictor(Path(os.environ[MODEL_FILE]), threads=0).tried())  # 0: all cores


def make_app(predict: Predict) -> Starlette:
    """POST /invocations as MLflow has it, and pictures beside its JSON; GET /health, once loaded.

    predict: a photograph, (H, W, 3) uint8 RGB, to its mask, (H, W) uint8 class ids. Errors are
    JSON as MLflow's, `{"error_code": ..., "message": ...}`, with a 4xx status for the client's.
    """
    turn = asyncio.Lock()  # one photograph is in memory as pixels, which may be 2.5 GB

    async def invocations(request: Request) -> Response:
        kind, body = await read_body(request)
        async with turn:
            return await asyncio.to_thread(answer, predict, kind, body)

    async def health(_: Request) -> Response:
        return Response("\n")

    return Starlette(
        routes=[
            Route("/invocations", invocations, methods=["POST"]),
            *(Route(path, health) for path in ("/health", "/ping")),
        ],
        exception_handlers={HTTPException: as_json, ClientDisconnect: as_nothing},
    )


async def as_json(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    content = {"error_code": "BAD_REQUEST", "message": error.detail}
    return JSONResponse(content, error.status_code, error.headers)


async def as_nothing(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it
