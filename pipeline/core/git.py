"""What git knows of the workspace: its commit, what differs from it, and who commits."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.terminal import UserError

UNKNOWN = "unknown"
NOTHING = ("not a git repository", "Needed a single revision")  # in git's errors

# What decides a run besides params.yaml, dvc.lock and the metrics, which are recorded anyway.
SOURCE = (
    "*.py",
    "pipeline",
    "stages",
    "datasets",
    "labels",
    "dvc.yaml",
    "pyproject.toml",
    "requirements.lock",
)


class GitError(UserError):
    """A git command failed; `message` is what git said, perhaps nothing."""

    def __init__(self, workspace: Path, arguments: Sequence[str], message: str):
        command = f"git {arguments[0]} ({arguments[-1]})"
        super().__init__(f"{command} failed in {workspace.absolute()}: {message}")
        self.message = message


def git_commit(workspace: Path) -> str:
    """The full hash of HEAD, or "unknown"."""
    commit = _git(workspace, "rev-parse", "--verify", "HEAD")
    return UNKNOWN if commit is None else commit.decode().strip()


def path_in_git(workspace: Path) -> Path:
    """Where the workspace is in its repository: Path() unless that holds other projects too."""
    prefix = _git(workspace, "rev-parse", "--show-prefix") or b""
    return Path(os.fsdecode(prefix.rstrip(b"\n")))


def source_patch(workspace: Path, files: Sequence[str] = SOURCE) -> bytes | None:
    """The patch that `git apply` needs to turn HEAD's source into the present one.

    `files` are git's patterns of what counts as source. The patch adds those that git does not
    track yet, unless they are ignored. None without a commit.
    """
    if git_commit(workspace) == UNKNOWN:
        return None
    with TemporaryDirectory() as folder:
        # An index of our own, so that new files can be shown without touching the user's.
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        _git(workspace, "read-tree", "HEAD", **index)
        untracked = ("ls-files", "-z", "--others", "--exclude-standard", "--", *files)
        if new := _git(workspace, *untracked, **index):
            listed = ("--pathspec-from-file=-", "--pathspec-file-nul")  # of any number
            run_git(workspace, "add", "--intent-to-add", *listed, stdin=new, environment=index)
        return _git(workspace, "diff-index", "-p", "--binary", "HEAD", "--", *files, **index)


def committer(workspace: Path) -> str:
    """Who commits here, as "Name <address>". Raises UserError if git knows nobody."""
    found = _git(workspace, "config", "user.name"), _git(workspace, "config", "user.email")
    name, email = ((text or b"").decode(errors="replace").strip() for text in found)
    if not (name and email):
        raise UserError(
            "git does not know who you are: git config user.name NAME, and user.email ADDRESS"
        )
    return f"{name} <{email}>"


def git_identity() -> dict[str, str]:
    """Variables that give DVC's experiment commits an author, also where git knows none."""
    try:
        name, _, email = committer(Path()).removesuffix(">").rpartition(" <")
    except UserError:
        name, email = "petseg", "petseg@localhost"
    return {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", name), ("EMAIL", email))
    }


def run_git(
    workspace: Path,
    *arguments: str,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """The output of a git command. Raises GitError, with git's own words, if it fails."""
    done = subprocess.run(
        # Without hooks: DVC's would check out data, and a person's may do anything.
        ["git", "-c", "core.hooksPath=/dev/null", *arguments],
        cwd=workspace,
        env={**os.environ, "LC_ALL": "C", **(environment or {})},  # messages are looked at
        input=stdin,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise GitError(workspace, arguments, done.stderr.decode(errors="replace").strip())
    return done.stdout


def _git(workspace: Path, *arguments: str, **environment: str) -> bytes | None:
    """The output of a git command in the workspace.

    None if git is not installed or there is nothing to tell: no repository, no commit, no such
    setting. Raises GitError, with git's own remedy, if git refuses: a repository of another user.
    """
    try:
        return run_git(workspace, *arguments, environment=environment)
    except OSError:
        return None
    except GitError as error:
        if not error.message or any(words in error.message for words in NOTHING):
            return None
        raise
