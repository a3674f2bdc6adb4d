"""The whole circle: dark photographs are served, noticed, labelled and trained on, until they fit.

The truth plays the annotator. The photographs are drawn, as the sample is, from other seeds.
"""

import io
import json

import numpy as np
import pytest
import requests
import yaml
from clone import make_clone
from pictures import decoded, encoded
from PIL import Image
from processes import wait_until
from servers import started

from pipeline.data.classes import read_classes
from pipeline.data.images import save_mask
from pipeline.ingest.additions import Addition, add_pair
from pipeline.monitoring.log import KEPT, read_log
from pipeline.sample.archives import draw_files
from pipeline.sample.looks import breeds
from pipeline.scoring.confusion import iou, margins

pytestmark = pytest.mark.nightly

DARK = 0.15  # of the brightness; training knows 0.9 to 1.1
SIZE = (128, 96)
PER_BREED = 3
LIMIT = 0.015  # of the gate: on so short a list, equal trainings differ by half of that
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone whose training learns something, after `make`."""
    made = make_clone(tmp_path_factory.mktemp("circle") / "petseg")
    sample, params = made.root / "datasets/sample.yaml", made.root / "params.yaml"
    described, values = (yaml.safe_load(file.read_text()) for file in (sample, params))
    described["sources"] |= {"images_per_breed": 11, "width": SIZE[0], "height": SIZE[1]}
    sample.write_text(yaml.safe_dump(described, sort_keys=False))
    values["model"]["features"] = [16, 32, 64]
    values["train"] |= {"epochs": 12, "batch_size": 4, "image_size": 64, "threads": 2}
    values["split"]["held_out_fraction"] = 0.5
    values["monitor"] |= {"window": 50, "windows": 2}
    values["gate"]["max_class_drop"] = LIMIT
    params.write_text(yaml.safe_dump(values, sort_keys=False))
    made.commit("larger")
    made.run("make")
    made.commit("results")
    return made


def dark_pairs(seed):
    """JPEGs and their (H, W) masks."""
    pairs = []
    for breed in breeds():
        for number in range(PER_BREED):
            _, jpeg, trimap = draw_files(seed, SIZE, (breed, number))
            picture = Image.open(io.BytesIO(jpeg)).point(lambda value: value * DARK)
            pairs.append((encoded(picture, "JPEG"), decoded(trimap) - np.uint8(1)))
    return pairs


def served(clone, *streams, log):
    """Send the pictures of each stream to a server of the champion; return the streams' mIoU."""
    command = [str(clone.root / ".venv/bin/python"), "-m", "tools.serve", "--log", log]
    options = {"cwd": clone.root, "env": clone.environment}
    total = sum(map(len, streams))
    command += ["--keep", "1", "--port"]
    with started(command, "health", **options) as server:
        found = []
        for pairs in streams:
            counts = np.zeros((3, 3), np.int64)
            for jpeg, truth in pairs:
                answer = requests.post(f"{server.uri}/invocations", jpeg, headers=JPEG, timeout=60)
                assert answer.ok, answer.text
                np.add.at(counts, (truth, decoded(answer.content)), 1)
            found.append(float(np.mean(iou(margins(counts)))))
        # The last rows are written after their answers.
        wait_until(lambda: len(read_log(clone.root / log)) >= total, seconds=60)
    return found


def label(clone, pairs):
    """Add what the server kept, in the order in which it was sent, with the true masks."""
    kept = sorted((clone.root / "before" / KEPT).glob("*.jpg"))
    assert len(kept) == len(pairs)
    classes = read_classes(clone.root / "data/pairs")
    for number, (file, (_, truth)) in enumerate(zip(kept, pairs, strict=True)):
        stream = io.BytesIO()
        save_mask(stream, truth, classes.palette)
        addition = Addition(f"dark_{number}", classes.dataset, "the truth", "the test")
        add_pair(clone.root / "labels", addition, file.read_bytes(), stream.getvalue())
    clone.commit("Dark photographs")


def test_what_is_served_is_noticed_labelled_learned_and_known(clone):
    seen, unseen = dark_pairs(1), dark_pairs(2)
    [before] = served(clone, seen, log="before")
    told = clone.run("python -m tools.monitor before || true")
    assert told.startswith("drift: version 1 "), told
    label(clone, seen)
    [unknown] = served(clone, unseen, log="other")

    told = clone.run("make retrain")
    print(told)
    assert "Version 2 is @champion" in told
    scores = json.loads((clone.root / "metrics/evaluate.json").read_text())
    assert scores["added"]["images"] >= 20
    assert "To version 1 they are unlike its test" in told
    assert "To version 2 they are like its test" in told
    clone.commit("Retrained")

    after, known = served(clone, seen, unseen, log="after")
    print(before, after, unknown, known)
    assert known > unknown + 0.05
    told = clone.run("python -m tools.monitor after")
    assert told.startswith("ok: version 2 "), told
    tags = clone.client.get_model_version("pet-segmentation", "2").tags
    drops = [float(tags[f"gate.drop.{name}"]) for name in ("pet", "background", "border")]
    assert max(drops) <= LIMIT
    assert "identical" in clone.run("make verify VERSION=2")
