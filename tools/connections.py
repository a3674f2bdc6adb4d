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
    """A connection with MAX_IDLE seconds to send a request's headers, and to take an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.idle = self.loop.call_later(MAX_IDLE, transport.abort)

    def handle_events(self) -> None:
        super().handle_events()
        # While an answer waits to be taken, a further request is no reason to wait longer.
        if self.cycle and not self.cycle.response_complete and not self.flow.write_paused:
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
    arguments = [*sys.argv[1:], "--http", "tools.connections:Connection"]
    # Without complaints about other options: uvicorn itself has them.
    asked = uvicorn.make_context("uvicorn", [*arguments], resilient_parsing=True).params["workers"]
    # Several processes keep their numbers there, for whichever is asked for /metrics.
    with TemporaryDirectory(prefix="petseg-metrics-") as folder:
        if (asked or int(os.environ.get("WEB_CONCURRENCY", "1"))) > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        uvicorn(arguments, prog_name="uvicorn")


if __name__ == "__main__":
    main()
