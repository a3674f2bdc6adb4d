"""Thousands of broken files: each is quarantined with a true reason, or used, and none is lost.

The long form shows its counts with: PETSEG_TRIES=10 pytest -m torture -s -k thousands
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ledger import FULL, TRIES
from pictures import claim, decoded, encoded
from PIL import Image
from processes import run_python
from tars import tar_of
from tiny_models import write_traffic_light
from tiny_pets import OXFORD

from pipeline.data.images import load_image, load_mask
from pipeline.ingest.extraction import extract, for_spreadsheets
from pipeline.ingest.vocabulary import Reason

WIDTH, HEIGHT = 96, 72
DAMAGES = frozenset({Reason.NOT_A_PICTURE, Reason.TRUNCATED, Reason.DAMAGED})
# A flipped bit may be in a number of the header, too.
FLIPPED = DAMAGES | {Reason.SIZES, Reason.TOO_LARGE, Reason.COLOURS}

Files = tuple[bytes | None, bytes | None]  # photograph and mask; None: there is a folder instead
Random = random.Random


def photograph(seed: int) -> Image.Image:
    """Shades with noise, so that JPEG has something to keep in all of its blocks."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    shades = np.stack([x * 2, y * 3, 200 - x - y], axis=2)
    noise = np.random.default_rng(seed).integers(0, 40, shades.shape)
    return Image.fromarray((shades + noise).astype(np.uint8))


def trimap(width: int = WIDTH) -> np.ndarray:
    values = np.full((HEIGHT, width), 2, np.uint8)
    values[20:60, 20:70], values[24:56, 24:66] = 3, 1
    return values


def cut(content: bytes, rng: Random) -> bytes:
    return content[: rng.randrange(1, len(content) - 2)]


def flip(content: bytes, rng: Random) -> bytes:
    changed = bytearray(content)
    for place in rng.sample(range(len(changed)), rng.randint(1, 3)):
        changed[place] ^= 1 << rng.randrange(8)
    return bytes(changed)


def zero_tail(content: bytes, rng: Random) -> bytes:
    kept = rng.randrange(1, len(content) - 8)
    return content[:kept].ljust(len(content), b"\0")


def many_scans(rng: Random) -> bytes:
    content = encoded(photograph(rng.randrange(1000)), "JPEG", progressive=True)
    last = content[content.rfind(b"\xff\xda") : -2]
    return content[:-2] + last * 2000 + b"\xff\xd9"


@dataclass(frozen=True)
class Kind:
    """One way to break a pair.

    `reasons`: what may be said of it. `detected`: always; else it may be used too, if it decodes.
    `exact`: a mask that is used all the same says what the original says.
    """

    name: str
    make: Callable[[bytes, bytes, Random], Files]
    reasons: Set[Reason] = frozenset()
    detected: bool = True
    exact: bool = True


def of_kind(kind: str, mode: str = "RGB") -> Callable[[bytes, bytes, Random], Files]:
    """A photograph in another file format, or of other colours."""
    return lambda i, m, r: (encoded(photograph(r.randrange(1000)).convert(mode), kind), m)


def wrong_value(rng: Random) -> bytes:
    values = trimap()
    values[rng.randrange(HEIGHT), rng.randrange(WIDTH)] = rng.choice([0, 4, 128, 255])
    return encoded(values)


MOST, LARGE = 2**31 - 1, {Reason.TOO_LARGE}
BLANK = np.full((HEIGHT, WIDTH), 2, np.uint8)
COLOURS = encoded(Image.new("RGB", (WIDTH, HEIGHT)))
WIDE = encoded(photograph(0).resize((WIDTH + 1, HEIGHT)), "JPEG")
HTML, EPS = b"<html>404</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 96 72\n"

FORMATS = ("PNG", "GIF", "BMP")

