"""The page for people: what the service is, its model, and a form to try it."""

import base64
import hashlib
import re
from typing import Any

from starlette.responses import HTMLResponse, Response

from pipeline.data.classes import Classes
from pipeline.data.images import FORMATS
from pipeline.deploy.results import class_shares, heat_map, reduced
from pipeline.scoring.pictures import mask_legend, overlay
from tools.report import load_template, picture_url
from tools.serving.afterwards import Answered
from tools.serving.live import Served

VIEW = 900  # pixels of the larger side of the pictures on the page


def drawn(answered: Answered) -> dict[str, Any]:
    """What the page shows of an answer: pictures and shares."""
    classes, mask = answered.served.predictor.classes, answered.mask
    confidence = [] if answered.confidence is None else [answered.confidence]
    image, small, *sure = reduced(VIEW, answered.image, mask, *confidence)
    pictures = {"Its classes": picture_url(overlay(image, small, classes))}
    if sure:
        pictures["Light where the model is sure"] = picture_url(heat_map(sure[0]).convert("RGB"))
    shares = sorted(class_shares(mask, classes).items(), key=lambda found: -found[1])
    return {"pictures": pictures, "shares": shares}


def show_page(
    served: Served | None,
    *,
    shown: dict[str, Any] | None = None,
    message: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
    background: Any = None,
) -> Response:
    """The page about the model, with what `drawn` says of an image, or a message."""
    classes = served and served.predictor.classes
    text = load_template("service.html").render(
        served=served,
        words=score_words(classes) if classes else {},
        classes=classes,
        tinted=mask_legend(classes) if classes else {},
        shown=shown,
        message=message,
        formats=FORMATS,
    )
    # No script, nothing from elsewhere, the one style, pictures inside the page.
    [style] = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    guards = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(text, status, guards | (headers or {}), background=background)


def score_words(classes: Classes) -> dict[str, str]:
    """The scores that the page shows, in this order, and their names for people."""
    overall = {"miou": "mean IoU", "pixel_accuracy": "pixel accuracy"}
    return overall | {f"iou.{name}": f"IoU of {name}" for name in classes.names}
