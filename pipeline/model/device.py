"""The processor that torch runs on, and what makes its results repeatable there."""

import os

import torch


def prepare_torch(seed: int, threads: int) -> torch.device:
    """Seed torch and pin what its results depend on; return the device to work on.

    The order in which a CPU adds depends on the number of threads, and with it the last bits of
    every weight: same bytes need the same number.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    # Only a warning where a GPU has no such algorithm: there the promise is off, not the training.
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling memory that is about to be overwritten finds bugs, and takes an eighth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
