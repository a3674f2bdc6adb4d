"""What is prepared holds for the whole process, so it is looked at in one of its own."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from pipeline.model.engine import prepare_torch

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(2**24)  # 64 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults())
prepare_torch(seed=0, threads=1)
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_memory_that_was_freed_is_used_again_without_the_system():
    command = [sys.executable, "-c", FAULTS]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, after = map(int, printed.split())
    # Every page of 4 KiB, each time; fewer where the system hands out larger ones.
    assert before >= 10 * 2**26 / 2**21
    assert after < before / 10
