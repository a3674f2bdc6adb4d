"""What the HTTP application takes, refuses and answers, spoken to in ASGI's own messages."""

import asyncio
import io
import json
import time
from importlib.metadata import version

import numpy as np
import pytest
from asgi import END, send
from pictures import decoded, encoded
from PIL import Image
from tiny_models import write_onnx, write_sure_model

from pipeline.core.files import file_digest
from pipeline.deploy.predictor import Predictor
from tools.serving import body
from tools.serving.afterwards import Afterwards
from tools.serving.app import make_app
from tools.serving.body import MAX_BODY
from tools.serving.live import Followed, LiveModel, Served
from tools.serving.metrics import Metrics

FORM = "multipart/form-data; boundary=cut"
GONE = {"type": "http.disconnect"}


PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
FILE = encoded(PIXELS)
SIDE = 300  # to which larger images are reduced


class Doing(Predictor):
    """A model that does what a test wants."""

    def __init__(self, file, label):
        super().__init__(file, threads=1, version=3)
        self.label, self.side = label, SIDE

    def __call__(self, image):
        return self.label(image)


@pytest.fixture(scope="module")
def onnx(tmp_path_factory):
    """A model that tells no confidence."""
    return write_onnx(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture(scope="module")
def make(onnx):
    """Make the application of a function from images to masks."""

    def made(predict=first_channel, source="", origin=""):
        metrics = Metrics()
        followed = Followed("answers", str(onnx), "fp32", metrics)
        if predict:
            followed.current = Served(Doing(onnx, predict), source, {})
        return make_app(LiveModel(followed), Afterwards(metrics, None, None, 0), origin)

    return made


@pytest.fixture(scope="module")
def ask(make):
    def asked(*chunks, predict=first_channel, **how):
        return asyncio.run(send(make(predict), *chunks, **how))

    return asked


@pytest.fixture(scope="module")
def refusal(ask):
    """Status and message of a request that must not reach the model."""

    def refused(*chunks, **how):
        status, headers, answer = ask(*chunks, predict=not_asked, **how)
        assert headers["content-type"] == "application/json"
        return status, json.loads(answer)["message"]

    return refused


def first_channel(image):
    return image[..., 0]


def not_asked(_):
    pytest.fail("the model was asked")


@pytest.mark.parametrize("kind", ["image/png", "Image/JPEG; q=1", "image/*"])
def test_an_image_is_answered_with_its_mask(ask, kind):
    status, headers, answer = ask(FILE[:9], FILE[9:], kind=kind)
    assert (status, headers["content-type"]) == (200, "image/png")
    assert np.array_equal(decoded(answer), PIXELS[..., 0])


def test_a_large_image_is_reduced_for_the_model_and_its_mask_enlarged(ask):
    def predict(image):
        assert image.shape == (200, SIDE, 3)
        return image[..., 0]

    status, _, answer = ask(encoded(np.full((400, 600, 3), 7, np.uint8)), predict=predict)
    assert (status, decoded(answer).tolist()) == (200, [[7] * 600] * 400)


def test_an_answer_says_in_headers_and_in_its_png_which_model_gave_it(make, onnx):
    _, headers, png = asyncio.run(send(make(source="version 3, drawn\nin Köln"), FILE))
    assert headers["x-model"] == r"version 3, drawn\nin K\xf6ln"
    digest = file_digest(onnx)[:12]
    named = [headers[f"x-model-{name}"] for name in ("version", "digest", "dataset")]
    assert named == ["3", digest, "tiny"]
    texts = Image.open(io.BytesIO(png)).text
    assert (texts["petseg.model.version"], texts["petseg.model.digest"]) == ("3", digest)


def test_the_confidence_is_given_if_asked_for_and_if_the_model_tells_it(ask, tmp_path):
    metrics = Metrics()
    file = write_sure_model(tmp_path / "sure.onnx")
    followed = Followed("answers", str(file), "fp32", metrics)
    followed.load_first()
    app = make_app(LiveModel(followed), Afterwards(metrics, None, None, 0))
    asked = send(app, FILE, path="/invocations?output=confidence")
    status, headers, answer = asyncio.run(asked)
    assert (status, headers["content-type"]) == (200, "image/png")
    assert np.array_equal(decoded(answer), PIXELS[..., 0])
    assert decoded(asyncio.run(send(app, FILE))[2]).tolist() == [[1] * 7] * 5

    status, _, answer = ask(FILE, path="/invocations?output=confidence")
    assert (status, "export it again" in json.loads(answer)["message"]) == (400, True)
    status, _, answer = ask(FILE, path="/invocations?output=both")
    assert (status, "accepted are mask, confidence" in json.loads(answer)["message"]) == (400, True)


@pytest.mark.parametrize("body", [b"GIF89a", b"", FILE[:-20]])
def test_a_body_that_is_no_image_is_refused(refusal, body):
    status, message = refusal(body)
    assert status == 400
    assert message.startswith("the photograph: ")


@pytest.mark.parametrize("kind", ["text/csv", "application/json", "", None])
def test_another_type_of_content_is_refused(refusal, kind):
    status, message = refusal(b"PAR1", kind=kind)
    assert status == 415
    assert f"found {kind or 'nothing'}; accepted is one photograph as it is" in message


def part(name, content, file=True):
    head = f'--cut\r\nContent-Disposition: form-data; name="{name}"' + '; filename="a"' * file
    return f"{head}\r\n\r\n".encode() + content + b"\r\n"


def test_the_only_file_of_a_form_is_answered_with_its_mask(ask):
    fields = part("note", b"a cat", file=False) + part("image", FILE)
    status, headers, answer = ask(fields, b"--cut--", kind=FORM)
    assert (status, headers["content-type"]) == (200, "image/png")
    assert np.array_equal(decoded(answer), PIXELS[..., 0])


@pytest.mark.parametrize("fields", [part("a", b"", file=False), 2 * part("a", FILE), b"?", b""])
def test_a_form_without_one_file_is_told_what_is_accepted(refusal, fields):
    status, message = refusal(fields, b"--cut--", kind=FORM)
    assert status == 400
    assert "accepted is one photograph" in message


def test_an_image_is_not_labelled_for_a_client_that_is_gone(ask):
    assert ask(FILE, last=(END, GONE), predict=not_asked)[0] == 499


def test_the_largest_body_passes_and_a_byte_more_does_not(ask, refusal):
    half = FILE.ljust(MAX_BODY // 2)
    assert ask(half, b" " * (MAX_BODY - len(half)))[0] == 200
    status, message = refusal(half, b" " * (MAX_BODY - len(half)), b" ")
    assert status == 413
    assert "20.0 MB, accepted are 20 MB" in message


def test_a_body_that_does_not_arrive_is_not_waited_for_and_no_error_of_the_server(
    ask, refusal, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(body, "MAX_WAIT", 0.0)
        status, message = refusal(*[b"1"] * 100)
    assert status == 408
    assert "did not arrive within 0 seconds" in message
    assert ask(FILE[:9], last=(GONE,))[0] == 499


def test_requests_are_answered_one_at_a_time_and_all_in_the_end(make):
    running = []

    def predict(image):
        running.append(image)
        time.sleep(0.02)
        assert len(running) == 1
        return running.pop()[..., 0]

    async def ten():
        app = make(predict)
        return await asyncio.gather(*(send(app, FILE) for _ in range(10)))

    assert [status for status, _, _ in asyncio.run(ten())] == [200] * 10


def test_health_and_version_are_where_mlflow_and_kserve_have_them(ask):
    expected = {
        "/ping": b"\n",
        "/version": version("mlflow").encode(),
        "/v2/health/live": b'{"live":true}',
        "/v2/health/ready": b'{"ready":true}',
    }
    for path, said in expected.items():
        status, headers, answer = ask(kind=None, path=path, method="GET")
        assert (status, headers["content-type"], answer) == (200, "application/json", said)


def test_the_server_is_not_ready_before_its_model_has_answered(ask, onnx):
    def health(predict, path="/health"):
        status, _, answer = ask(predict=predict, kind=None, path=path, method="GET")
        return status, json.loads(answer)

    assert health(None) == (503, {"status": "loading", "model": None})
    assert health(None, "/v2/health/ready") == (503, {"ready": False})
    assert health(None, "/v2/health/live") == (200, {"live": True})
    assert ask(FILE, predict=None)[0] == 503
    model = {"version": 3, "digest": file_digest(onnx)[:12], "dataset": "tiny", "source": ""}
    assert health(first_channel) == (200, {"status": "ready", "model": model})


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/docs", 404, "NOT_FOUND"), ("/invocations", 405, "METHOD_NOT_ALLOWED")],
)
def test_another_request_is_told_what_there_is(ask, path, status, code):
    found, _, answer = ask(kind=None, path=path, method="GET")
    assert (found, json.loads(answer)["error_code"]) == (status, code)
    assert "POST /invocations, GET /" in json.loads(answer)["message"]


def test_only_pages_of_the_named_origin_may_ask(make):
    def asked(app, origin):  # as a browser asks before it sends a photograph as it is
        status, headers, _ = asyncio.run(send(app, method="OPTIONS", origin=origin))
        return status, headers.get("access-control-allow-origin")

    ours = "https://data.example"
    assert asked(make(origin=ours), ours) == (200, ours)
    assert asked(make(origin=ours), "https://other.example") == (400, None)
    assert asked(make(), ours) == (405, None)
