"""The body of a request: a photograph as it is, or as the only file of a form."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

MAX_BODY = 20_000_000  # bytes: any telephone's photograph
MAX_WAIT = 60.0  # seconds, for a whole body to arrive
MAX_PAUSE = 10.0  # seconds in which nothing of a body arrives
FORM = "multipart/form-data"
ACCEPTED = (
    f"accepted is one photograph as it is (Content-Type: image/...), or as the file of a {FORM}; "
    "neither batches nor pixels as JSON (inputs, instances), which MLflow's own server takes"
)


async def read_image(request: Request) -> bytes:
    """The image file of a request. Raises HTTPException (400, and as `read_body`)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await read_body(request, kind)
    return await form_file(request.headers, body) if kind == FORM else body


async def read_body(request: Request, kind: str) -> bytes:
    """The body of a request of this content type, of a limited size and within a limited time.

    A refused body is read to its end first, and dropped: a client that is still sending would see
    a broken connection in place of the answer. Raises HTTPException: 415 for a type that is
    neither an image's nor FORM, 413 for more than MAX_BODY, 408 for longer than MAX_WAIT, or
    MAX_PAUSE without a byte; and ClientDisconnect.
    """
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
