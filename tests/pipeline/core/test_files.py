"""Files and folders appear whole or not at all."""

import errno
import os
from pathlib import Path

import psutil
import pytest
from processes import running, wait_until

from pipeline.core.files import (
    _clear_abandoned,
    atomic_file,
    atomic_folder,
    read_csv,
    write_csv,
    write_rows,
)
from pipeline.core.layout import workspace_root
from pipeline.core.terminal import UserError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_half_of(file):
    file.write_text("half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_appears_when_its_block_ends(tmp_path):
    with atomic_file(tmp_path / "new" / "file.txt") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "new/file.txt").exists()
    assert (tmp_path / "new/file.txt").read_text() == "whole"
    assert names(tmp_path / "new") == ["file.txt"]


def test_an_error_names_the_file_and_leaves_the_earlier_file_or_folder(tmp_path):
    (tmp_path / "file.txt").write_text("earlier")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/old").touch()
    full = r"No space left.*file\.txt"
    with pytest.raises(OSError, match=full), atomic_file(tmp_path / "file.txt") as temporary:
        write_half_of(temporary)
    with pytest.raises(OSError, match="No space"), atomic_folder(tmp_path / "folder") as temporary:
        write_half_of(temporary / "new")
    assert (tmp_path / "file.txt").read_text() == "earlier"
    assert names(tmp_path / "folder") == ["old"]
    assert names(tmp_path) == ["file.txt", "folder"]


WRITER = """
import sys, time
from pathlib import Path
from pipeline.core.files import atomic_file, scratch_folder
folder = Path(sys.argv[1])
with atomic_file(folder / "file.txt") as file, scratch_folder(folder / "images") as images:
    (images / "half").touch()
    print("writing", flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def writer(tmp_path):
    """A process that has begun a file and a folder in tmp_path, a while ago."""
    with running("-c", WRITER, tmp_path) as process:
        assert process.stdout.readline() == "writing\n"
        for left in tmp_path.iterdir():
            os.utime(left, (0, 0))
        yield process


def write_other(folder):
    _clear_abandoned.cache_clear()
    with atomic_file(folder / "other.txt") as temporary:
        temporary.write_text("whole")


def test_temporary_files_of_a_killed_process_are_removed_by_the_next_writer(tmp_path, writer):
    for name in (".thesis.2023.tmp", ".notes.petseg-1234.tmp"):  # somebody's own
        (tmp_path / name).mkdir()
    writer.kill()
    wait_until(lambda: psutil.Process(writer.pid).status() == psutil.STATUS_ZOMBIE)  # unreaped
    write_other(tmp_path)
    assert names(tmp_path) == [".notes.petseg-1234.tmp", ".thesis.2023.tmp", "other.txt"]


def test_temporary_files_of_a_running_process_and_another_thread_stay(tmp_path, writer):
    before = names(tmp_path)
    with atomic_file(tmp_path / "early") as temporary:
        temporary.write_text("early")
        os.utime(temporary, (0, 0))
        write_other(tmp_path)
    assert names(tmp_path) == sorted([*before, "early", "other.txt"])


def test_a_folder_replaces_the_earlier_one_and_is_never_there_in_part(tmp_path):
    """The earlier one is set aside at once, and removed only when the new one is in its place."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/old").touch()
    seen = []
    rename = Path.rename

    def look(self, target):
        seen.append(names(tmp_path / "folder") if (tmp_path / "folder").exists() else None)
        return rename(self, target)

    with pytest.MonkeyPatch.context() as patch, atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "new").touch()
        patch.setattr(Path, "rename", look)
    assert seen == [["old"], None]
    assert names(tmp_path / "folder") == ["new"]
    assert names(tmp_path) == ["folder"]


def test_a_folder_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="is a device: name"), atomic_file(tmp_path / "pipe"):
        pass
    with pytest.raises(UserError, match="is a folder: name a file"), atomic_file(tmp_path):
        pass


def test_the_root_is_dvcs_if_set_else_the_repository(monkeypatch, tmp_path):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert workspace_root() == Path(__file__).resolve().parents[3]
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert workspace_root() == tmp_path


def test_texts_in_a_table_stay_texts(tmp_path):
    breeds = ["NA", "null", "nan", "None", "1e5", "007", "TRUE", "2026-01-02", "=1+1"]
    write_rows(tmp_path / "a.csv", ("breed", "miou"), zip(breeds, [0.5, None] * 5, strict=False))
    table = read_csv(tmp_path / "a.csv")
    assert table["breed"].tolist() == breeds
    assert table["miou"].isna().tolist() == [False, True] * 4 + [False]
    write_csv(tmp_path / "b.csv", table)
    assert (tmp_path / "b.csv").read_text() == (tmp_path / "a.csv").read_text()
