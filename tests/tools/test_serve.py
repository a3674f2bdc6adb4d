"""What `make serve` starts; the server itself is tried in tests/end_to_end/test_serving.py."""

import json
import sys
from pathlib import Path

import pytest
from mlflow_workspace import register
from tiny_models import write_onnx

from pipeline.core.terminal import UserError
from tools.serve import SETTINGS, main


@pytest.fixture
def serve(workspace: Path, monkeypatch: pytest.MonkeyPatch):
    """Run the command as far as the server's start; return what it would run."""
    started: list[tuple[dict, str]] = []

    def execve(_, command: list[str], environment: dict[str, str]) -> None:
        started.append((json.loads(environment[SETTINGS]), " ".join(command)))

    monkeypatch.setattr("tools.serve.os.execve", execve)

    def run(*arguments: str) -> tuple[dict, str]:
        """What the server's processes are told, and the command."""
        monkeypatch.setattr(sys, "argv", ["serve", *arguments])
        main()
        return started.pop()

    return run


def test_the_champion_is_served_or_what_is_named(serve, capsys) -> None:
    register(write_onnx(Path("1.onnx"), 1), alias="champion")
    register(write_onnx(Path("2.onnx"), 2))
    settings, command = serve()
    assert settings["model"] is None
    assert "version 1 @champion on http://127.0.0.1:5001" in capsys.readouterr().out
    assert "--host 127.0.0.1 --port 5001" in command
    settings, command = serve("--model", "2", "--port", "5002", "--workers", "4")
    assert settings["model"] == "2"
    assert "--host 127.0.0.1 --port 5002" in command
    assert command.endswith("--workers 4")
    assert serve("--model", "1.onnx")[0]["model"] == "1.onnx"


def test_a_model_that_is_not_there_ends_the_command_but_a_shadows_alias_may_come_later(serve):
    register(write_onnx(Path("1.onnx")), alias="champion")
    for arguments in (["--model", "7"], ["--model", "@blue"], ["--shadow", "7"]):
        with pytest.raises(UserError, match=r"has no version .*; registered: 1 @champion"):
            serve(*arguments)
    assert serve("--shadow", "@challenger")[0]["shadow"] == "@challenger"


def test_pictures_are_kept_beside_a_log_only_and_as_a_share_of_all(serve, capsys) -> None:
    register(write_onnx(Path("1.onnx")), alias="champion")
    settings, _ = serve("--log", "seen", "--keep", "0.1")
    assert (settings["log"], settings["keep"]) == ("seen", 0.1)
    assert "their senders' data" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"name its folder with --log"):
        serve("--keep", "0.1")
    with pytest.raises(SystemExit):
        serve("--log", "seen", "--keep", "10")
    assert "accepted are numbers from 0 to 1" in capsys.readouterr().err


def test_an_origin_is_named_in_full_or_refused(serve) -> None:
    register(write_onnx(Path("1.onnx")))
    for origin in ("example.org", "*", "https://example.org/page"):
        with pytest.raises(UserError, match=r"expected https://HOST"):
            serve("--model", "1", "--cors-origin", origin)
