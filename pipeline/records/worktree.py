"""A commit with a patch, checked out in a folder of its own for a while."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.terminal import UserError


@contextmanager
def worktree(repository: Path, commit: str, patch: bytes | None) -> Iterator[Path]:
    """Give the folder; however the block ends, it goes, and all that was put beside it.

    Raises UserError if the repository lacks the commit or the patch does not apply.
    """
    with TemporaryDirectory(prefix="petseg-verify-", ignore_cleanup_errors=True) as folder:
        root = Path(folder).resolve() / "petseg"
        try:
            _git(repository, "worktree", "add", "--quiet", "--detach", str(root), commit)
            if patch:
                _git(root, "apply", "--whitespace=nowarn", patch=patch)
            yield root
        finally:
            if root.exists():
                _git(repository, "worktree", "remove", "--force", str(root))


def _git(folder: Path, *arguments: str, patch: bytes | None = None) -> None:
    # Without hooks: those of DVC would check out data, those of people do who knows what.
    command = ["git", "-c", "core.hooksPath=/dev/null", *arguments]
    done = subprocess.run(command, cwd=folder, input=patch, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise UserError(f"git {arguments[0]} failed ({arguments[-1]}): {said}")
