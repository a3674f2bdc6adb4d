"""`dvc`, with a stash in git that is its own: python -m tools.sweeps.own_stash REF ARGUMENTS.

`dvc exp run --temp` puts its experiment on a stash that all of them share, runs what it finds
there, and looks again at its end: of several at once, one would run another's.
"""

import signal
import subprocess
import sys

from dvc.cli import main
from dvc.repo import experiments


def run(reference: str, arguments: list[str]) -> int:
    """Run a dvc command whose experiments wait under the git reference; return its exit status."""
    assert hasattr(experiments, "WORKSPACE_STASH")
    experiments.WORKSPACE_STASH = reference
    # What a killed one left there would be run as well.
    subprocess.run(["git", "update-ref", "-d", reference], check=True)
    return main(arguments)


if __name__ == "__main__":
    # A shell starts what shall run in the background with SIGINT ignored, and all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(sys.argv[1], sys.argv[2:]))
