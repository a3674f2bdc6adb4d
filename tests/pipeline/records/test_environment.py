import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from pipeline.records import environment
from pipeline.records.environment import describe_environment

EPYC = """processor : 0
model name\t: AMD EPYC
flags\t\t: fpu sse4_2 avx2 avx avx512_bf16 fma rdseed

processor : 1
model name\t: another
"""
NEOVERSE = "processor : 0\nFeatures : fp asimd sve2 crc32 bf16\n"


def test_python_and_the_packages_that_calculate_are_named() -> None:
    software = describe_environment()["environment"]
    assert software["python"] == ".".join(map(str, sys.version_info[:3]))
    for package in ("torch", "numpy", "pillow", "onnxruntime"):
        assert software[package] == version(package)


@pytest.mark.parametrize(
    ("cpuinfo", "name", "instructions"),
    [(EPYC, "AMD EPYC", "avx avx2 avx512_bf16 fma"), (NEOVERSE, None, "asimd bf16 sve2")],
)
def test_the_processor_is_named_with_what_decides_how_it_calculates(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cpuinfo: str,
    name: str | None,
    instructions: str,
) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(environment, "CPUINFO", tmp_path / "cpuinfo")
    hardware = describe_environment()["hardware"]
    assert hardware["instructions"] == instructions
    assert hardware["processor"] == name or name is None


def test_where_linux_does_not_say_it_there_is_still_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "CPUINFO", tmp_path / "none")
    assert describe_environment()["hardware"]["processor"]
