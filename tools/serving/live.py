"""The model that answers: loaded once, and replaced when the alias that it came by moves."""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from threading import Event, Lock, Thread

from uvicorn.config import STARTUP_FAILURE

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError, printable
from pipeline.deploy.predictor import DIGITS, Predictor
from pipeline.records.models import alias_in, find_model, source_of
from pipeline.records.versions import Version, find_named, list_versions, number_in
from tools.serving.metrics import FOLDER, Metrics

POLL = 2.0  # seconds between two looks at the registry
AGAIN = 60.0  # seconds until a version whose store is elsewhere is tried again: networks fail
SCORES = "test."  # the beginning of the tags that hold a version's scores
ANSWERED = "answered"  # a file beside the numbers that several workers share
ANSWERS, SHADOW = "answers", "shadow"  # what a model is there for

logger = logging.getLogger("uvicorn.error")  # the server's log


@dataclass(frozen=True)
class Served:
    """A model that has answered once, and what people are told of it."""

    predictor: Predictor
    source: str  # "version 3 @champion", or a path
    scores: Mapping[str, float]  # of its version's evaluation: {"miou": 0.86, "iou.pet": 0.9}

    @property
    def digest(self) -> str:
        """The first DIGITS of its file's sha256."""
        return self.predictor.identity["digest"]


class Followed:
    """What a reference means now. A file or a number stays what it is; an alias may move."""

    def __init__(self, role: str, reference: str | None, precision: str, metrics: Metrics) -> None:
        """role: ANSWERS or SHADOW. reference, precision: as `find_model` takes them."""
        self.role, self.reference, self.precision = role, reference, precision
        self.alias = alias_in(reference)
        self.metrics = metrics
        self.current: Served | None = None
        self.seen: object = None  # the state of the version that was loaded or refused last
        self.refusal = ""  # why that was refused
        self.make_room: Callable[[], None] = lambda: None  # called before another model is loaded
        self.busy = Lock()  # held while the shadow's model works: it is not replaced meanwhile

    def load_first(self) -> None:
        """Raises UserError if the reference leads to no model that works."""
        version = self._named(list_versions()) if self.alias else None
        self._load(self.reference, version)
        self.seen = version and _state(version, refused=False)

    def due(self, versions: Sequence[Version]) -> Version | None:
        """The version to load: the alias's, unless it was loaded or refused as it is now."""
        version = self._named(versions)
        return version if version and _state(version, bool(self.refusal)) != self.seen else None

    def follow(self, version: Version) -> None:
        """Replace the model by the version's; one that does not work is refused."""
        try:
            self._load(str(version.number), version)
        except Exception as error:  # whatever it is, the old model still works
            if (text := f"version {version.number} is refused: {error}") != self.refusal:
                logger.error("%s: %s", self.role, printable(text))
                self.metrics.loads.labels(self.role, "refused").inc()
            self.refusal = text
            self.metrics.refused.labels(self.role).set(1)
        self.seen = _state(version, bool(self.refusal))  # making room for it has cleared this

    def drop(self) -> None:
        """Free the model; the next look at the registry loads what the alias names then."""
        with self.busy:
            self.current = self.seen = None

    def _named(self, versions: Sequence[Version]) -> Version | None:
        return next((each for each in versions if self.alias in each.names), None)

    def _load(self, reference: str | None, version: Version | None) -> None:
        """Make the model that the reference means current; load it unless it is loaded already."""
        found = find_model(reference, self.precision)
        digest, old = file_digest(found.file)[:DIGITS], self.current
        if old and (old.predictor.identity["version"], old.digest) == (found.version, digest):
            predictor = old.predictor
        else:
            self.make_room()
            old = self.current
            # A shadow works on one core, beside the others' requests.
            threads = 1 if self.role == SHADOW else 0
            predictor = Predictor(found.file, threads, found.version).tried()
            if predictor.identity["digest"] != digest:
                raise UserError(f"{found.file} changed while it was loaded")
        source = source_of(found, predictor.identity["dataset"])
        if not old or predictor is not old.predictor:
            self._announce(old, predictor, source)
        if version is None and found.version is not None:  # it was named by its number
            version = find_named(list_versions(), str(found.version))
        scores = _scores(version.tags) if version else {}
        self.current = Served(predictor, source, scores)
        self.refusal = ""
        self.metrics.refused.labels(self.role).set(0)

    def _announce(self, old: Served | None, new: Predictor, source: str) -> None:
        logger.info("%s: %s (%s)", self.role, source, new.identity["digest"])
        self.metrics.loads.labels(self.role, "loaded").inc()
        if self.role == ANSWERS:
            if old:
                self.metrics.served(old.predictor.identity, 0)
            self.metrics.served(new.identity, 1)


class LiveModel:
    """The model that answers and, if there is one, the shadow beside it; both follow aliases.

    At most two models are in memory: a shadow that follows an alias makes room for a new one that
    is to answer.
    """

    def __init__(self, answers: Followed, shadow: Followed | None = None) -> None:
        self.answers, self.shadow = answers, shadow
        if shadow and shadow.alias:
            answers.make_room = shadow.make_room = shadow.drop
        self.stopped = Event()
        self.trouble = ""  # with the registry: it is said once, until it changes

    @property
    def current(self) -> Served | None:
        """The model for the next image; None until the first has been loaded, and has answered."""
        return self.answers.current

    def start(self) -> None:
        Thread(target=self._run, name="registry", daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()

    def look(self) -> None:
        """Do what the registry says; whatever fails changes nothing."""
        try:
            versions = list_versions()
        except Exception as error:
            self._say(f"the registry cannot be read, nothing changes: {error}")
            self.answers.metrics.registry_up.set(0)
            return
        self._say("")
        self.answers.metrics.registry_up.set(1)
        for followed in filter(None, (self.answers, self.shadow)):
            if version := followed.due(versions):
                followed.follow(version)

    def _run(self) -> None:
        while not self._loaded_first():
            if not answered_before():
                os._exit(STARTUP_FAILURE)  # all workers end
            if self.stopped.wait(AGAIN):
                return
        if FOLDER in os.environ:
            Path(os.environ[FOLDER], ANSWERED).touch()
        while not self.stopped.wait(POLL):
            self.look()

    def _loaded_first(self) -> bool:
        try:
            self.answers.load_first()
            if self.shadow and not self.shadow.alias:
                self.shadow.load_first()
        except Exception as error:
            logger.critical("no model to serve: %s", printable(error))
            return False
        return True

    def _say(self, trouble: str) -> None:
        if self.trouble != trouble:
            self.trouble = trouble
            logger.warning(printable(trouble) or "the registry can be read again")


def answered_before() -> bool:
    """Whether another of several workers has had a model: this one replaces a dead one."""
    return FOLDER in os.environ and Path(os.environ[FOLDER], ANSWERED).exists()


def _state(version: Version, refused: bool) -> object:
    """All that matters of a version: once refused, it is tried again when something changed."""
    files = [_stat(file) for file in version.local_files]
    elsewhere = time.monotonic() // AGAIN if refused and not files else None
    return version.number, version.aliases, sorted(version.tags.items()), files, elsewhere


def _stat(file: Path) -> tuple[int, int] | None:
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def _scores(tags: Mapping[str, str]) -> dict[str, float]:
    """The scores of a version's evaluation that are numbers, by their names without SCORES."""
    found = {name: number_in(tags, name) for name in tags if name.startswith(SCORES)}
    return {name.removeprefix(SCORES): score for name, score in found.items() if isfinite(score)}
