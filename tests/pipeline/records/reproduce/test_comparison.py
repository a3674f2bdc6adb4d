import pytest

from pipeline.core.git import UNKNOWN
from pipeline.records.reproduce.comparison import (
    CAUSES,
    RESULT,
    SCORE,
    Finding,
    compare,
    first_difference,
    judge,
)

SAME = [Finding(part, part, "a", "a") for part in CAUSES]
FILES = ("checkpoint.pth", "model.onnx", "model.int8.onnx")


def results(*got: str, miou: str = "0.5") -> list[Finding]:
    """Of three files that were "a", and of a score that was 0.5."""
    files = [Finding(RESULT, name, "a", digest) for name, digest in zip(FILES, got, strict=True)]
    return [*files, Finding(RESULT, SCORE, "0.5", miou)]


def changed(part: str) -> list[Finding]:
    return [Finding(part, f"its {part}", "then", "now")]


@pytest.mark.parametrize("first", range(len(CAUSES)))
def test_the_first_difference_is_the_one_that_the_others_may_follow_from(first):
    findings = [each for part in reversed(CAUSES[first:]) for each in changed(part)]
    assert first_difference([*results("b", "b", "b"), *findings]) == findings[-1]


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("code", "pipeline/ingest/archives.py"),
        ("code", "datasets/oxford.yaml"),
        ("params", "download.dataset"),
    ],
)
def test_data_differs_after_what_it_is_made_by_and_before_all_else(part, name):
    data, maker = Finding("data", "index.csv", "a", "b"), Finding(part, name, "a", "b")
    assert first_difference([data, maker]) == maker
    assert first_difference([data, *changed("code"), *changed("params")]) == data


def test_the_same_files_are_identical_whatever_else_differs():
    verdict = judge([*changed("hardware"), *results("a", "a", "a")], finished=True)
    assert verdict == (True, "identical: checkpoint.pth, model.onnx, model.int8.onnx")
    for got in ("baa", "aba", ("a", "a", "missing")):
        assert not judge([*SAME, *results(*got)], finished=True)[0]


def test_a_file_that_was_never_registered_is_left_out():
    findings = [
        Finding(RESULT, "checkpoint.pth", "a", "a"),
        Finding(RESULT, "model.onnx", UNKNOWN, "b"),
    ]
    assert judge(findings, finished=True) == (True, "identical: checkpoint.pth")


def test_the_verdict_names_the_first_difference_and_what_it_costs():
    findings = [*changed("params"), *changed("environment"), *results("b", "b", "b", miou="0.4")]
    assert judge(findings, finished=True)[1] == (
        "different. It starts with the params: its params was then, is now."
        " test mIoU: 0.5000 then, 0.4000 now (-0.1000)."
    )


def test_where_all_causes_are_the_same_it_is_not_deterministic():
    text = judge([*SAME, *results("b", "b", "b")], finished=True)[1]
    assert "Nothing known differs: something is not deterministic." in text


def test_what_is_unknown_is_no_difference_but_is_named():
    unknown = [Finding(part, part, UNKNOWN, "now") for part in ("environment", "hardware")]
    findings = [*SAME[:3], *unknown, *results("b", "b", "b")]
    assert first_difference(findings) is None
    assert (
        "what is unknown may: the environment, hardware of the original"
        in judge(findings, finished=True)[1]
    )


def test_a_rebuild_that_stopped_is_not_identical():
    identical, verdict = judge([*changed("data"), *results("a", "a", "a")], finished=False)
    assert not identical
    assert verdict.startswith("not rebuilt")
    assert "It starts with the data" in verdict


def test_of_many_values_those_that_differ_are_told_and_else_how_many_there_are():
    then = {"torch": "1", "numpy": "2", "gone": "3"}
    assert compare("environment", "packages", then, then) == [
        Finding("environment", "packages", "3 values", "3 values")
    ]
    assert compare("environment", "packages", then, {"torch": "1", "numpy": "4", "new": "5"}) == [
        Finding("environment", "numpy", "2", "4"),
        Finding("environment", "gone", "3", "missing"),
        Finding("environment", "new", "missing", "5"),
    ]
    [finding] = compare("environment", "packages", {}, then)
    assert not finding.known
