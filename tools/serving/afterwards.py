"""What is done with an image once its answer is on the way: numbers, the shadow's turn, the log."""

import logging
import random
from dataclasses import dataclass
from queue import Full, Queue
from threading import Thread

from pipeline.data.classes import Classes
from pipeline.deploy.predictor import Array, Predictor
from pipeline.monitoring.log import PredictionLog
from pipeline.monitoring.observation import observe
from pipeline.scoring.confusion import count_pairs, margins
from tools.serving.live import Followed, Served
from tools.serving.metrics import Metrics

BACKLOG = 8  # answered images that wait: at most 20 MB each
SHADOW_BACKLOG = 2  # with more of them waiting, the shadow is left out

logger = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class Answered:
    """An image, and what the model answered."""

    served: Served
    image: Array  # (H, W, 3) RGB, reduced to the model's side
    mask: Array  # (H, W) class ids
    confidence: Array | None  # (H, W)
    size: tuple[int, int]  # height and width of the image as it was sent
    format: str
    seconds: float  # that the model took


class Afterwards:
    """A thread that takes the answered images, one after the other."""

    def __init__(
        self, metrics: Metrics, log: PredictionLog | None, shadow: Followed | None, share: float
    ) -> None:
        """share: of the images that the shadow labels too, in [0, 1]."""
        self.metrics, self.log, self.shadow, self.share = metrics, log, shadow, share
        self.queue: Queue[Answered | None] = Queue(BACKLOG)
        self.thread = Thread(target=self._run, name="afterwards", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """Note what is waiting, without the shadow, and end."""
        self.share = 0
        self.queue.put(None)
        self.thread.join()
        if self.log:
            self.log.close()

    async def take(self, answered: Answered) -> None:
        """Never waits: with BACKLOG images waiting, this one is not noted."""
        try:
            self.queue.put_nowait(answered)
        except Full:
            self.metrics.unlogged.inc()

    def _run(self) -> None:
        while answered := self.queue.get():
            try:
                self._note(answered)
            except Exception:
                logger.exception("an answered image was not noted")
                self.metrics.unlogged.inc()

    def _note(self, answered: Answered) -> None:
        predictor, image = answered.served.predictor, answered.image
        seen = observe(image, answered.mask, answered.confidence, predictor.classes, answered.size)
        self.metrics.seen(seen, predictor.classes)
        row = seen | self._compared(answered)
        if self.log:
            dropped, kind, seconds = self.log.dropped, answered.format, answered.seconds
            self.log.write(predictor.identity, row, format=kind, seconds=seconds, image=image)
            self.metrics.unlogged.inc(self.log.dropped - dropped)

    def _compared(self, answered: Answered) -> dict[str, object]:
        """The shadow's columns of the row: none for an image that it does not label."""
        if not self.shadow or random.random() >= self.share:
            return {}
        with self.shadow.busy:
            served, ours = self.shadow.current, answered.served.predictor
            if not served or served.digest == answered.served.digest:
                return {}  # nothing to compare with
            outcome, columns = self._labelled(served, answered)
        self.metrics.shadowed.labels(outcome).inc()
        for kind in ("both", "either"):
            for name in ours.classes.names:
                pixels = columns.get(f"shadow.{kind}.{name}", 0)
                self.metrics.shadow_pixels.labels(name, kind).inc(pixels)  # type: ignore[arg-type]
        return columns

    def _labelled(self, shadow: Served, answered: Answered) -> tuple[str, dict[str, object]]:
        """What became of the image, and the columns."""
        classes = answered.served.predictor.classes
        if self.queue.qsize() > SHADOW_BACKLOG:
            return "dropped", {}
        if shadow.predictor.classes.names != classes.names:
            return "other classes", {}
        try:
            mask = shadow.predictor.predict(answered.image, confident=False).mask
        except Exception:  # ONNX Runtime's error classes share no other base
            return "failed", {}
        return "labelled", agreement(answered.mask, mask, shadow.predictor, classes)


def agreement(mask: Array, other: Array, shadow: Predictor, classes: Classes) -> dict[str, object]:
    """How well the (H, W) class ids of the answer and of the shadow agree: columns of the log.

    shadow.version, shadow.digest: of the shadow, as `version` and `digest` are of the answer's
    model. shadow.agreement: the share of the pixels with the same class, in [0, 1].
    shadow.both.NAME, shadow.either.NAME: the pixels of a class in both masks, and in at least one,
    for each class that occurs; sums of the first by sums of the second are the IoU of the models.
    """
    ours, theirs, both = margins(count_pairs(mask, other, len(classes))).T
    either = ours + theirs - both
    columns: dict[str, object] = {
        "shadow.version": shadow.identity["version"],
        "shadow.digest": shadow.identity["digest"],
        "shadow.agreement": round(float(both.sum() / mask.size), 6),
    }
    for place, name in enumerate(classes.names):
        if either[place]:
            columns[f"shadow.both.{name}"] = int(both[place])
            columns[f"shadow.either.{name}"] = int(either[place])
    return columns
