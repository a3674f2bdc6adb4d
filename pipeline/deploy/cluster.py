"""`predict_batch` on every machine of a Ray cluster: a task writes a part of the table.

These are plain tasks, not Ray Data: work is finished, retried and skipped in parts, while Ray Data
would divide it into blocks of its own.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile

import ray

import pipeline
from pipeline.core.terminal import UserError
from pipeline.deploy.batch import ROWS, THREADS, predict_batch
from pipeline.deploy.folder import Report
from pipeline.deploy.predictor import Predictor
from pipeline.deploy.stores import Found, Place

AHEAD = 2  # tasks for each core, so that none waits for its next


def predict_on_cluster(
    model: Predictor,
    images: Place,
    files: Iterable[Found | UserError],
    out: Place,
    *,
    confidence: bool = False,
) -> Iterator[Report | UserError]:
    """Do what `predict_batch` does; yield the outcomes of a part at a time, in any order.

    The cluster is RAY_ADDRESS's, else one that is started on this machine. Its machines need the
    packages and access to both addresses; the code and the model are sent. Ray repeats a task
    whose process dies. Raises UserError.
    """
    try:
        ray.init(runtime_env={"py_modules": [pipeline]}, log_to_driver=False)
        sent = ray.put((model.file.read_bytes(), model.identity["version"]))
        remaining, running = iter(files), []
        while part := list(islice(remaining, ROWS)):
            running.append(_predict_part.remote(sent, images, out, confidence, part))
            if len(running) >= AHEAD * ray.cluster_resources().get("CPU", 1):
                [ready], running = ray.wait(running)
                yield from ray.get(ready)
        while running:
            [ready], running = ray.wait(running)
            yield from ray.get(ready)
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise UserError(f"Ray: {getattr(error, 'cause', error)}; what is done is kept") from error
    finally:
        ray.shutdown()


@ray.remote(scheduling_strategy="SPREAD")
def _predict_part(
    sent: tuple[bytes, int | None],
    images: Place,
    out: Place,
    confidence: bool,
    part: list[Found | UserError],
) -> list[Report | UserError]:
    model = _loaded(*sent)
    return list(predict_batch(model, images, part, out, THREADS, confidence=confidence))


@cache  # a process does many parts
def _loaded(content: bytes, version: int | None) -> Predictor:
    with NamedTemporaryFile(suffix=".onnx") as file:
        Path(file.name).write_bytes(content)
        return Predictor(Path(file.name), threads=1, version=version)
