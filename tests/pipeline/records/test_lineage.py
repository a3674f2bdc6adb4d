import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from mlflow_workspace import commit, git
from tiny_pets import REPOSITORY

from pipeline.core.git import UNKNOWN, source_patch
from pipeline.core.terminal import UserError
from pipeline.records import lineage
from pipeline.records.lineage import (
    check_copy,
    code_digest,
    describe_environment,
    lineage_tags,
    locked_params,
)

INDEX_MD5 = "5d41402abc4b2a76b9719d911017c592"  # of "hello"

LOCK = """
stages:
  download:
    params: {params.yaml: {download: {dataset: oxford}},
             datasets/oxford.yaml: {sources: {images: {md5: 5c4f}}}}
  extract:
    params: {datasets/oxford.yaml: {sources: {images: {md5: 5c4f}}, classes: [{name: cat}]}}
    outs: [{path: data/pairs, md5: 0123456789abcdef0123456789abcdef.dir}]
  split:
    deps: [{path: data/pairs/index.csv, md5: 5d41402abc4b2a76b9719d911017c592}]
    params: {params.yaml: {seed: 0, split: {val_fraction: 0.15}}}
  train:
    deps: [{path: data/pairs, md5: "of its last training, before the data changed"}]
    params: {params.yaml: {train: {lr: 1e-05}}}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small project, committed: source, params, lock, metrics, and an ignored folder."""
    folder = tmp_path / "project"
    for name, text in {
        "stages/train.py": "lr = 1\n",
        "pipeline/loss.py": "loss = 2\n",
        "params.yaml": "seed: 0\n",
        "dvc.lock": "stages: {}\n",
        "metrics/train.json": "{}\n",
        ".gitignore": "/data/\n",
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    commit(folder)
    return folder


CLEAN = ("params.yaml", "dvc.lock", "metrics/train.json", "notes.txt", "data/script.py")
DIRTY = ("stages/train.py", "pipeline/new.py", "datasets/new.yaml", "labels/review.csv", "dvc.yaml")


@pytest.mark.parametrize("name", [*CLEAN, *DIRTY])
def test_changed_and_new_source_is_dirty_and_no_other_change(repository, name):
    for folder in ("data", "datasets", "labels"):
        (repository / folder).mkdir()
    (repository / name).write_text("changed: 1\n")
    tags = lineage_tags(repository / "data/pairs", repository)
    assert (source_patch(repository) == b"") == (name in CLEAN)
    assert tags["git.dirty"] == str(name in DIRTY).lower()
    assert tags["git.commit"] == git(repository, "rev-parse", "HEAD")


def test_commit_and_patch_restore_the_dirty_source(repository, tmp_path):
    (repository / "stages/train.py").write_text("lr = 3\n")
    (repository / "pipeline/loss.py").unlink()
    (repository / "pipeline/a folder").mkdir()
    (repository / "pipeline/a folder/ümlaut.py").write_text("new = True\n")
    (repository / "pipeline/weights.bin").write_bytes(bytes(range(256)))
    (repository / "stages/staged.py").write_text("staged = True\n")
    git(repository, "add", "stages/staged.py")
    before = git(repository, "status", "--porcelain")
    patch = source_patch(repository)
    assert git(repository, "status", "--porcelain") == before, "the user's index is left alone"

    again = tmp_path / "again"
    git(tmp_path, "clone", "--quiet", str(repository), str(again))
    (tmp_path / "dirty.patch").write_bytes(patch)
    git(again, "apply", str(tmp_path / "dirty.patch"))
    assert read_tree(again) == read_tree(repository)


def test_the_patch_holds_more_new_files_than_a_command_line(repository):
    (repository / "labels").mkdir()
    for number in range(9500):
        (repository / "labels" / f"{number:0230}").touch()
    assert source_patch(repository).count(b"new file mode") == 9500


def read_tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_without_git_a_repository_or_a_commit_the_tags_say_unknown(tmp_path, monkeypatch):
    tags = lineage_tags(tmp_path / "data/pairs", tmp_path)
    assert {tags["git.commit"], tags["git.dirty"], tags["data.index_md5"]} == {UNKNOWN}
    git(tmp_path, "init", "--quiet")
    assert lineage_tags(tmp_path / "data/pairs", tmp_path)["git.commit"] == UNKNOWN
    monkeypatch.setenv("PATH", "")
    assert lineage_tags(REPOSITORY / "data/pairs", REPOSITORY)["git.commit"] == UNKNOWN


def test_a_git_that_refuses_is_an_error_with_its_remedy(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as in a container
    with pytest.raises(UserError, match=r"dubious ownership(.|\n)*git config --global --add"):
        lineage_tags(repository / "data/pairs", repository)


def test_the_dvc_experiment_is_named_when_there_is_one(repository, monkeypatch):
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    assert "dvc.exp_name" not in lineage_tags(repository / "data/pairs", repository)
    monkeypatch.setenv("DVC_EXP_NAME", "dusky-olio")
    assert lineage_tags(repository / "data/pairs", repository)["dvc.exp_name"] == "dusky-olio"


def test_the_code_digest_depends_on_names_and_contents_of_the_source(repository):
    (repository / "datasets").mkdir()
    (repository / "datasets.yaml").write_text("sources: {}\n")
    digests = [code_digest(repository)]
    (repository / "params.yaml").write_text("seed: 1\n")
    assert code_digest(repository) == digests[0]
    for change in (
        lambda: (repository / "stages/train.py").write_text("lr = 2\n"),
        lambda: (repository / "stages/train.py").rename(repository / "stages/fit.py"),
        lambda: (repository / "pipeline/breeds.toml").write_text("tail = 1\n"),
        lambda: (repository / "datasets.yaml").rename(repository / "datasets/mine.yaml"),
    ):
        change()
        digests.append(code_digest(repository))
    assert len(set(digests)) == 5
    assert code_digest(shutil.copytree(repository, repository.with_name("copy"))) == digests[-1]


def test_the_link_that_an_editor_leaves_is_no_source(repository):
    before = code_digest(repository)
    (repository / "stages/.#train.py").symlink_to("ann@host.1234:5678")
    assert code_digest(repository) == before


def test_dvcs_digest_of_the_data_is_used_only_if_the_data_is_unchanged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = Path("data/pairs")
    data.mkdir(parents=True)
    Path("dvc.lock").write_text(LOCK)
    for index, digest in (("hello", "0123456789abcdef0123456789abcdef.dir"), ("else", UNKNOWN)):
        (data / "index.csv").write_text(index)
        tags = lineage_tags(data, Path())
        assert (tags["data.name"], tags["data.digest"]) == ("oxford", digest)
        assert (tags["data.index_md5"] == INDEX_MD5) == (index == "hello")


def test_locked_params_are_flat_and_have_of_the_data_sets_file_its_sources_alone():
    lock = yaml.safe_load(LOCK)["stages"]
    assert locked_params(lock) == {
        "download.dataset": "oxford",
        "sources.images.md5": "5c4f",
        "seed": "0",
        "split.val_fraction": "0.15",
    }
    assert locked_params(lock, ("train",)) == {"train.lr": "1e-05"}


EPYC = """processor : 0
model name\t: AMD EPYC
flags\t\t: fpu sse4_2 avx2 avx avx512_bf16 fma rdseed

processor : 1
model name\t: another
"""
NEOVERSE = "processor : 0\nFeatures : fp asimd sve2 crc32 bf16\n"


def test_the_environment_names_python_and_packages():
    software = describe_environment()["environment"]
    assert software["python"] == ".".join(map(str, sys.version_info[:3]))
    for package in ("torch", "numpy", "pillow", "onnxruntime"):
        assert software[package] == version(package)


@pytest.mark.parametrize(
    ("cpuinfo", "name", "instructions"),
    [
        (EPYC, "AMD EPYC", "avx avx2 avx512_bf16 fma"),
        (NEOVERSE, None, "asimd bf16 sve2"),
        (None, None, None),
    ],
)
def test_the_hardware_has_processor_and_instructions(
    tmp_path, monkeypatch, cpuinfo, name, instructions
):
    if cpuinfo:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(lineage, "CPUINFO", tmp_path / "cpuinfo")
    hardware = describe_environment()["hardware"]
    assert not cpuinfo or hardware["instructions"] == instructions
    assert hardware["processor"] == name if name else hardware["processor"]


@pytest.mark.parametrize("name", ["feature%2Fone", "feature one"])
def test_in_a_copy_whose_experiment_dvc_loses_no_run_starts(tmp_path, monkeypatch, name):
    repository = tmp_path / name
    copy = repository / ".dvc/tmp/exps/copy"
    copy.mkdir(parents=True)
    monkeypatch.setenv("DVC_ROOT", str(repository))
    monkeypatch.setenv("DVC_EXP_NAME", "one")
    monkeypatch.chdir(repository)
    check_copy()  # dvc exp run without --temp
    monkeypatch.chdir(copy)
    if "%" not in name:
        check_copy()
        return
    with pytest.raises(UserError, match="%2F in the name of a folder above it"):
        check_copy()
