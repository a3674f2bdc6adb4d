"""Thousands of broken files: each is quarantined with a true reason, or used, and none is lost.

The long form shows its counts with: PETSEG_TRIES=10 pytest -m torture -s -k thousands
"""

import io
import os
import subprocess
import sys
import tarfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ledger import FULL, REPOSITORY, TRIES
from mutations import KINDS, Files, mutated, original, trimap
from PIL import Image
from tiny_models import write_traffic_light

from pipeline.data.pets import load_image, load_mask
from pipeline.ingest.findings import Reason
from stages.extract import extract

USED, OTHER = "used", "used, with other pixels"
ODD = ["with space_1", 'it\'s "q"_2', "Kätzchen_3", "-rf_4", "a\nb_5", "\x1b[2J_6", "pug_7.jpg"]
COUNTS = [  # four of each kind, or hundreds
    pytest.param(4 * len(KINDS), id="a-hundred"),
    pytest.param(10 * TRIES * len(KINDS), id="thousands", marks=[FULL, pytest.mark.torture]),
]


def add(tar: tarfile.TarFile, name: str, content: bytes | None) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content or b"")
    if content is None:
        member.type = tarfile.DIRTYPE
    tar.addfile(member, io.BytesIO(content or b""))


def write_raw(raw: Path, pairs: dict[str, Files]) -> None:
    """The pairs in the official layout, all of them listed, and beside them some of odd names."""
    raw.mkdir()
    whole = mutated(0)[1]
    with (
        tarfile.open(raw / "images.tar", "w") as images,
        tarfile.open(raw / "annotations.tar", "w") as annotations,
    ):
        for name, (image, mask) in (pairs | dict.fromkeys(ODD, whole)).items():
            add(images, f"images/{name}.jpg", image)
            add(annotations, f"annotations/trimaps/{name}.png", mask)
        for split, odd in (("trainval", 1), ("test", 0)):
            names = [name for name in pairs if int(name[4:]) % 2 == odd]
            add(annotations, f"annotations/{split}.txt", "\n".join(names).encode())


def show(outcomes: dict[str, Counter]) -> None:
    print("\n| kind | pairs | used | with other pixels | quarantined |\n|---|---|---|---|---|")
    for name, outcome in outcomes.items():
        pairs, other = outcome.total(), outcome.pop(OTHER, 0)
        used = outcome.pop(USED, 0) + other
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(outcome.items()))
        print(f"| {name} | {pairs} | {used} | {other} | {reasons} |")


@pytest.mark.parametrize("count", COUNTS)
def test_broken_pairs_are_used_or_quarantined_with_a_true_reason(tmp_path, count):
    pets = tmp_path / "pets"
    write_raw(tmp_path / "raw", {f"pug_{number}": mutated(number)[1] for number in range(count)})
    extract(tmp_path / "raw", pets, max_quarantined_fraction=1.0)
    used = set(pd.read_csv(pets / "index.csv")["name"])
    reasons = pd.read_csv(pets / "quarantine.csv").set_index("name")["reason"].to_dict()
    assert used.isdisjoint(reasons)
    assert used | reasons.keys() == {f"pug_{number}" for number in range(count)} | set(ODD)
    assert {reasons[name] for name in ODD} == {Reason.NOT_LISTED}
    outcomes: dict[str, Counter] = defaultdict(Counter)
    for number in range(count):
        kind, name = mutated(number)[0], f"pug_{number}"
        if name in used:
            assert not kind.detected, (kind.name, number)
            same = check_used(pets, number, kind.exact)
            outcomes[kind.name][USED if same else OTHER] += 1
        else:
            outcomes[kind.name][reasons[name]] += 1
            assert reasons[name] in kind.reasons, (kind.name, number, reasons[name])
    show(outcomes)


def check_used(pets: Path, number: int, exact: bool) -> bool:
    """The pair can be read, its mask says what it said; return whether the photograph does, too."""
    image = load_image(pets / f"images/pug_{number}.jpg")
    mask = load_mask(pets / f"masks/pug_{number}.png")
    assert image.shape == (*mask.shape, 3) == (*trimap().shape, 3)
    assert not exact or np.array_equal(mask, trimap() - 1), number
    return np.array_equal(image, np.asarray(Image.open(io.BytesIO(original(number)))))


@pytest.mark.parametrize("count", COUNTS)
def test_broken_photographs_are_predicted_or_reported(tmp_path, count):
    model = write_traffic_light(tmp_path / "model.onnx")
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    images = {f"pug_{number}": mutated(number)[1][0] for number in range(count)}
    for name, content in (images | dict.fromkeys(ODD, mutated(0)[1][0])).items():
        file = photographs / f"{name}.jpg"
        file.mkdir() if content is None else file.write_bytes(content)
    command = ["-m", "tools.predict", "photographs", "--model", str(model), "--out", "out"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    files = sum(file.is_file() for file in photographs.iterdir())
    predicted, failed = len(done.stdout.splitlines()), done.stderr.count("error: ")
    assert predicted + failed == files
    assert done.returncode == 1
    assert f"{predicted:,} of {files:,} predicted into out" in done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
    print(f"\npredict: {files} photographs, {predicted} predicted, {failed} reported")
    for file in (tmp_path / "out").glob("*.mask.png"):
        with Image.open(file) as mask:
            mask.load()
