"""Where training runs: what `auto` chooses, how one process starts, and what torch is told."""

import platform

import pytest
import torch
from processes import run_python

from pipeline.core.terminal import UserError
from pipeline.model.engine import device_name, launch, resolve_precision


@pytest.fixture
def machine(monkeypatch):
    """Make this a machine with these of the processor's abilities, and so many GPUs."""

    def pretend(abilities=(), gpus=0):
        known = dict.fromkeys(("avx2", "avx512_f", "avx512_bf16", "amx_bf16"), False)
        known |= dict.fromkeys(abilities, True)
        monkeypatch.setattr("torch.cpu.get_capabilities", lambda: known)
        monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
        monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)

    return pretend


@pytest.mark.parametrize(
    ("wanted", "abilities", "precision"),
    [
        ("bf16", (), "bf16"),
        ("fp32", ("avx512_bf16",), "fp32"),
        ("auto", ("avx2", "avx512_f"), "fp32"),
        ("auto", ("avx2", "avx512_f", "avx512_bf16"), "bf16"),
        ("auto", ("amx_bf16",), "bf16"),
    ],
)
def test_auto_is_bf16_where_it_is_fast(machine, monkeypatch, wanted, abilities, precision):
    machine(abilities)
    assert resolve_precision(wanted) == precision
    for supported, gpus in ((True, "bf16"), (False, "fp32")):  # which are asked first
        machine(abilities, gpus=1)
        monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *_, s=supported, **__: s)
        assert resolve_precision(wanted) == (gpus if wanted == "auto" else wanted)


@pytest.mark.parametrize("count", [1, 2])
def test_one_process_has_all_the_threads(machine, count, monkeypatch):
    machine()
    for name in ("SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID"):  # a scheduler's are not ours
        monkeypatch.setenv(name, "2")
    fabric = launch(1, "fp32", count, seed=0)
    assert (fabric.world_size, fabric.global_rank) == (1, 0)
    assert fabric.is_global_zero
    assert torch.get_num_threads() == count
    assert device_name(fabric) == "cpu"
    drawn = torch.rand(2)
    launch(1, "fp32", count, seed=0)
    assert torch.equal(torch.rand(2), drawn)  # the seed decides


@pytest.mark.parametrize(
    ("precision", "product"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_the_precision_is_the_products_not_the_weights(machine, precision, product):
    machine()
    fabric = launch(1, precision, 1, seed=0)
    layer = torch.nn.Linear(2, 2)
    seen = []
    layer.register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    model = fabric.setup(layer)
    model(torch.ones(1, 2))
    assert seen == [product]
    assert layer.weight.dtype == torch.float32


def test_more_processes_than_gpus_are_refused(machine):
    machine(gpus=1)
    with pytest.raises(UserError, match=r"train\.processes: 2 is more than this machine's 1 GPUs"):
        launch(2, "fp32", 2, seed=0)


# The memory setting holds for a whole process, so it is measured in one of its own.
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
def test_freed_memory_is_reused():
    before, after = map(int, run_python("-c", FAULTS).stdout.split())
    # Every page of 4 KiB, each time; fewer where the system hands out larger ones.
    assert before >= 10 * 2**26 / 2**21
    assert after < before / 10
