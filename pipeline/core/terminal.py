"""What a person sees while a command runs: progress, and errors that say what to do."""

import argparse
import atexit
import errno
import os
import pwd
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress

console = Console()

FULL = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Make room")
FORBIDDEN = dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "Correct the permissions")
REFUSALS = FULL | FORBIDDEN

ENDING = (signal.SIGTERM, signal.SIGHUP)

Item = TypeVar("Item")


class UserError(Exception):
    """A problem that the user can fix; the message says what, where and how."""


def run_command(main: Callable[[], int | None]) -> None:
    """Run a command's main and exit with its status.

    A UserError, or a disk that is full or refuses, is printed as a message without a traceback
    (status 1). SIGTERM (docker stop, Slurm) and SIGHUP (a terminal that closes) end it as Ctrl-C
    does: what is open is closed.
    """
    for each in ENDING:
        if signal.getsignal(each) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(each, _end)
    _set_account()
    try:
        sys.exit(main())
    except UserError as error:
        # To standard error, as plain text: a path in brackets is not markup, and is not wrapped.
        print(f"error: {printable(error)}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        told = f"{refusal(error, 'a file')}: what was finished before is kept"
        print(f"error: {printable(told)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _end(number: int, _: object) -> None:
    if number == signal.SIGHUP:  # the terminal is gone, and writing to it would be another error
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            if stat.S_ISCHR(os.fstat(stream).st_mode):
                os.dup2(null, stream)
    sys.exit(128 + number)


def run_process(
    command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> int:
    """Run it to its end; return its status. All that it started ends with this process."""
    process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    try:
        return process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise


def _set_account() -> None:
    """Set HOME and LOGNAME where the user has no account, as in containers: packages need them."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ.setdefault("HOME", "/nonexistent")
        os.environ.setdefault("LOGNAME", str(os.getuid()))


def refusal(error: OSError, file: Path | str) -> str:
    """Describe a disk error: its file (else `file`), the reason and, where known, the remedy."""
    reason = f"{error.filename or file}: {error.strerror or error}"
    if error.errno not in REFUSALS:
        return reason
    return f"{reason}. {REFUSALS[error.errno]}, and run it again"


def path_arguments(
    stage: str, description: str | None, paths: Mapping[str, str]
) -> argparse.Namespace:
    """Parse the command line of a stage: its paths in order, each by name with its help.

    When the stage ends, all that it wrote is synced to disk: DVC records it right after.
    """
    parser = argparse.ArgumentParser(prog=f"python -m stages.{stage}", description=description)
    for name, text in paths.items():
        parser.add_argument(name, type=Path, help=text)
    arguments = parser.parse_args()
    atexit.register(os.sync)
    return arguments


def positive(text: str) -> int:
    """The whole number, at least 1, that a command line's option holds, for argparse's `type`."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is too small: the smallest is 1")
    return number


def between(low: int, high: int, kind: Callable[[str], float] = int) -> Callable[[str], float]:
    """Return a parser of numbers from `low` to `high`, of this kind, for argparse's `type`."""

    def number(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text}: accepted are numbers from {low} to {high}")
        return value

    return number


def printable(message: object) -> str:
    """The text `redacted`, and with control characters escaped: a file's name may hold them."""
    # All but line ends; and what stands for bytes that are no UTF-8.
    control = r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]"
    return re.sub(control, lambda found: repr(found[0])[1:-1], redacted(message))


def say(message: object, style: str | None = None, where: Console | None = None) -> None:
    """Print a message without markup (a path may hold brackets) and without wrapping its lines."""
    how: Any = {"markup": False, "emoji": False, "highlight": False, "soft_wrap": True}
    (where or console).print(printable(message), style=style, **how)


def redacted(message: object) -> str:
    """The text without the user and the password of any address in it."""
    text = re.sub(r"(?<=://)[^/\s]*@", "", str(message))
    # The password of a database may hold a slash.
    return re.sub(r"(?i)\b((?:postgresql|mysql|mssql)[\w+.-]*://)[^:/\s@]*:[^@\s]*@", r"\1", text)


def progress(where: Console = console, **how: Any) -> "Progress":
    """A progress display for counted work; `add_task` adds a bar. how: as for rich's Progress."""
    from rich import progress as bars  # noqa: PLC0415 - `--help` shows no progress

    return bars.Progress(
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(elapsed_when_finished=True),
        console=where,
        **how,
    )


@contextmanager
def track(
    items: Iterable[Item], description: str, total: int | None = None
) -> Iterator[Iterable[Item]]:
    """Give the items for the block, once, and count them with a progress bar.

    A context manager, because the display must end after an error too.
    """
    with progress() as bars:
        yield bars.track(items, total, description=description)
