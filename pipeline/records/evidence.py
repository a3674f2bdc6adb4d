"""What is compared of a model and its rebuild, in the order in which one thing follows another."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.core.files import file_digest
from pipeline.core.git import UNKNOWN
from pipeline.core.params import load_yaml
from pipeline.records.compare import MISSING, RESULT, SCORE, Finding, compare
from pipeline.records.environment import describe_environment
from pipeline.records.lineage import code_digest, source_digests
from pipeline.records.old_params import contradictions
from pipeline.records.origin import LATER_STAGES, Origin
from pipeline.records.origin_files import PARAMS
from pipeline.records.rebuild import SCORES
from pipeline.records.registry import INT8_TAG, ONNX_TAG
from pipeline.records.run import CHECKPOINT_TAG
from pipeline.records.store import open_store
from pipeline.records.tracking import find_run

FILES = {
    CHECKPOINT_TAG: Path("models/checkpoint.pth"),
    ONNX_TAG: Path("models/model.onnx"),
    INT8_TAG: Path("models/model.int8.onnx"),
}
INDEX = Path("data/pets/index.csv")
ENGINE = ("device", "precision", "processes")  # tags of a training: what it chose by the hardware


def gather(origin: Origin, root: Path, uri: str) -> list[Finding]:
    """Everything that is compared after a rebuild in `root`, whose run is in the store `uri`."""
    return [
        data_finding(origin, root / INDEX),
        *_code(origin, root),
        *_params(origin),
        *_surroundings(origin, _engine(root, uri)),
        *_results(origin, root),
    ]


def data_finding(origin: Origin, index: Path) -> Finding:
    """By index.csv, which holds the digest of every picture and mask."""
    got = file_digest(index, "md5") if index.is_file() else MISSING
    return Finding("data", "index.csv", origin.tags.get("data.index_md5", UNKNOWN), got)


def _code(origin: Origin, root: Path) -> list[Finding]:
    digest = Finding(
        "code", "pipeline/, stages/", origin.tags.get("code.digest", UNKNOWN), code_digest(root)
    )
    if digest.differs and origin.sources:
        return compare("code", digest.name, origin.sources, source_digests(root))
    return [digest]


def _params(origin: Origin) -> list[Finding]:
    """The rebuild takes those of the run; the file that the run kept bears witness to them."""
    recorded = {
        name: text for name, text in origin.params.items() if not name.startswith(LATER_STAGES)
    }
    count = f"{len(recorded)} values"
    if origin.params_file is None:
        return [Finding("params", PARAMS, UNKNOWN, count)]
    wrong = contradictions(load_yaml(origin.params_file), recorded)
    differing = [Finding("params", name, *values) for name, values in wrong.items()]
    return differing or [Finding("params", PARAMS, count, count)]


def _surroundings(origin: Origin, engine: Mapping[str, str]) -> list[Finding]:
    """engine: what the rebuilt training said of its hardware."""
    then, now = origin.environment, describe_environment()
    software, hardware = "environment", "hardware"
    chosen = {key: origin.tags[key] for key in engine if key in origin.tags}
    return [
        *compare(software, "Python and packages", then.get(software, {}), now[software]),
        *compare(hardware, "processor", then.get(hardware, {}), now[hardware]),
        *(compare(hardware, ", ".join(ENGINE), chosen, engine) if engine else []),
    ]


def _engine(root: Path, uri: str) -> dict[str, str]:
    """What the rebuilt training said of its hardware; nothing if there was none."""
    checkpoint = root / FILES[CHECKPOINT_TAG]
    run = find_run(open_store(uri), file_digest(checkpoint)) if checkpoint.is_file() else None
    return {key: run.data.tags[key] for key in ENGINE if key in run.data.tags} if run else {}


def _results(origin: Origin, root: Path) -> list[Finding]:
    files = [
        Finding(
            RESULT,
            file.name,
            origin.tags.get(tag, UNKNOWN),
            file_digest(root / file) if (root / file).is_file() else MISSING,
        )
        for tag, file in FILES.items()
    ]
    return [*files, Finding(RESULT, SCORE, origin.tags.get("test.miou", UNKNOWN), _miou(root))]


def _miou(root: Path) -> str:
    scores: dict[str, Any] = {}
    if (root / SCORES).is_file():
        scores = json.loads((root / SCORES).read_text())
    return str(scores.get("miou", MISSING))
