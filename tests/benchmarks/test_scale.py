"""The steps run on more and more drawn images; no time and no memory of theirs is asserted."""

import json
import sys

import pytest
from processes import call

from benchmarks import scale
from benchmarks.scale import OF_FORMS, STEPS, Cost, command_cost, growth
from pipeline.core.terminal import UserError


def test_the_cost_is_that_of_the_command_and_its_children(tmp_path):
    """The child holds 64 MB of its own; the file of 64 MB that it maps and reads is not counted."""
    (tmp_path / "file").write_bytes(bytes(2**26))
    child = (
        "import mmap, time; own = bytearray(b'x') * 2**26; stream = open('file')\n"
        "file = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ); sum(file[::4096])\n"
        "time.sleep(0.5)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert 64 < command_cost([sys.executable, "-c", parent], tmp_path, {}).megabytes < 110
    with pytest.raises(UserError, match=r"exit status 3\n.*no such thing"):
        command_cost([sys.executable, "-c", "print('no such thing'); exit(3)"], tmp_path, {})


def test_growth_is_without_the_start():
    less, more = (Cost(2 + n * 0.003, 1, 100 + n / 1000) for n in (1000, 10_000))
    assert growth(less, more, 9000) == pytest.approx((3, 110 / 101))


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("more", "forms", "steps"),
    [([], ["files"], STEPS), (["--shards", "4"], ["files", "shards"], OF_FORMS)],
)
def test_every_step_runs_and_the_last_line_holds_its_cost(tmp_path, capsys, more, forms, steps):
    call(scale, "--images", 160, "--workdir", tmp_path, *more)
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(report) == ["cores", *forms]
    for costs in (report[form]["160"] for form in forms):
        assert list(costs) == list(steps)
        assert all(cost["seconds"] > 0 and cost["megabytes"] > 10 for cost in costs.values())
    assert not list(tmp_path.iterdir())
