"""What the HTTP application takes, refuses and answers, spoken to in ASGI's own messages."""

import asyncio
import io
import json
import threading
import time

import numpy as np
import pytest
from PIL import Image

from tools.serving import body
from tools.serving.app import make_app
from tools.serving.body import MAX_BODY

JSON = "application/json"
ONE_PIXEL = b'{"inputs": [[[1, 2, 3]]]}'
ITS_MASK = {"predictions": {"mask": [[1]]}}
END = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}


def first_channel(photograph):
    return photograph[..., 0]


async def send(app, *chunks, kind=JSON, path="/invocations", method="POST", last=END):
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
    """Status and message of a request that the model must not see."""

    def predict(_):
        pytest.fail("the model was asked")

    status, content, answer = ask(*chunks, predict=predict, **how)
    assert content == JSON
    return status, json.loads(answer)["message"]


def picture(form="PNG", size=(7, 5)):
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return pixels, file.getvalue()


@pytest.mark.parametrize("kind", [JSON, f"{JSON}; charset=utf-8", "Application/JSON"])
def test_json_is_answered_with_json(kind):
    status, content, answer = ask(ONE_PIXEL[:9], ONE_PIXEL[9:], kind=kind)
    assert (status, content, json.loads(answer)) == (200, JSON, ITS_MASK)


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/*"])
def test_a_picture_is_answered_with_a_picture(kind):
    pixels, file = picture()
    status, content, answer = ask(file, kind=kind)
    assert (status, content) == (200, "image/png")
    assert np.array_equal(Image.open(io.BytesIO(answer)), pixels[..., 0])


def test_a_picture_larger_than_the_model_sees_gets_a_mask_of_its_size():
    _, file = picture("JPEG", (3000, 10))
    _, _, answer = ask(file, kind="image/jpeg")
    assert Image.open(io.BytesIO(answer)).size == (3000, 10)


def test_a_picture_that_is_none_is_refused():
    assert refusal(b"GIF89a", kind="image/gif")[0] == 400
    _, file = picture()
    status, message = refusal(file[:-20], kind="image/png")
    assert status == 400
    assert "the photograph: damaged" in message


@pytest.mark.parametrize("kind", ["text/csv", "application/vnd.apache.parquet", "", None])
def test_another_type_of_content_is_refused(kind):
    status, message = refusal(b"PAR1", kind=kind)
    assert status == 415
    assert f"expected {JSON} or image/..., found {kind or 'nothing'}" in message


def test_the_largest_body_passes_and_a_byte_more_does_not():
    half = ONE_PIXEL.ljust(MAX_BODY // 2)
    assert ask(half, b" " * (MAX_BODY - len(half)))[0] == 200
    status, message = refusal(half, b" " * (MAX_BODY - len(half)), b" ")
    assert status == 413
    assert "20.0 MB, accepted are 20 MB" in message


def test_a_body_that_does_not_arrive_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(body, "MAX_WAIT", 0.0)
    status, message = refusal(*[b"1"] * 100)
    assert status == 408
    assert "did not arrive within 0 seconds" in message


def test_a_client_that_goes_away_is_no_error_of_the_server():
    assert ask(ONE_PIXEL[:9], last=GONE)[0] == 400


def test_one_is_answered_at_a_time_and_all_in_the_end():
    now, most, lock = 0, 0, threading.Lock()

    def predict(photograph):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return photograph[..., 0]

    async def ten():
        app = make_app(predict)
        return await asyncio.gather(*(send(app, ONE_PIXEL) for _ in range(10)))

    answers = asyncio.run(ten())
    assert [json.loads(answer) for _, _, answer in answers] == [ITS_MASK] * 10
    assert most == 1


@pytest.mark.parametrize("path", ["/health", "/ping"])
def test_it_says_that_it_is_there(path):
    assert ask(kind=None, path=path, method="GET")[0] == 200


def test_what_is_not_offered_is_not_found():
    assert ask(kind=None, path="/docs", method="GET")[0] == 404
    assert ask(kind=None, method="GET")[0] == 405
