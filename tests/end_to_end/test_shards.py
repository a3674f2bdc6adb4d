"""The pipeline on tar shards gives what it gives on files, byte for byte."""

import pytest
from clone import ALL_STAGES, Clone, stages_run

from pipeline.core.files import file_digest

pytestmark = pytest.mark.slow


def digests(clone: Clone) -> dict[str, str]:
    """Of all that the stages after extract write."""
    folders = (clone.root / folder for folder in ("data/splits", "models", "metrics"))
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(clone.root)): file_digest(file) for file in files}


def test_every_output_after_extract_is_the_same(clone):
    before = digests(clone)
    assert {"models/checkpoint.pth", "models/model.int8.onnx", "metrics/train.json"} < {*before}
    clone.run("sed --in-place 's/shards: 0/shards: 3/' params.yaml")
    assert stages_run(clone.run("dvc repro")) == ALL_STAGES[1:]
    assert len([*clone.root.glob("data/pairs/*/*")]) == 3
    assert digests(clone) == before
    clone.run("make visualize COUNT=3 && make labels && git checkout dvc.lock")
    assert (clone.root / "metrics/labels/sheets/test-01.png").is_file()
