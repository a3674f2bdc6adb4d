"""Connections that are kept open for nothing, over real sockets."""

import asyncio
import re
import socket
import threading
from contextlib import suppress

import pytest
import uvicorn
from processes import run_python, wait_until
from servers import free_port

from tools import connections

LARGE = 30_000_000  # bytes: more than the sockets' buffers hold


async def app(scope, receive, send):
    """Answer later than MAX_IDLE, at length."""
    await asyncio.sleep(0.5)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(LARGE)})


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(connections, "MAX_IDLE", 0.3)
    # Without a log_config, uvicorn leaves the loggers of this process to the other tests.
    settings = {"lifespan": "off", "log_config": None, "http": connections.Connection}
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), **settings))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started, seconds=60)
    yield server
    server.should_exit = True
    thread.join()


def connect(server):
    client = socket.create_connection(("127.0.0.1", server.config.port))
    client.settimeout(30)
    return client


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost"])
def test_headers_that_do_not_arrive_are_not_waited_for(server, sent):
    with connect(server) as client:
        client.sendall(sent)
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""


@pytest.mark.parametrize("requests", [1, 2])  # the second is sent before the first is answered
def test_an_answer_that_is_not_read_is_dropped_and_one_that_takes_its_time_is_not(server, requests):
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * requests)
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        wait_until(lambda: not server.server_state.connections, seconds=60)


@pytest.mark.parametrize(
    ("option", "status", "told"),
    [("--wrokers", 2, "mean .*--workers"), ("--version", 0, "")],
)
def test_a_mistyped_option_of_uvicorn_is_told_without_a_traceback(option, status, told):
    done = run_python("-m", "tools.connections", option)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert re.search(told, done.stderr)
