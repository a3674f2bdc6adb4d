"""What the server counts and measures, in Prometheus' format."""

import os
from collections.abc import Mapping
from glob import glob
from time import perf_counter
from typing import Any

import psutil
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    Summary,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.data.classes import Classes

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # set where several workers share their numbers
TIMED = "/invocations"
SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
MEGAPIXELS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
CONFIDENCES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98, 1.0)


class Metrics:
    """The server's numbers. Labels come from fixed sets, the classes, and registered versions."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        disable_created_metrics()  # a second series for each
        if FOLDER not in os.environ:  # of several processes it would describe one
            ProcessCollector(registry=self.registry)

        def gauge(name: str, text: str, mode: str, *labels: str) -> Gauge:
            how = {"registry": self.registry, "multiprocess_mode": mode}
            return Gauge(name, text, labels, **how)  # type: ignore[arg-type]

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(name, text, registry=self.registry, buckets=buckets)

        self.requests = counter("petseg_requests", "Answers by path and status", "path", "status")
        self.request_seconds = histogram(
            "petseg_request_seconds", f"Time from a request to {TIMED} to its answer", SECONDS
        )
        self.model_seconds = histogram("petseg_model_seconds", "Time that the model took", SECONDS)
        self.in_hand = gauge(
            "petseg_requests_in_hand", f"Requests to {TIMED} not answered yet", "livesum"
        )
        self.megapixels = histogram("petseg_image_megapixels", "Size of the images", MEGAPIXELS)
        self.brightness = histogram("petseg_image_brightness", "Their mean grey value", TENTHS)
        self.confidence = histogram("petseg_confidence", "Mean confidence of an image", CONFIDENCES)
        self.shares = Summary(
            "petseg_class_share", "Share of the pixels", ("class",), registry=self.registry
        )
        text = "Processes that answer with this model"
        self.model = gauge("petseg_model_info", text, "livesum", "version", "digest", "dataset")
        self.loads = counter(
            "petseg_model_loads", "Versions that an alias led to", "role", "outcome"
        )
        self.refused = gauge(
            "petseg_model_refused", "1 while the alias names a broken version", "livemax", "role"
        )
        self.registry_up = gauge("petseg_registry_up", "1 if the registry could be read", "livemin")
        self.shadowed = counter(
            "petseg_shadow_images", "Images for the shadow model, by what became of them", "outcome"
        )
        text = "Pixels of a class in both masks, the answer's and the shadow's, and in either"
        self.shadow_pixels = counter("petseg_shadow_pixels", text, "class", "kind")
        self.unlogged = counter("petseg_log_dropped", "Rows that the log lacks")

    def exposed(self) -> bytes:
        """All of them as text; of several workers, their sums."""
        if FOLDER not in os.environ:
            return generate_latest(self.registry)
        for file in glob(f"{os.environ[FOLDER]}/gauge_live*_*.db"):  # noqa: PTH207 - as the library
            pid = int(file.rpartition("_")[2].removesuffix(".db"))
            if not psutil.pid_exists(pid):
                mark_process_dead(pid)
        together = CollectorRegistry()
        MultiProcessCollector(together)
        return generate_latest(together)

    def served(self, identity: Mapping[str, object], processes: int) -> None:
        """Note whether this process answers with the model: 1 or 0."""
        labels = {key: "" if value is None else str(value) for key, value in identity.items()}
        self.model.labels(**labels).set(processes)

    def seen(self, observation: Mapping[str, Any], classes: Classes) -> None:
        """Note what `observe` says of an image."""
        self.megapixels.observe(observation["width"] * observation["height"] / 1e6)
        self.brightness.observe(observation["brightness"])
        if (confidence := observation["confidence"]) is not None:
            self.confidence.observe(confidence)
        for name in classes.names:
            self.shares.labels(name).observe(observation[f"share.{name}"])


class Counting:
    """Middleware that counts answers by path and status, and times those of TIMED."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: frozenset[str]) -> None:
        self.app, self.metrics, self.paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        own = scope["path"].removeprefix(scope.get("root_path", ""))
        path = own if own in self.paths else "other"
        status, start = 500, perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        if path == TIMED:
            self.metrics.in_hand.inc()
        try:
            await self.app(scope, receive, noting)
        finally:
            self.metrics.requests.labels(path, status).inc()
            if path == TIMED:
                self.metrics.in_hand.dec()
                self.metrics.request_seconds.observe(perf_counter() - start)
