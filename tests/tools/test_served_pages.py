"""What the server shows people and programs of itself: its page, its description, its metrics."""

import asyncio
import json
import re

import jsonschema
import numpy as np
import pytest
from asgi import send
from pictures import encoded
from prometheus_client.parser import text_string_to_metric_families
from tiny_models import BACKGROUND, COLOURS, MASK, write_sure_model, write_traffic_light

from tools.serving.afterwards import Afterwards
from tools.serving.app import make_app
from tools.serving.live import Followed, LiveModel
from tools.serving.metrics import Metrics
from tools.serving.openapi import DESCRIPTION

TYPE = "multipart/form-data; boundary=cut"
HEAD = b'--cut\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
FORM = HEAD + encoded(COLOURS[MASK]) + b"\r\n--cut--"


@pytest.fixture
def make(tmp_path):
    """Make the application of a model, which may still be loading."""

    def made(write=write_traffic_light, loaded=True):
        followed = Followed("answers", str(write(tmp_path / "model.onnx")), "fp32", Metrics())
        if loaded:
            followed.load_first()
        return make_app(LiveModel(followed), Afterwards(followed.metrics, None, None, 0))

    return made


def get(app, path="/"):
    return asked(app, path=path, method="GET", kind=None)


def asked(app, *chunks, **how):
    return asyncio.run(send(app, *chunks, **how))


def test_the_page_says_what_answers_and_shows_what_its_form_sent(make):
    app = make()
    status, headers, page = get(app)
    assert status == 200
    for text in ("model.onnx", "pet, background, border", "tiny", 'type="file"'):
        assert text in page.decode()
    status, headers, page = asked(app, FORM, path="/", kind=TYPE)
    share = np.mean(MASK == BACKGROUND)
    assert (status, headers["x-model-dataset"]) == (200, "tiny")
    assert f"background: {share:.1%}" in page.decode()
    assert page.count(b"data:image/jpeg") == 1, "this model tells no confidence"
    page = asked(make(write_sure_model), FORM, path="/", kind=TYPE)[2]
    assert page.count(b"data:image/jpeg") == 2


def test_a_bad_upload_is_explained_on_the_page(make):
    status, headers, page = asked(make(), HEAD + b"<b>\r\n--cut--", path="/", kind=TYPE)
    assert (status, headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "Not labelled: the photograph: " in page.decode()
    assert asked(make(loaded=False), FORM, path="/", kind=TYPE)[0] == 503


def test_the_page_loads_nothing_and_runs_nothing(make):
    _, headers, page = asked(make(), FORM, path="/", kind=TYPE)
    policy = headers["content-security-policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-\S+'; img-src data:; form-action 'self'; "
        r"base-uri 'none'; frame-ancestors 'none'",
        policy,
    )
    assert not re.search(rb"<script|style=|https?://|\bon\w+=", page)


def test_the_description_names_exactly_the_routes(make):
    app = make()
    methods = {}
    for route in app.routes:
        methods.setdefault(route.path, set()).update(route.methods - {"HEAD"})
    described = {
        path: {method.upper() for method in operations}
        for path, operations in DESCRIPTION["paths"].items()
    }
    assert methods == described
    assert json.loads(get(app, "/openapi.json")[2]) == DESCRIPTION


@pytest.mark.parametrize("loaded", [True, False])
def test_answers_are_as_described(make, loaded):
    app = make(loaded=loaded)
    for path in DESCRIPTION["paths"]:
        if "get" in DESCRIPTION["paths"][path]:
            check(path, "get", *get(app, path))
    picture = encoded(COLOURS[MASK])
    bodies = [([picture], "image/png"), ([b"?"], "image/png"), ([b"{}"], "application/json")]
    for chunks, kind in [*bodies, ([FORM], TYPE)]:
        check("/invocations", "post", *asked(app, *chunks, kind=kind))
    for output in ("mask", "confidence", "?"):
        path = f"/invocations?output={output}"
        check("/invocations", "post", *asked(app, picture, path=path))


def check(path, method, status, headers, body):
    described = DESCRIPTION["paths"][path][method]["responses"][str(status)]
    kind = headers["content-type"].partition(";")[0]
    schema = described["content"][kind]["schema"] | {"components": DESCRIPTION["components"]}
    if kind == "application/json" and path not in ("/ping", "/version"):
        jsonschema.validate(json.loads(body), schema)
    if status == 200:
        needed = described.get("headers", {}).keys() - {"X-Model-Version"}  # it is of none
        assert {name.lower() for name in needed} <= headers.keys()


def test_what_happens_is_counted(make):
    app = make()
    for chunks in ([encoded(COLOURS[MASK])], [b"?"], [encoded(COLOURS[MASK])]):
        asked(app, *chunks)
    get(app, "/admin")
    get(app, "/wp-login.php")
    families = text_string_to_metric_families(get(app, "/metrics")[2].decode())
    samples = {(each.name, *each.labels.values()): each for one in families for each in one.samples}
    counts = {
        key[1:]: each.value for key, each in samples.items() if key[0] == "petseg_requests_total"
    }
    assert counts == {("/invocations", "200"): 2, ("/invocations", "400"): 1, ("other", "404"): 2}
    assert samples["petseg_model_seconds_count",].value == 2
    assert samples["petseg_request_seconds_count",].value == 3
    assert samples["petseg_requests_in_hand",].value == 0
