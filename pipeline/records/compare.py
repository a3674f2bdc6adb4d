"""What was expected and what came: the verdict, and where a difference starts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.core.git import UNKNOWN

CAUSES = ("data", "code", "params", "environment", "hardware")  # each may change what follows
# Source and params that the data itself is made by: they come before it.
DATA_MAKERS = (
    "pipeline/ingest/",
    "pipeline/sample/",
    "pipeline/data/",
    "stages/download.py",
    "stages/extract.py",
    "download.",
    "extract.",
)
RESULT = "result"
SCORE = "test mIoU"
MISSING = "missing"
DIGEST = re.compile("[0-9a-f]{32,}")


@dataclass(frozen=True)
class Finding:
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


@dataclass(frozen=True)
class Verdict:
    """Whether the same files came, and in a sentence or two what follows."""

    identical: bool
    text: str


def compare(
    part: str, label: str, expected: Mapping[str, str], got: Mapping[str, str]
) -> list[Finding]:
    """The names whose values differ, or else one finding for all of them under the label."""
    if not expected:
        return [Finding(part, label, UNKNOWN, f"{len(got)} values")]
    names = sorted(expected.keys() | got.keys(), key=[*expected, *got].index)
    pairs = [(name, expected.get(name, MISSING), got.get(name, MISSING)) for name in names]
    differing = [Finding(part, name, *values) for name, *values in pairs if len({*values}) > 1]
    same = f"{len(names)} values"
    return differing or [Finding(part, label, same, same)]


def short(value: str) -> str:
    """A digest's beginning, which tells it from others; other values whole."""
    return value[:12] if DIGEST.fullmatch(value) else value


def first_difference(findings: Sequence[Finding]) -> Finding | None:
    """The one that the others may follow from; results are no causes."""
    differing = [each for each in findings if each.differs and each.part in CAUSES]
    return min(differing, key=_rank, default=None)


def _rank(finding: Finding) -> int:
    before_data = finding.part != "data" and finding.name.startswith(DATA_MAKERS)
    return -1 if before_data else CAUSES.index(finding.part)


def judge(findings: Sequence[Finding], finished: bool) -> Verdict:
    """finished: whether every stage ended well."""
    files = [each for each in findings if each.part == RESULT and each.name != SCORE]
    compared = [each for each in files if each.known]
    if finished and compared and not any(each.differs for each in compared):
        return Verdict(True, f"identical: {', '.join(each.name for each in compared)}")
    head = "different" if finished else "not rebuilt: a stage stopped, its message is above"
    return Verdict(False, f"{head}. {_cause(findings)}{_score(findings)}")


def _cause(findings: Sequence[Finding]) -> str:
    if first := first_difference(findings):
        then, now = short(first.expected), short(first.got)
        return f"It starts with the {first.part}: {first.name} was {then}, is {now}."
    unknown = [each.part for each in findings if not each.known and each.part in CAUSES]
    if unknown:
        names = ", ".join(dict.fromkeys(unknown))
        return f"Nothing that is known differs; unknown is the {names} of then."
    return "Nothing known differs: something is not deterministic."


def _score(findings: Sequence[Finding]) -> str:
    for each in findings:
        if each.name == SCORE and each.known and each.got != MISSING:
            expected, got = float(each.expected), float(each.got)
            return f" {SCORE}: {expected:.4f} then, {got:.4f} now ({got - expected:+.4f})."
    return ""
