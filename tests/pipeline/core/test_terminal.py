"""Errors are messages, progress ends with its block."""

import errno
import getpass
import os
import signal
from pathlib import Path

import pytest

from pipeline.core.terminal import UserError, console, redacted, run_command, track


def status(main):
    with pytest.raises(SystemExit) as leaving:
        run_command(main)
    return leaving.value.code


def test_a_user_error_and_a_full_disk_are_messages_and_another_error_is_a_crash(capsys):
    def fail(error):
        raise error

    message = "data/raw [a]: no archive; run dvc repro download"
    assert status(lambda: fail(UserError(message))) == 1
    assert capsys.readouterr().err == f"error: {message}\n"
    full = OSError(errno.ENOSPC, "No space left on device", "models/model.onnx")
    assert status(lambda: fail(full)) == 1
    assert capsys.readouterr().err.startswith(
        "error: models/model.onnx: No space left on device. Make room, and run it again"
    )
    assert status(lambda: fail(OSError(errno.EACCES, "Permission denied", "data"))) == 1
    forbidden = "error: data: Permission denied. Correct the permissions"
    assert capsys.readouterr().err.startswith(forbidden)
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 // 0)
    assert status(lambda: fail(KeyboardInterrupt())) == 130


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:pw@host/a", "http://host/a"),
        ("postgresql+psycopg://me:p/w@host:5432/a: down", "postgresql+psycopg://host:5432/a: down"),
        ("http://host/a:b@c", "http://host/a:b@c"),
        ("s3://minio:9000/a/b@c.jpg: gone", "s3://minio:9000/a/b@c.jpg: gone"),
    ],
)
def test_no_password_is_shown(text, shown):
    assert redacted(text) == shown


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_command_as_an_exit_that_its_blocks_see(number, code):
    seen = []

    def main():
        try:
            signal.raise_signal(number)
        except SystemExit as leaving:
            seen.append(leaving.code)
            raise

    before = signal.signal(number, signal.SIG_DFL)
    assert status(main) == code
    assert seen == [code]
    signal.signal(number, before)


def test_a_closed_terminal_does_not_end_what_nohup_started():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert status(lambda: signal.raise_signal(signal.SIGHUP)) is None
    assert signal.signal(signal.SIGHUP, before) is signal.SIG_IGN


def test_a_user_id_without_an_account_has_a_home_and_a_name(monkeypatch):
    monkeypatch.setattr("os.getuid", lambda: 54321)
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    assert status(lambda: print(Path.home(), getpass.getuser())) is None
    assert os.environ["LOGNAME"] == "54321"


def test_tracked_items_come_through_and_the_display_ends_after_an_error():
    with track(range(3), "counting", 3) as tracked:
        assert list(tracked) == [0, 1, 2]
    with pytest.raises(ZeroDivisionError), track(range(3), "counting") as tracked:
        list(map(lambda item: 1 // item, tracked))  # noqa: C417
    assert not console._live_stack
