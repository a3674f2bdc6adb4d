"""What a command costs: seconds by the clock and of the processor, and memory."""

import re
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.core.terminal import UserError

INTERVAL = 0.05  # seconds between two looks at the memory


@dataclass(frozen=True)
class Cost:
    """Of one command with all the processes that it starts."""

    seconds: float  # by the clock
    processor: float  # seconds in which it had one, which other work on the machine changes less
    megabytes: float  # the most that they held together


def measure(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run the command in the folder. Raises UserError, with what it said, if it fails.

    Memory is what the processes have to themselves: pages of files, which the system takes back
    when it needs them, do not count.
    """
    with (folder / "output.txt").open("w+b") as output:
        start, before = time.perf_counter(), _processor()
        process = psutil.Popen(
            command, cwd=folder, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, _held(process))
            time.sleep(INTERVAL)
        seconds = time.perf_counter() - start
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace")
            raise UserError(f"{' '.join(command)}: exit status {process.returncode}\n{said}")
    return Cost(seconds, _processor() - before, peak / 2**20)


def _processor() -> float:
    """Seconds that all children of this process took which have ended, and theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _held(process: psutil.Popen) -> int:
    """Bytes of the process and its descendants; one that has just ended holds nothing."""
    try:
        return sum(_anonymous(each) for each in [process, *process.children(recursive=True)])
    except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
        return 0


def _anonymous(process: psutil.Process) -> int:
    """Where Linux tells: a page that a process and its fork still share counts once."""
    rollup = Path(f"/proc/{process.pid}/smaps_rollup")
    if not rollup.parent.is_dir():
        memory = process.memory_info()
        return memory.rss - memory.shared
    found = re.search(r"^Pss_Anon:\s+(\d+) kB", rollup.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