# i, m, r: the bytes of photograph and mask, and random numbers.
KINDS = [
    Kind("untouched", lambda i, m, r: (i, m), detected=False),
    Kind("photograph cut short", lambda i, m, r: (cut(i, r), m), DAMAGES),
    Kind("photograph, 1-3 bits flipped", lambda i, m, r: (flip(i, r), m), FLIPPED, False),
    Kind("photograph, tail zeroed", lambda i, m, r: (zero_tail(i, r), m), DAMAGES),
    Kind("photograph empty", lambda i, m, r: (b"", m), {Reason.NOT_A_PICTURE}),
    Kind("photograph is a web page", lambda i, m, r: (HTML, m), {Reason.NOT_A_PICTURE}),
    Kind("photograph is PostScript", lambda i, m, r: (EPS, m), {Reason.NOT_A_PICTURE}),
    Kind("photograph is a folder", lambda i, m, r: (None, m), {Reason.NO_IMAGE}),
    *(Kind(f"photograph is a {each}", of_kind(each), detected=False) for each in FORMATS),
    Kind("photograph in grey", of_kind("JPEG", "L"), detected=False),
    Kind("photograph in CMYK", of_kind("JPEG", "CMYK"), detected=False),
    Kind("photograph of floats", of_kind("TIFF", "F"), {Reason.COLOURS}),
    Kind("photograph of another size", lambda i, m, r: (WIDE, m), {Reason.SIZES}),
    Kind("photograph claims 65,500 x 65,500", lambda i, m, r: (claim(i, *[65_500] * 2), m), LARGE),
    Kind("photograph of 2,000 scans", lambda i, m, r: (many_scans(r), m), LARGE),
    Kind("mask cut short", lambda i, m, r: (i, cut(m, r)), DAMAGES),
    Kind("mask, 1-3 bits flipped", lambda i, m, r: (i, flip(m, r)), FLIPPED, False),
    Kind("mask, tail zeroed", lambda i, m, r: (i, zero_tail(m, r)), DAMAGES),
    Kind("mask empty", lambda i, m, r: (i, b""), {Reason.NOT_A_PICTURE}),
    Kind("mask is a folder", lambda i, m, r: (i, None), {Reason.NO_MASK}),
    Kind("mask with a wrong value", lambda i, m, r: (i, wrong_value(r)), {Reason.MASK_VALUES}),
    Kind("mask in colours", lambda i, m, r: (i, COLOURS), {Reason.MASK_CHANNELS}),
    Kind("mask of another size", lambda i, m, r: (i, encoded(trimap(WIDTH + 1))), {Reason.SIZES}),
    Kind("mask claims 2^31 x 2^31 pixels", lambda i, m, r: (i, claim(m, MOST, MOST)), LARGE),
    Kind("mask without a pet", lambda i, m, r: (i, encoded(BLANK)), detected=False, exact=False),
]


def mutated(number: int) -> tuple[Kind, Files]:
    """The pair of this number; the same at every call."""
    kind = KINDS[number % len(KINDS)]
    return kind, kind.make(original(number), encoded(trimap()), Random(number))


def original(number: int) -> bytes:
    """The photograph before it was broken."""
    return encoded(photograph(number), "JPEG", quality=(60, 90, 95)[number % 7 % 3])


USED, OTHER = "used", "used, with other pixels"
ODD = ["with space_1", 'it\'s "q"_2', "Kätzchen_3", "-rf_4", "a\nb_5", "\x1b[2J_6", "pug_7.jpg"]
ODD_CELLS = {for_spreadsheets(name) for name in ODD}
COUNTS = [  # four of each kind, or hundreds
    pytest.param(4 * len(KINDS), id="a-hundred"),
    pytest.param(10 * TRIES * len(KINDS), id="thousands", marks=[FULL, pytest.mark.torture]),
]


