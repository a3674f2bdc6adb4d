"""Compare a model with its rebuild: what differs, where the difference starts, and the verdict."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.core.files import file_digest, read_json
from pipeline.core.git import UNKNOWN
from pipeline.core.layout import CHECKPOINT, EVALUATE_METRICS, INDEX, ONNX, PARAMS
from pipeline.core.params import flatten, load_yaml
from pipeline.records.lineage import SOURCE_FOLDERS, describe_environment, source_digests
from pipeline.records.reproduce.provenance import Provenance
from pipeline.records.reproduce.rebuild import store_uri
from pipeline.records.runs import find_run
from pipeline.records.store import EXPERIMENT, Store, connect, store_errors
from pipeline.records.versions import CHECKPOINT_TAG, DATA_TAG, FILE_TAGS, MIOU_TAG

CAUSES = ("data", "code", "params", "environment", "hardware")  # each may change what follows
# What the data set is made from: a difference here comes before one in the data.
DATA_MAKERS = (
    *("pipeline/ingest/", "pipeline/sample/", "pipeline/data/"),
    *("datasets/", "stages/download.py", "stages/extract.py", "download.", "extract."),
)
RESULT = "result"
CODE = ", ".join(f"{folder}/" for folder in SOURCE_FOLDERS)
SCORE = "test mIoU"
MISSING = "missing"
DIGEST = re.compile("[0-9a-f]{32,}")
FILES = {CHECKPOINT_TAG: CHECKPOINT}
FILES |= {tag: ONNX.with_name(name) for name, tag in FILE_TAGS.items()}
ENGINE = ("device", "precision", "processes")  # tags of a training: its choices for the hardware


class Finding(NamedTuple):
    """One thing that was compared."""

    part: str  # one of CAUSES, or RESULT
    name: str
    expected: str
    got: str

    @property
    def known(self) -> bool:
        return UNKNOWN not in (self.expected, self.got)

    @property
    def differs(self) -> bool:
        return self.known and self.expected != self.got


def compare_rebuild(provenance: Provenance, root: Path) -> list[Finding]:
    """Compare everything after a rebuild in the checkout `root`."""
    then, now = provenance.environment, describe_environment()
    engine = _engine(root)
    chosen = {key: provenance.tags[key] for key in engine if key in provenance.tags}
    software, hardware = "environment", "hardware"
    return [
        compare_data(provenance, root / INDEX),
        *compare("code", CODE, provenance.sources, source_digests(root)),
        *_compare_params(provenance, root),
        *compare(software, "Python and packages", then.get(software, {}), now[software]),
        *compare(hardware, "processor", then.get(hardware, {}), now[hardware]),
        *(compare(hardware, ", ".join(ENGINE), chosen, engine) if engine else []),
        *_compare_results(provenance, root),
    ]


def compare_data(provenance: Provenance, index: Path) -> Finding:
    """By index.csv, which holds the digest of every image and mask."""
    expected = provenance.tags.get(DATA_TAG, UNKNOWN)
    return Finding("data", "index.csv", expected, _digest(index, "md5"))


def compare(
    part: str, label: str, expected: Mapping[str, str], got: Mapping[str, str]
) -> list[Finding]:
    """The names whose values differ, or else one finding for all of them under the label."""
    if not expected:
        return [Finding(part, label, UNKNOWN, f"{len(got)} values")]
    names = dict.fromkeys([*expected, *got])
    pairs = [(name, expected.get(name, MISSING), got.get(name, MISSING)) for name in names]
    differing = [Finding(part, name, *values) for name, *values in pairs if len({*values}) > 1]
    same = f"{len(names)} values"
    return differing or [Finding(part, label, same, same)]


def first_difference(findings: Sequence[Finding]) -> Finding | None:
    """The difference that the others may follow from; a result is no cause."""

    def rank(finding: Finding) -> int:
        before_data = finding.part != "data" and finding.name.startswith(DATA_MAKERS)
        return -1 if before_data else CAUSES.index(finding.part)

    differing = [each for each in findings if each.differs and each.part in CAUSES]
    return min(differing, key=rank, default=None)


def judge(findings: Sequence[Finding], finished: bool) -> tuple[bool, str]:
    """Whether the rebuilt files are identical, and the conclusion in a sentence or two.

    finished: whether every stage ended well.
    """
    files = [each for each in findings if each.part == RESULT and each.name != SCORE]
    compared = [each for each in files if each.known]
    if finished and compared and not any(each.differs for each in compared):
        return True, f"identical: {', '.join(each.name for each in compared)}"
    head = "different" if finished else "not rebuilt: a stage stopped, its message is above"
    cause = _cause(findings) if finished or first_difference(findings) else ""
    return False, f"{head}. {cause}{_score(findings)}".rstrip()


def short(value: str) -> str:
    """The first 12 characters of a digest, which tell it from others; other values whole."""
    return value[:12] if DIGEST.fullmatch(value) else value


def _compare_params(provenance: Provenance, root: Path) -> list[Finding]:
    """Check the params that the run recorded against the file that the rebuild took."""
    file = flatten(load_yaml((root / PARAMS).read_text(encoding="utf-8")))
    then = {name: text for name, text in provenance.params.items() if name in file}
    now = {name: str(file[name]) for name in then}
    for name, text in then.items():
        if text != now[name] and load_yaml(text) == file[name]:  # 1.0 is 1
            now[name] = text
    return compare("params", PARAMS.name, then, now)


def _engine(root: Path) -> dict[str, str]:
    """The rebuilt training's tags about its hardware; none if there was no training."""
    if not (checkpoint := root / CHECKPOINT).is_file():
        return {}
    uri = store_uri(root)
    with store_errors(uri):
        client = connect(uri)  # not open_store, which the caller's variables lead elsewhere
        made = client.get_experiment_by_name(EXPERIMENT)
    run = made and find_run(Store(uri, made.experiment_id, client), file_digest(checkpoint))
    return {key: run.data.tags[key] for key in ENGINE if key in run.data.tags} if run else {}


def _compare_results(provenance: Provenance, root: Path) -> list[Finding]:
    got = {tag: (file.name, _digest(root / file)) for tag, file in FILES.items()}
    got[MIOU_TAG] = (SCORE, str(read_json(root / EVALUATE_METRICS).get("miou", MISSING)))
    then = provenance.tags
    return [Finding(RESULT, name, then.get(tag, UNKNOWN), now) for tag, (name, now) in got.items()]


def _digest(file: Path, algorithm: str = "sha256") -> str:
    return file_digest(file, algorithm) if file.is_file() else MISSING


def _cause(findings: Sequence[Finding]) -> str:
    if first := first_difference(findings):
        then, now = short(first.expected), short(first.got)
        return f"It starts with the {first.part}: {first.name} was {then}, is {now}."
    unknown = [each.part for each in findings if not each.known and each.part in CAUSES]
    if unknown:
        names = ", ".join(dict.fromkeys(unknown))
        return f"Nothing known differs, but what is unknown may: the {names} of the original."
    return "Nothing known differs: something is not deterministic."


def _score(findings: Sequence[Finding]) -> str:
    for each in findings:
        if each.name == SCORE and each.known and each.got != MISSING:
            expected, got = float(each.expected), float(each.got)
            return f" {SCORE}: {expected:.4f} then, {got:.4f} now ({got - expected:+.4f})."
    return ""
