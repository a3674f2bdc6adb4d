"""What git knows of the workspace: its commit, what differs from it, and who commits."""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.terminal import UserError

UNKNOWN = "unknown"
NOTHING = ("not a git repository", "Needed a single revision")  # in git's errors

# What decides a run besides params.yaml, dvc.lock and the metrics, which are recorded anyway.
SOURCE = ("*.py", "pipeline", "stages", "dvc.yaml", "pyproject.toml", "requirements.lock")


def git_commit(workspace: Path) -> str:
    """The full hash of HEAD, or "unknown"."""
    commit = _git(workspace, "rev-parse", "--verify", "HEAD")
    return UNKNOWN if commit is None else commit.decode().strip()


def path_in_git(workspace: Path) -> Path:
    """Where the workspace is in its repository: Path() unless that holds other projects too."""
    prefix = _git(workspace, "rev-parse", "--show-prefix") or b""
    return Path(os.fsdecode(prefix.strip()))


def source_patch(workspace: Path) -> bytes | None:
    """The patch that `git apply` needs to turn HEAD's source into the present one.

    It adds the files that git does not track yet, unless they are ignored. None without a commit.
    """
    if git_commit(workspace) == UNKNOWN:
        return None
    with TemporaryDirectory() as folder:
        # An index of our own, so that new files can be shown without touching the user's.
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        _git(workspace, "read-tree", "HEAD", **index)
        untracked = ("ls-files", "-z", "--others", "--exclude-standard", "--", *SOURCE)
        new = _git(workspace, *untracked, **index) or b""
        if names := [os.fsdecode(name) for name in new.split(b"\0") if name]:
            _git(workspace, "add", "--intent-to-add", "--", *names, **index)
        return _git(workspace, "diff-index", "-p", "--binary", "HEAD", "--", *SOURCE, **index)


def git_identity() -> dict[str, str]:
    """Variables that give DVC's experiment commits an author, where git knows none."""
    if _git(Path(), "config", "user.email") is not None:
        return {}
    name, email = "petseg", "petseg@localhost"
    return {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", name), ("EMAIL", email))
    }


def _git(workspace: Path, *arguments: str, **environment: str) -> bytes | None:
    """The output of a git command in the workspace.

    None if git is not installed or there is nothing to tell: no repository, no commit, no such
    setting. Raises UserError, with git's own remedy, if git refuses: a repository of another user.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=workspace,
            env={**os.environ, "LC_ALL": "C", **environment},  # the messages that are looked at
            capture_output=True,
            check=True,
        )
    except OSError:
        return None
    except subprocess.CalledProcessError as error:
        message = error.stderr.decode(errors="replace").strip()
        if not message or any(words in message for words in NOTHING):
            return None
        raise UserError(f"git {arguments[0]} failed in {workspace.absolute()}: {message}") from None
    return done.stdout
