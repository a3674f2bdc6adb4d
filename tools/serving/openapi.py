"""The service's description in OpenAPI 3.1: what `/openapi.json` answers."""

from typing import Any

from tools.serving.body import FORM, MAX_BODY

Json = dict[str, Any]

HEADERS = {
    "X-Model": "The model that answered, for people: its version and aliases, or its file",
    "X-Model-Version": "Its version in the registry; missing for a file that is of none",
    "X-Model-Digest": "The first 12 digits of the sha256 of its ONNX file",
    "X-Model-Dataset": "The data set that it learned from",
}
ERRORS = {
    "400": "No image, a damaged one, a form without one file, or an unknown output",
    "408": "The body did not arrive in time",
    "413": f"A body of more than {MAX_BODY} bytes",
    "415": "A content type other than image/... and multipart/form-data",
    "503": "Too many requests, or no model yet: try later",
}


def _answer(text: str, kind: str, schema: Json, **more: Any) -> Json:
    return {"description": text, "content": {kind: {"schema": schema}}, **more}


def _get(summary: str, kind: str, schema: Json, status: Json | None = None) -> Json:
    answers = {"200": _answer(summary, kind, schema), **(status or {})}
    return {"get": {"summary": summary, "responses": answers}}


def _schema(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: Json) -> Json:
    known = {"required": sorted(properties), "properties": properties}
    return {"type": "object", **known, "additionalProperties": False}


JSON, PAGE, TEXT = "application/json", "text/html", {"type": "string"}
FILE = {"type": "string", "contentMediaType": "application/octet-stream"}
FORM_BODY = {FORM: {"schema": _object(image=FILE)}}
NAMED = {"headers": {name: {"description": text, "schema": TEXT} for name, text in HEADERS.items()}}
OUTPUTS = ["mask", "confidence"]
OUTPUT = {
    "name": "output",
    "in": "query",
    "description": "The class of each pixel, or how sure the model is of it: 255 is certain",
    "schema": {"type": "string", "enum": OUTPUTS, "default": "mask"},
}
INVOCATIONS = {
    "summary": "Label a photograph: a PNG of its size, one byte a pixel",
    "parameters": [OUTPUT],
    "requestBody": {"required": True, "content": {"image/*": {"schema": FILE}, **FORM_BODY}},
    "responses": {
        "200": _answer("The mask, upright", "image/png", FILE, **NAMED),
        **{status: _answer(text, JSON, _schema("Error")) for status, text in ERRORS.items()},
    },
}
UPLOAD = {
    "summary": "The page, with the photograph that its form sent, and its classes",
    "requestBody": {"required": True, "content": FORM_BODY},
    "responses": {
        "200": _answer("The page", PAGE, TEXT, **NAMED),
        **{status: _answer(text, PAGE, TEXT) for status, text in ERRORS.items()},
    },
}
READY = {"503": _answer("Not yet", JSON, _object(ready={"const": False}))}
LOADING = {"503": _answer("No model has answered yet", JSON, _schema("Loading"))}
MODEL = _object(
    version={"type": ["integer", "null"]},
    digest={"type": "string", "pattern": "^[0-9a-f]{12}$"},
    dataset={"type": "string"},
    source={"type": "string"},
)
DESCRIPTION: Json = {
    "openapi": "3.1.0",
    "info": {
        "title": "Image segmentation service",
        "version": "1",
        "description": "A photograph in, the class of each of its pixels out",
    },
    "paths": {
        "/": _get("A page for people", PAGE, TEXT) | {"post": UPLOAD},
        "/invocations": {"post": INVOCATIONS},
        "/health": _get("The model that answers", JSON, _schema("Health"), LOADING),
        "/v2/health/ready": _get("Ready", JSON, _object(ready={"const": True}), READY),
        "/v2/health/live": _get("Alive", JSON, _object(live={"const": True})),
        "/ping": _get("Alive, as MLflow says it: an empty line", JSON, TEXT),
        "/version": _get("MLflow's version, if it is installed", JSON, TEXT),
        "/metrics": _get("Numbers in Prometheus' format", "text/plain", TEXT),
        "/openapi.json": _get("This description", JSON, {"type": "object"}),
    },
    "components": {
        "schemas": {
            "Error": _object(error_code={"type": "string"}, message={"type": "string"}),
            "Health": _object(status={"const": "ready"}, model=MODEL),
            "Loading": _object(status={"const": "loading"}, model={"type": "null"}),
        }
    },
}
