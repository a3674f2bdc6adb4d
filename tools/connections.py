"""Run uvicorn, with its own options, and drop connections that no request or reader uses.

uvicorn closes idle connections, but waits for half-sent headers, and for a client that does not
read its answer, without end.
"""

import asyncio
import os
import signal
import sys
from tempfile import TemporaryDirectory

from uvicorn.main import main as uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_IDLE = 10.0  # seconds for the headers to arrive; and for an answer to be taken


class Connection(H11Protocol):
    """A connection that has MAX_IDLE seconds between two requests, the answer's way included."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.idle = self.loop.call_later(MAX_IDLE, transport.abort)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle and not self.cycle.response_complete:
            self.idle.cancel()

    def on_response_complete(self) -> None:
        self.idle.cancel()
        self.idle = self.loop.call_later(MAX_IDLE, self.transport.abort)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.idle.cancel()
        super().connection_lost(exc)


def main() -> None:
    """Exit with status 0 on SIGTERM, once the requests in hand are answered."""
    # uvicorn sends itself the signal again after its last answer.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with uvicorn.make_context("uvicorn", sys.argv[1:]) as context:
        context.params["http"] = "tools.connections:Connection"
        workers = context.params["workers"] or int(os.environ.get("WEB_CONCURRENCY", "1"))
        if workers == 1:
            uvicorn.invoke(context)
            return
        # Several processes keep their numbers there, for whichever is asked for /metrics.
        with TemporaryDirectory(prefix="petseg-metrics-") as folder:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            uvicorn.invoke(context)


if __name__ == "__main__":
    main()
