from pathlib import Path

import pytest
from mlflow_workspace import git

from pipeline.core.git import source_patch
from pipeline.core.terminal import UserError
from pipeline.records.reproduce.rebuild import worktree


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "stages").mkdir(parents=True)
    (folder / "stages/train.py").write_text("lr = 1\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "start")
    return folder


def head(repository: Path) -> str:
    return git(repository, "rev-parse", "HEAD")


def test_commit_and_patch_are_there_and_the_repository_stays_as_it_is(repository):
    commit = head(repository)
    (repository / "stages/train.py").write_text("lr = 2\n")
    (repository / "stages/new.py").write_text("new = 1\n")
    patch = source_patch(repository)
    (repository / "stages/train.py").write_text("lr = 3\n")
    git(repository, "commit", "--quiet", "--all", "--message", "later")
    with worktree(repository, commit, patch) as root:
        assert (root / "stages/train.py").read_text() == "lr = 2\n"
        assert (root / "stages/new.py").read_text() == "new = 1\n"
        (root.parent / "beside").mkdir()
    assert not root.parent.exists()
    assert git(repository, "worktree", "list").count("\n") == 0
    assert (repository / "stages/train.py").read_text() == "lr = 3\n"


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, ValueError])
def test_it_goes_however_the_block_ends(repository, failure):
    roots = []

    def fail() -> None:
        with worktree(repository, head(repository), None) as root:
            roots.append(root)
            (root / "stages/train.py").write_text("changed\n")
            raise failure

    with pytest.raises(failure):
        fail()
    assert not roots[0].parent.exists()
    assert git(repository, "worktree", "list").count("\n") == 0


@pytest.mark.parametrize(
    ("commit", "patch", "named"),
    [("0" * 40, None, "0000000"), ("HEAD", b"no patch at all\n", "apply")],
)
def test_a_lost_commit_or_a_spoilt_patch_is_named(repository, commit, patch, named):
    with pytest.raises(UserError, match=named), worktree(repository, commit, patch):
        pass
    assert git(repository, "worktree", "list").count("\n") == 0
