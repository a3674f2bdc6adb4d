"""A web server on this machine that serves files well, or badly in the ways it is told."""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess

import yaml
from processes import run_python

DRIP = 8192  # bytes
ETAG = '"one"'
BYTES, OTHER = (random.Random(seed).randbytes(300_000) for seed in (0, 1))


@dataclass
class Reply:
    """What one reply does differently; the default is to serve the file as it should be."""

    status: int | None = None  # in place of 200, 206 or 404
    headers: dict[str, str | None] = field(default_factory=dict)  # None leaves one out
    send: int | None = None  # bytes of the body after which the connection is closed
    ranges: bool = True
    damage: int | None = None  # place of a byte of the body that is another one
    drip: float = 0.0  # seconds between pieces of 8 kB
    before: Callable[[], object] = lambda: None  # called before the reply begins


class FileServer(ThreadingHTTPServer):
    """Serves `files` by path, with ETag and ranges; `replies` are used up one per request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.replies: list[Reply] = []
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that hang up are part of the tests."""

    def ranges_asked(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.requests]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        reply = self.server.replies.pop(0) if self.server.replies else Reply()
        reply.before()
        status, headers, body = self.answer(reply)
        self.send_response(reply.status or status)
        headers |= reply.headers
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if reply.damage is not None:
            body = bytes([*body[: reply.damage], body[reply.damage] ^ 1, *body[reply.damage + 1 :]])
        body = body[: reply.send]
        piece = DRIP if reply.drip else len(body) or 1
        for start in range(0, len(body), piece):
            if reply.drip:
                time.sleep(reply.drip)
            self.wfile.write(body[start : start + piece])

    def answer(self, reply: Reply) -> tuple[int, dict[str, str | None], bytes]:
        body = self.server.files.get(self.path.partition("?")[0])
        if body is None:
            return 404, {"Content-Length": "0"}, b""
        headers: dict[str, str | None] = {"ETag": ETAG}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, ETAG)
        if not (asked and same and reply.ranges):
            return 200, headers | {"Content-Length": str(len(body))}, body
        first, size = int(asked[1]), len(body)
        if first >= size:
            return 416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"}, b""
        headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
        return 206, headers | {"Content-Length": str(size - first)}, body[first:]

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def run_download(
    folder: Path, sources: object, places: Sequence[object] = ()
) -> CompletedProcess[str]:
    """Run the stage download as DVC does: it fetches the sources into folder/data/raw."""
    params = {"download": {"dataset": "mine", "places": list(places)}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    layout = {"images": "images/{name}.*", "masks": "masks/{name}.*"}
    classes = [{"name": name, "values": [value]} for value, name in enumerate(("sky", "road"))]
    described = {"sources": sources, "layout": layout, "classes": classes}
    (folder / "datasets").mkdir(exist_ok=True)
    (folder / "datasets/mine.yaml").write_text(yaml.safe_dump(described, sort_keys=False))
    stage = ("-m", "stages.download", "datasets", "data/raw", "metrics/download.json")
    return run_python(*stage, cwd=folder, DVC_ROOT=str(folder))
