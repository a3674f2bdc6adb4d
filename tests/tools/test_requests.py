"""What the HTTP application takes, refuses and answers, spoken to in ASGI's own messages."""

import asyncio
import io
import json
import time

import numpy as np
import pytest
from PIL import Image

from tools import serving
from tools.serving import MAX_BODY, make_app

END = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}


def image_file(form="PNG", size=(7, 5)):
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return pixels, file.getvalue()


PIXELS, FILE = image_file()


def first_channel(image):
    return image[..., 0]


async def send(app, *chunks, kind="image/png", path="/invocations", method="POST", last=END):
    """Send the chunks of a body, then `last`; return the answer's status, type and body."""
    headers = [(b"content-type", kind.encode())] if kind is not None else []
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append(last)
    sent = []

    async def receive():
        await asyncio.sleep(0)
        return messages.pop(0) if messages else GONE

    async def keep(message):
        sent.append(message)

    await app(scope, receive, keep)
    content = dict(sent[0]["headers"]).get(b"content-type", b"").decode()
    return sent[0]["status"], content, b"".join(message.get("body", b"") for message in sent[1:])


def ask(*chunks, predict=first_channel, **how):
    return asyncio.run(send(make_app(predict), *chunks, **how))


def refusal(*chunks, **how):
    """Status and message of a request that must not reach the model."""

    def predict(_):
        pytest.fail("the model was asked")

    status, content, answer = ask(*chunks, predict=predict, **how)
    assert content == "application/json"
    return status, json.loads(answer)["message"]


@pytest.mark.parametrize("kind", ["image/png", "Image/JPEG; q=1", "image/*"])
def test_an_image_is_answered_with_its_mask(kind):
    status, content, answer = ask(FILE[:9], FILE[9:], kind=kind)
    assert (status, content) == (200, "image/png")
    assert np.array_equal(Image.open(io.BytesIO(answer)), PIXELS[..., 0])


@pytest.mark.parametrize("body", [b"GIF89a", b"", FILE[:-20]])
def test_a_body_that_is_no_image_is_refused(body):
    status, message = refusal(body)
    assert status == 400
    assert message.startswith("the photograph: ")


@pytest.mark.parametrize("kind", ["text/csv", "application/json", "", None])
def test_another_type_of_content_is_refused(kind):
    status, message = refusal(b"PAR1", kind=kind)
    assert status == 415
    assert f"expected image/..., found {kind or 'nothing'}" in message


def test_the_largest_body_passes_and_a_byte_more_does_not():
    half = FILE.ljust(MAX_BODY // 2)
    assert ask(half, b" " * (MAX_BODY - len(half)))[0] == 200
    status, message = refusal(half, b" " * (MAX_BODY - len(half)), b" ")
    assert status == 413
    assert "20.0 MB, accepted are 20 MB" in message


def test_a_body_that_does_not_arrive_is_not_waited_for_and_no_error_of_the_server(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(serving, "MAX_WAIT", 0.0)
        status, message = refusal(*[b"1"] * 100)
    assert status == 408
    assert "did not arrive within 0 seconds" in message
    assert ask(FILE[:9], last=GONE)[0] == 400


def test_requests_are_answered_one_at_a_time_and_all_in_the_end():
    running = []

    def predict(image):
        running.append(image)
        time.sleep(0.02)
        assert len(running) == 1
        return running.pop()[..., 0]

    async def ten():
        app = make_app(predict)
        return await asyncio.gather(*(send(app, FILE) for _ in range(10)))

    assert [status for status, _, _ in asyncio.run(ten())] == [200] * 10


def test_the_server_has_a_health_check_and_nothing_else():
    expected = {"/health": 200, "/ping": 200, "/docs": 404, "/invocations": 405}
    assert {path: ask(kind=None, path=path, method="GET")[0] for path in expected} == expected
