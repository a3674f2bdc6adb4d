"""What is read out of an experiment's log while it runs, and after it failed."""

import pytest

from tools.sweeps.plan import Experiment
from tools.sweeps.workers import Job, log_lines


@pytest.fixture
def job(tmp_path):
    return Job(Experiment("sweep-1", {}), tmp_path / "sweep-1.log")


def test_the_last_line_is_the_last_that_has_text(job):
    assert job.last_line() == ""
    job.log.write_text("Running stage 'train':\n  loss 0.5, mIoU 0.71\n\n")
    assert job.last_line() == "loss 0.5, mIoU 0.71"


def test_of_a_line_that_overwrites_itself_the_last_state_counts(job):
    job.log.write_text("epoch 1/3  1/9\repoch 1/3  9/9\r")
    assert job.last_line() == "epoch 1/3  9/9"


def test_only_the_end_of_a_long_log_is_read(job):
    job.log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert job.last_line() == "line 99999"
    assert len(log_lines(job.log)) < 1000


def test_the_reason_is_the_stages_own_error_and_not_what_dvc_makes_of_it(job):
    job.log.write_text(
        "error: params.yaml: train.lr: Input should be greater than 0, found -1\n"
        "ERROR: failed to reproduce 'train': failed to run: python -m stages.train\n"
    )
    assert job.reason() == "error: params.yaml: train.lr: Input should be greater than 0, found -1"


def test_without_an_error_the_last_line_is_the_reason(job):
    assert job.reason() == "it wrote nothing"
    job.log.write_text("Traceback:\nZeroDivisionError: division by zero\n")
    assert job.reason() == "ZeroDivisionError: division by zero"
