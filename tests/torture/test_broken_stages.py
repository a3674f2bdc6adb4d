"""Stages that are killed, or find the disk full: the next run ends as if nothing had happened.

A limit on the size of a file, set when the stage begins its work or has trained an epoch, stands
for the full disk: the kernel refuses the write, in the stage's own processes too.
"""

import resource
import time

import pytest
from clone import ALL_STAGES
from ledger import SEED, TRIES, Row
from training import read_epochs
from workshop import Workshop, go, moments

pytestmark = pytest.mark.torture

KILLS = [(how, stage) for how in ("alone", "dvc repro") for stage in ALL_STAGES]
BYTES = {  # what does not fit any more: at most so many bytes of each file do
    "download": 300_000,  # the archives
    "extract": 20_000,  # index.csv, or a picture
    "split": 2_000,  # a list
    "train": 200_000,  # the decoded pictures
    "evaluate": 20_000,  # tables and pictures
    "export": 50_000,  # the models
}
DISKS = [*BYTES, "train, after an epoch"]
if TRIES == 1:  # the short form
    KILLS = [("dvc repro", "extract")]
    DISKS = ["split"]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("workshop"))


def kill_of(how, stage):
    """Named for `-k`."""
    return pytest.param(how, stage, id=f"{how.split()[0]}-{stage}")


@pytest.mark.parametrize(("how", "stage"), [kill_of(*each) for each in KILLS])
def test_a_killed_stage_ends_at_the_next_try_as_one_that_was_not(workshop, how, stage):
    row = Row("kill -9", f"{stage}, {how}")
    kill = workshop.kill_alone if how == "alone" else workshop.kill_dvc
    for share in moments(how, stage, SEED):
        workshop.reset(stage)
        killed_in = kill(stage, share)
        begun = time.monotonic()
        lost = [] if killed_in is None else what_is_lost(workshop, stage, how)
        seconds = round(time.monotonic() - begun, 1)
        row.add(inside=killed_in is not None, share=share, place=killed_in, lost=lost, next=seconds)
        if row.inside == TRIES:
            break
        assert len(row.tries) < 4 * TRIES + 8, "the moments do not fall into the stage"
    row.check()


@pytest.mark.parametrize("case", DISKS, ids=lambda case: f"disk-{case.replace(', after an ', '-')}")
def test_a_full_disk_is_an_error_that_names_the_file_and_loses_nothing(workshop, case):
    row = Row("full disk", case)
    stage = case.partition(",")[0]
    for share in moments("disk", case, SEED):
        workshop.reset(stage)
        limit = int(share * BYTES[stage])
        status, output = run_limited(workshop, stage, limit, after_an_epoch="epoch" in case)
        errors = [line for line in output.splitlines() if line.startswith("error: ")]
        lost = []
        if status != 0:
            if status != 1 or "Traceback" in output or not errors:
                lost.append(f"no clear error: {output[-2000:]}")
            lost += what_is_lost(workshop, stage, "alone")
        row.add(inside=status != 0, limit=limit, said=errors, lost=lost)
        if row.inside == TRIES:
            break
        assert len(row.tries) < 4 * TRIES + 8, "the disk is never full"
    row.check()


def what_is_lost(workshop, stage, how):
    """Half-written files now, and whatever is not as it should be after the next run."""
    lost = workshop.half_written(stage)
    try:
        workshop.run_again(stage, how)
    except AssertionError as error:
        return [*lost, f"the next run failed: {str(error)[-2000:]}"]
    return lost + workshop.losses(stage)


def run_limited(workshop, stage, limit, *, after_an_epoch):
    """Run the stage with the limit; return its exit status and output."""
    with workshop.alone(stage) as process:
        if after_an_epoch:
            go(process)
            read_epochs(process, 1)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        if not after_an_epoch:
            go(process)
        output, _ = process.communicate()
        return process.returncode, output
