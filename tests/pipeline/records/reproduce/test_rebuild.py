from pathlib import Path

import pytest
from mlflow_workspace import git

from pipeline.core.git import source_patch
from pipeline.core.params import flatten
from pipeline.core.terminal import UserError
from pipeline.records.reproduce.rebuild import contradictions, parse_value, with_recorded, worktree


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


FILE = {
    "seed": 0,
    "model": {"features": [4, 8], "weights": None},
    "train": {"lr": 0.004, "augmentation": {"brightness": 0.1}},
    "gate": {"confidence": 0.95},
}


@pytest.mark.parametrize(
    "value", [3, 0.5, 1e-05, 1e22, True, None, [4, 8], [0.1], [], "plain", "a b: c", "", "10 px"]
)
def test_a_value_comes_back_from_its_text_with_its_type(value):
    assert parse_value(str(value), present=None) == value
    assert type(parse_value(str(value), present=None)) is type(value)
    assert parse_value("(4, 8)", present=None) == [4, 8]  # a tuple is a list in YAML
    for text in ("5", "None", "1e5"):
        assert parse_value(text, present=text) == text, "the file's type stays"


def test_recorded_values_take_their_places_and_the_rest_stays():
    recorded = {"train.lr": "1e-05", "train.augmentation.brightness": "0.2", "new.key": "(1, 2)"}
    assert with_recorded(FILE, recorded) == {
        **FILE,
        "train": {"lr": 1e-05, "augmentation": {"brightness": 0.2}},
        "new": {"key": [1, 2]},
    }
    assert FILE["train"]["lr"] == 0.004, "the file's own values are left alone"


def test_a_contradiction_is_told_with_both_values():
    recorded = {key: str(value) for key, value in flatten(FILE).items()}
    recorded |= {"model.features": "(4, 8)", "seed": "0", "train.default": "1"}
    assert contradictions(FILE, recorded) == {}
    recorded = {"seed": "1", "train.lr": "0.004", "model.features": "[4, 16]"}
    wanted = {"seed": ("0", "1"), "model.features": ("[4, 8]", "[4, 16]")}
    assert contradictions(FILE, recorded) == wanted
