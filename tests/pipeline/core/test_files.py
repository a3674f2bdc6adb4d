"""Files and folders appear whole or not at all."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import psutil
import pytest

from pipeline.core.files import (
    atomic_file,
    atomic_folder,
    file_digest,
    write_csv,
    write_json,
)
from pipeline.core.layout import workspace_root


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_half_and_fail(file):
    file.write_text("half")
    file.touch(exist_ok=False)


def test_a_file_appears_when_its_block_ends_and_not_before(tmp_path):
    with atomic_file(tmp_path / "new" / "file.txt") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "new/file.txt").exists()
    assert (tmp_path / "new/file.txt").read_text() == "whole"
    assert names(tmp_path / "new") == ["file.txt"]


def test_an_error_leaves_the_earlier_file_and_nothing_else(tmp_path):
    (tmp_path / "file.txt").write_text("earlier")
    with pytest.raises(FileExistsError), atomic_file(tmp_path / "file.txt") as temporary:
        write_half_and_fail(temporary)
    assert (tmp_path / "file.txt").read_text() == "earlier"
    assert names(tmp_path) == ["file.txt"]


def test_a_folder_takes_the_place_of_the_earlier_one(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/old").touch()
    with atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "new").touch()
        assert names(tmp_path / "folder") == ["old"]
    assert names(tmp_path / "folder") == ["new"]
    assert names(tmp_path) == ["folder"]


def test_an_error_leaves_the_earlier_folder_and_nothing_else(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/old").touch()
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "folder") as temporary:
        write_half_and_fail(temporary / "new")
    assert names(tmp_path / "folder") == ["old"]
    assert names(tmp_path) == ["folder"]


def test_what_a_killed_process_left_goes_with_the_next_one_that_writes_there(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    gone = int(ended.stdout)
    (tmp_path / f".folder.new.{gone}.tmp").mkdir()
    (tmp_path / f".folder.new.{gone}.tmp/half").touch()
    for name in (f".file.txt.{gone}.tmp", f".other.{os.getppid()}.tmp", ".a-users.tmp"):
        (tmp_path / name).touch()
    with atomic_file(tmp_path / "file.txt") as temporary:
        temporary.write_text("whole")
    assert names(tmp_path) == [".a-users.tmp", f".other.{os.getppid()}.tmp", "file.txt"]


def test_what_it_left_goes_also_while_its_parent_has_not_asked_how_it_ended(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    left = tmp_path / f".file.txt.{killed.pid}.tmp"
    left.touch()
    killed.kill()
    while psutil.Process(killed.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    with atomic_file(tmp_path / "file.txt") as temporary:
        temporary.touch()
    killed.wait()
    assert names(tmp_path) == ["file.txt"]


def test_a_folder_is_never_there_in_part(tmp_path):
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


def test_a_full_disk_names_the_file(tmp_path):
    with (
        pytest.raises(OSError, match=r"No space left.*file\.txt"),
        atomic_file(tmp_path / "file.txt"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []


def test_what_is_written_reads_back(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [None, 0.5]})
    write_csv(tmp_path / "a.csv", pd.DataFrame({"x": [1, 2]}, index=[7, 8]))
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": 1, "a": [None, 0.5]}
    assert (tmp_path / "a.csv").read_bytes() == b"x\n1\n2\n"


def test_the_digest_is_that_of_the_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"pets")
    assert file_digest(tmp_path / "file") == hashlib.sha256(b"pets").hexdigest()
    assert file_digest(tmp_path / "file", "md5") == hashlib.md5(b"pets").hexdigest()


def test_the_root_is_dvcs_where_dvc_says_it_else_the_repository(monkeypatch, tmp_path):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert workspace_root() == Path(__file__).resolve().parents[3]
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert workspace_root() == tmp_path


def test_a_thread_that_is_late_to_clear_takes_no_others_file_for_abandoned(tmp_path, monkeypatch):
    looked, written, done = (threading.Event() for _ in range(3))
    glob = Path.glob

    def held_up(folder, pattern):
        first = not looked.is_set()
        looked.set()
        if first:
            written.wait(0.5)  # in vain where threads wait for each other
        return glob(folder, pattern)

    def late():
        with atomic_file(tmp_path / "late") as temporary:
            temporary.touch()
        done.set()

    def early():
        looked.wait(5)
        with atomic_file(tmp_path / "early") as temporary:
            temporary.touch()
            written.set()
            done.wait(5)

    monkeypatch.setattr(Path, "glob", held_up)
    with ThreadPoolExecutor() as pool:
        for thread in [pool.submit(late), pool.submit(early)]:
            thread.result(timeout=10)
    assert names(tmp_path) == ["early", "late"]
