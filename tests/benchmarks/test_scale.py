"""The steps run on more and more drawn images; no time and no memory of theirs is asserted."""

import json
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from benchmarks import scale
from benchmarks.scale import STEPS, Cost, command_cost, draw_archives, growth
from pipeline.core.terminal import UserError


def test_the_archives_hold_so_many_different_pairs_of_both_lists(tmp_path):
    draw_archives(tmp_path, 75)  # two of each breed, and one
    with tarfile.open(tmp_path / "images.tar") as archive:
        files = [member for member in archive if member.isfile()]
        pictures = {member.name: archive.extractfile(member).read() for member in files}
    assert len(pictures) == len(set(pictures.values())) == 75
    with tarfile.open(tmp_path / "annotations.tar") as archive:
        lists = {
            part: archive.extractfile(f"annotations/{part}.txt").read().decode().split()
            for part in ("trainval", "test")
        }
        trimap = np.array(Image.open(archive.extractfile("annotations/trimaps/Bengal_1.png")))
    assert {part: len(names) for part, names in lists.items()} == {"trainval": 38, "test": 37}
    assert set(pictures) == {f"images/{name}.jpg" for names in lists.values() for name in names}
    assert set(np.unique(trimap)) == {1, 2, 3}


def test_the_cost_is_that_of_the_command_and_its_children(tmp_path):
    """The child holds 64 MB of its own; the file it maps and reads is not counted. It sleeps 0.5 s,
    which is no processor time, and calculates for 0.3 s.
    """
    (tmp_path / "file").write_bytes(bytes(2**26))
    child = (
        "import mmap, time; own = bytearray(b'x') * 2**26; stream = open('file')\n"
        "file = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ); sum(file[::4096])\n"
        "time.sleep(0.5); end = time.process_time() + 0.3\n"
        "while time.process_time() < end: pass"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    cost = command_cost([sys.executable, "-c", parent], tmp_path, {})
    assert 64 < cost.megabytes < 110
    assert 0.3 < cost.processor < cost.seconds - 0.4
    with pytest.raises(UserError, match=r"exit status 3\n.*no such thing"):
        command_cost([sys.executable, "-c", "print('no such thing'); exit(3)"], tmp_path, {})


def test_growth_is_without_the_start():
    less, more = (Cost(2 + n * 0.003, 1, 100 + n / 1000) for n in (1000, 10_000))
    assert growth(less, more, 9000) == pytest.approx((3, 110 / 101))


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
