"""The steps run on more and more drawn pictures; no time and no memory is asserted."""

import json
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from benchmarks import scale
from benchmarks.cost import Cost, measure
from benchmarks.drawn import draw_archives
from benchmarks.scale import STEPS, memory_table, slope, time_table
from pipeline.core.terminal import UserError


def test_the_archives_hold_so_many_different_pairs_of_both_lists(tmp_path):
    draw_archives(tmp_path / "raw", 75)  # two of each breed, and one
    with tarfile.open(tmp_path / "raw/images.tar") as archive:
        pictures = {member.name: archive.extractfile(member).read() for member in archive}
    assert len(pictures) == len(set(pictures.values())) == 75
    with tarfile.open(tmp_path / "raw/annotations.tar") as archive:
        lists = {
            part: archive.extractfile(f"annotations/{part}.txt").read().decode().split()
            for part in ("trainval", "test")
        }
        trimap = np.array(Image.open(archive.extractfile("annotations/trimaps/Bengal_1.png")))
    assert {part: len(names) for part, names in lists.items()} == {"trainval": 38, "test": 37}
    assert set(pictures) == {f"images/{name}.jpg" for names in lists.values() for name in names}
    assert set(np.unique(trimap)) == {1, 2, 3}


def test_memory_is_that_of_the_command_and_its_children(tmp_path):
    """The child holds 64 MB of its own; the file that it maps and reads is not counted."""
    (tmp_path / "file").write_bytes(bytes(2**26))
    child = (
        "import mmap, time; own = bytearray(b'x') * 2**26;"
        "stream = open('file'); file = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ);"
        "sum(file[::4096]); time.sleep(0.5)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    cost = measure([sys.executable, "-c", parent], tmp_path, {})
    assert 64 < cost.megabytes < 110
    assert cost.seconds > 0.5


def test_processor_time_is_that_of_the_command_and_its_children_and_not_their_sleep(tmp_path):
    child = (
        "import time; time.sleep(0.5); end = time.process_time() + 0.3\n"
        "while time.process_time() < end: pass"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    cost = measure([sys.executable, "-c", parent], tmp_path, {})
    assert 0.3 < cost.processor < cost.seconds - 0.4


def test_a_command_that_fails_says_so_with_its_own_words(tmp_path):
    with pytest.raises(UserError, match=r"exit status 3\n.*no such thing"):
        measure([sys.executable, "-c", "print('no such thing'); exit(3)"], tmp_path, {})


def test_what_a_thousand_more_pictures_take_is_without_the_start():
    costs = {
        images: dict.fromkeys(STEPS, Cost(2 + images * 0.003, 1, 100 + images / 1000))
        for images in (1000, 10_000)
    }
    assert slope({1000: 5, 10_000: 32}, 1000, 10_000) == pytest.approx(3)
    assert list(time_table(costs, "Seconds", "seconds").columns[-1].cells) == ["3.00"] * len(STEPS)
    assert list(memory_table(costs).columns[-1].cells) == ["1.09"] * len(STEPS)


@pytest.mark.slow
def test_every_step_runs_and_the_last_line_holds_its_cost(tmp_path, monkeypatch, capsys):
    options = ["--images", "160", "240", "--workdir", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["scale", *options])
    scale.main()
    costs = json.loads(capsys.readouterr().out.splitlines()[-1])["costs"]
    assert list(costs) == ["160", "240"]
    for steps in costs.values():
        assert list(steps) == list(STEPS)
        assert all(cost["seconds"] > 0 and cost["megabytes"] > 10 for cost in steps.values())
    assert not list(tmp_path.iterdir())