def write_raw(raw: Path, pairs: dict[str, Files]) -> None:
    """The pairs in the official layout, all of them listed, and beside them some of odd names."""
    raw.mkdir()
    every = pairs | dict.fromkeys(ODD, mutated(0)[1])
    images = {f"images/{name}.jpg": image for name, (image, _) in every.items()}
    annotations = {f"annotations/trimaps/{name}.png": mask for name, (_, mask) in every.items()}
    for split, odd in (("trainval", 1), ("test", 0)):
        names = [name for name in pairs if int(name[4:]) % 2 == odd]
        annotations[f"annotations/{split}.txt"] = "\n".join(names).encode()
    (raw / "images.tar").write_bytes(tar_of(images))
    (raw / "annotations.tar").write_bytes(tar_of(annotations))


def show(outcomes: dict[str, Counter]) -> None:
    print("\n| kind | pairs | used | with other pixels | quarantined |\n|---|---|---|---|---|")
    for name, outcome in outcomes.items():
        pairs, other = outcome.total(), outcome.pop(OTHER, 0)
        used = outcome.pop(USED, 0) + other
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(outcome.items()))
        print(f"| {name} | {pairs} | {used} | {other} | {reasons} |")


@pytest.mark.parametrize("count", COUNTS)
def test_broken_pairs_are_used_or_quarantined_with_a_true_reason(tmp_path, count):
    data = tmp_path / "data"
    write_raw(tmp_path / "raw", {f"pug_{number}": mutated(number)[1] for number in range(count)})
    extract(OXFORD, Path("oxford.yaml"), tmp_path / "raw", data, max_quarantined_fraction=1.0)
    used = set(pd.read_csv(data / "index.csv")["name"])
    reasons = pd.read_csv(data / "quarantine.csv").set_index("name")["reason"].to_dict()
    assert used.isdisjoint(reasons)
    assert used | reasons.keys() == {f"pug_{number}" for number in range(count)} | ODD_CELLS
    assert {reasons[name] for name in ODD_CELLS} == {Reason.NOT_LISTED, Reason.NAME}
    outcomes: dict[str, Counter] = defaultdict(Counter)
    for number in range(count):
        kind, name = mutated(number)[0], f"pug_{number}"
        if name in used:
            assert not kind.detected, (kind.name, number)
            same = check_used(data, number, kind.exact)
            outcomes[kind.name][USED if same else OTHER] += 1
        else:
            outcomes[kind.name][reasons[name]] += 1
            assert reasons[name] in kind.reasons, (kind.name, number, reasons[name])
    show(outcomes)


def check_used(data: Path, number: int, exact: bool) -> bool:
    """The pair can be read, its mask says what it said; return whether the photograph does, too."""
    image = load_image(data / f"images/pug_{number}.jpg")
    mask = load_mask(data / f"masks/pug_{number}.png")
    assert image.shape == (*mask.shape, 3) == (*trimap().shape, 3)
    assert not exact or np.array_equal(mask, trimap() - 1), number
    return np.array_equal(image, decoded(original(number)))


@pytest.mark.parametrize("count", COUNTS)
def test_broken_photographs_are_predicted_or_reported(tmp_path, count):
    model = write_traffic_light(tmp_path / "model.onnx")
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    images = {f"pug_{number}": mutated(number)[1][0] for number in range(count)}
    for name, content in (images | dict.fromkeys(ODD, mutated(0)[1][0])).items():
        file = photographs / f"{name}.jpg"
        file.mkdir() if content is None else file.write_bytes(content)
    command = ("-m", "tools.predict", "photographs", "--model", model, "--out", "out")
    done = run_python(*command, cwd=tmp_path)
    files = sum(file.is_file() for file in photographs.iterdir())
    predicted, failed = len(done.stdout.splitlines()), done.stderr.count("error: ")
    assert predicted + failed == files
    sound = sum(content == original(int(name[4:])) for name, content in images.items())
    assert predicted >= sound > 0
    assert done.returncode == 1
    assert f"{predicted:,} of {files:,} predicted into out" in done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
    print(f"\npredict: {files} photographs, {predicted} predicted, {failed} reported")
    for file in (tmp_path / "out").glob("*.mask.png"):
        with Image.open(file) as mask:
            mask.load()
