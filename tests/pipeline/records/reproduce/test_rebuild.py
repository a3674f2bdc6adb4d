from pathlib import Path

import pytest
from mlflow_workspace import commit, git

from pipeline.core.git import source_patch
from pipeline.core.terminal import UserError
from pipeline.records.reproduce.rebuild import worktree


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "stages").mkdir(parents=True)
    (folder / "stages/train.py").write_text("lr = 1\n")
    commit(folder)
    return folder


def head(repository: Path) -> str:
    return git(repository, "rev-parse", "HEAD")


def test_a_worktree_has_commit_and_patch_and_leaves_the_repository_alone(repository):
    before = head(repository)
    (repository / "stages/train.py").write_text("lr = 2\n")
    (repository / "stages/new.py").write_text("new = 1\n")
    (repository / "datasets").mkdir()
    (repository / "datasets/new.yaml").write_text("new: 1\n")
    patch = source_patch(repository)
    (repository / "stages/train.py").write_text("lr = 3\n")
    (repository / "stages/new.py").unlink()
    commit(repository)
    with worktree(repository, before, patch) as root:
        assert (root / "stages/train.py").read_text() == "lr = 2\n"
        assert (root / "stages/new.py").read_text() == "new = 1\n"
        assert (root / "datasets/new.yaml").read_text() == "new: 1\n"
        (root.parent / "beside").mkdir()
    assert not root.parent.exists()
    assert git(repository, "worktree", "list").count("\n") == 0
    assert (repository / "stages/train.py").read_text() == "lr = 3\n"


def test_a_project_in_the_folder_of_a_larger_repository_is_found_there(repository):
    project = repository / "teams/data"
    (project / "stages").mkdir(parents=True)
    (project / "stages/train.py").write_text("lr = 1\n")
    commit(repository)
    (project / "stages/train.py").write_text("lr = 2\n")
    (project / "stages/new.py").write_text("new = 1\n")
    with worktree(project, head(repository), source_patch(project)) as root:
        assert (root / "stages/train.py").read_text() == "lr = 2\n"
        assert (root / "stages/new.py").read_text() == "new = 1\n"
        assert not (root / "teams").exists()


@pytest.mark.parametrize(
    ("lost", "patch", "named"),
    [("0" * 40, None, "0000000"), ("HEAD", b"no patch at all\n", "apply")],
)
def test_a_lost_commit_and_a_damaged_patch_are_errors(repository, lost, patch, named):
    with pytest.raises(UserError, match=named), worktree(repository, lost, patch):
        pass
    assert git(repository, "worktree", "list").count("\n") == 0
