"""torchvision and timm, importable also beside a torch build torchvision was not compiled for.

PyPI's torchvision is compiled for the CUDA build of torch. Beside a CPU build its C++ operators do
not load, and its import fails on two of them that this project never calls: declaring these two
lets the rest, which is plain Python, be imported, and timm, which imports it. Where the real ones
load, nothing is declared.
"""

import sys

import torch

try:
    import torchvision
except RuntimeError as error:
    if "torchvision::nms" not in str(error):
        raise
    _signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    torch.library.define("torchvision::nms", _signature)
    torch.library.define("torchvision::qnms", _signature)
    for _name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[_name]  # what the failed import left behind
    import torchvision

import timm
from torchvision import tv_tensors
from torchvision.transforms import v2

__all__ = ["timm", "torchvision", "tv_tensors", "v2"]
