"""The body of a request, of a limited size and within a limited time."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request

from tools.serving.formats import JSON, is_accepted

MAX_BODY = 20_000_000  # bytes: a telephone's photograph, or as JSON one of 1400x1100 pixels
MAX_WAIT = 60.0  # seconds, for a whole body to arrive


async def read_body(request: Request) -> tuple[str, bytes]:
    """The type of content, in lower case without parameters, and the body.

    What is refused passes by unread first: a client that still sends would see a broken connection
    in place of the answer. Raises HTTPException: 415 for a type that is not accepted, 413 for a
    body above MAX_BODY, 408 for one that takes longer than MAX_WAIT; and ClientDisconnect.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(MAX_WAIT):
            async for chunk in request.stream():
                size += len(chunk)
                if is_accepted(kind) and size <= MAX_BODY:
                    body += chunk
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {MAX_WAIT:.0f} seconds") from None
    if not is_accepted(kind):
        found = kind or "nothing"
        raise HTTPException(415, f"Content-Type: expected {JSON} or image/..., found {found}")
    if size > MAX_BODY:
        found, most = f"{size / 1e6:.1f} MB", f"{MAX_BODY / 1e6:.0f} MB"
        raise HTTPException(413, f"{found}, accepted are {most}: reduce the photograph")
    return kind, bytes(body)
