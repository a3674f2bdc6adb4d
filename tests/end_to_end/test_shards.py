"""The pipeline on tar shards (docs/scale.md) gives what it gives on files, byte for byte."""

import pytest
from clone import ALL_STAGES, Clone, stages_run

from pipeline.core.files import file_digest

pytestmark = pytest.mark.nightly


def digests(clone: Clone) -> dict[str, str]:
    """Of all that the stages after extract write."""
    folders = (clone.root / folder for folder in ("data/splits", "models", "metrics"))
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(clone.root)): file_digest(file) for file in files}


def test_every_output_after_extract_is_the_same(clone):
    before = digests(clone)
    assert {"models/checkpoint.pth", "models/model.int8.onnx", "metrics/train.json"} < {*before}
    assert stages_run(clone.run("dvc exp run -S extract.shards=64")) == ALL_STAGES[1:]
    assert len([*clone.root.glob("data/pairs/*/*")]) == 64  # some are empty
    assert digests(clone) == before
    clone.run("make visualize COUNT=3 && make labels")
    assert (clone.root / "metrics/labels/sheets/test-01.png").is_file()
    listed = "for shard in data/pairs/shards/*.tar; do tar --list --file $shard; done"
    _, *rows = (clone.root / "data/pairs/index.csv").read_text().splitlines()
    assert len(clone.run(listed).splitlines()) == 2 * len(rows)
