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
from ledger import FULL, TRIES
from mutations import KINDS, Files, mutated, original, trimap
from PIL import Image
from tiny_models import write_traffic_light

from pipeline.data.pets import load_image, load_mask
from pipeline.ingest.findings import Reason
from stages.extract import extract

REPOSITORY = Path(__file__).resolve().parents[2]
SHORT, LONG = 4 * len(KINDS), 10 * TRIES * len(KINDS)
USED, OTHER = "used", "used, with other pixels"
ODD = ["with space_1", 'it\'s "q"_2', "Kätzchen_3", "-rf_4", "a\nb_5", "\x1b[2J_6", "pug_7.jpg"]


def add(tar: tarfile.TarFile, name: str, content: bytes | None) -> None:
    member = tarfile.TarInfo(name)
    if content is None:
        member.type = tarfile.DIRTYPE
    else:
        member.size = len(content)
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


def extracted(root: Path, count: int) -> tuple[Path, dict[str, str]]:
    """The folder that extract made of so many pairs, and the reason of each name not used."""
    write_raw(root / "raw", {f"pug_{number}": mutated(number)[1] for number in range(count)})
    extract(root / "raw", root / "pets", max_quarantined_fraction=1.0)
    table = pd.read_csv(root / "pets/quarantine.csv")
    return root / "pets", dict(zip(table["name"], table["reason"], strict=True))


def show(outcomes: dict[str, Counter]) -> None:
    print(
        "\n| kind | pairs | used | of them with other pixels | quarantined |\n|---|---|---|---|---|"
    )
    for name, outcome in outcomes.items():
        reasons = ", ".join(
            f"{what} {n}" for what, n in sorted(outcome.items()) if what not in (USED, OTHER)
        )
        used = outcome[USED] + outcome[OTHER]
        print(f"| {name} | {outcome.total()} | {used} | {outcome[OTHER]} | {reasons} |")


def survive(root: Path, count: int) -> None:
    pets, reasons = extracted(root, count)
    used = set(pd.read_csv(pets / "index.csv")["name"])
    assert used.isdisjoint(reasons)
    assert used | reasons.keys() == {f"pug_{number}" for number in range(count)} | set(ODD)
    assert {reasons[name] for name in ODD} == {Reason.NOT_LISTED}
    outcomes: dict[str, Counter] = defaultdict(Counter)
    for number in range(count):
        kind, name = mutated(number)[0], f"pug_{number}"
        assert reasons.get(name) in kind.reasons or not kind.detected, (kind.name, number)
        if name in used:
            image = load_image(pets / "images" / f"{name}.jpg")
            mask = load_mask(pets / "masks" / f"{name}.png")
            assert image.shape == (*mask.shape, 3) == (*trimap().shape, 3)
            assert not kind.exact or np.array_equal(mask, trimap() - 1), (kind.name, number)
            same = np.array_equal(image, np.asarray(Image.open(io.BytesIO(original(number)))))
            outcomes[kind.name][USED if same else OTHER] += 1
        else:
            outcomes[kind.name][reasons[name]] += 1
            assert reasons[name] in kind.reasons, (kind.name, number, reasons[name])
    show(outcomes)


def predict(root: Path, count: int) -> None:
    """The same photographs given to the deployed model: all are predicted or reported."""
    model = write_traffic_light(root / "model.onnx")
    photographs = root / "photographs"
    photographs.mkdir()
    images = {f"pug_{number}": mutated(number)[1][0] for number in range(count)}
    for name, content in (images | dict.fromkeys(ODD, mutated(0)[1][0])).items():
        file = photographs / f"{name}.jpg"
        file.mkdir() if content is None else file.write_bytes(content)
    command = ["-m", "tools.predict", "photographs", "--model", str(model), "--out", "out"]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    files = sum(file.is_file() for file in photographs.iterdir())
    predicted, failed = len(done.stdout.splitlines()), done.stderr.count("error: ")
    assert predicted + failed == files
    assert done.returncode == 1
    assert f"{predicted:,} of {files:,} predicted into out" in done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
    print(f"\npredict: {files} photographs, {predicted} predicted, {failed} reported")
    for masks in (root / "out").glob("*.mask.png"):
        with Image.open(masks) as mask:
            mask.load()


def test_a_hundred_broken_pairs_are_used_or_quarantined_with_a_true_reason(tmp_path):
    survive(tmp_path, SHORT)


def test_a_hundred_broken_photographs_are_predicted_or_reported(tmp_path):
    predict(tmp_path, SHORT)


@FULL
@pytest.mark.torture
def test_thousands_of_broken_pairs(tmp_path):
    survive(tmp_path, LONG)


@FULL
@pytest.mark.torture
def test_thousands_of_broken_photographs(tmp_path):
    predict(tmp_path, LONG)
