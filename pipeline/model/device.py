"""The processor that torch runs on, and what makes its results repeatable there."""

import ctypes
import os
import platform

import torch

# Of glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def prepare_torch(seed: int, threads: int) -> torch.device:
    """Seed torch and pin what its results depend on; return the device to work on.

    The order in which a CPU adds depends on the number of threads, and with it the last bits of
    every weight: same bytes need the same number. The process keeps the memory that it frees.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    # Only a warning where a GPU has no such algorithm: there the promise is off, not the training.
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling memory that is about to be overwritten finds bugs, and takes an eighth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    _keep_freed_memory()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _keep_freed_memory() -> None:
    """What one batch frees, the next asks for: glibc would give it back to the system between them.

    The system fills every page with zeros before it hands it out again, which takes a training of
    the small U-Net a tenth of its time. Other C libraries are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_MAX, 0)  # large tensors come from the heap, like small ones
        library.mallopt(M_TRIM_THRESHOLD, -1)  # and it never shrinks
