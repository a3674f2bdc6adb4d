"""What `make serve` starts; the server itself is tried in tests/end_to_end/test_serving.py."""

import sys
from pathlib import Path

import pytest
from mlflow_workspace import register
from tiny_models import write_onnx

from pipeline.core.terminal import UserError
from tools.serve import MODEL_FILE, main


@pytest.fixture
def serve(workspace: Path, monkeypatch: pytest.MonkeyPatch):
    """Run the command as far as the server's start; return what it would run."""
    started: list[tuple[bytes, str]] = []

    def execve(_, command: list[str], environment: dict[str, str]) -> None:
        started.append((Path(environment[MODEL_FILE]).read_bytes(), " ".join(command)))

    monkeypatch.setattr("tools.serve.os.execve", execve)

    def run(*arguments: str) -> tuple[bytes, str]:
        """The model's bytes, and the command."""
        monkeypatch.setattr(sys, "argv", ["serve", *arguments])
        main()
        return started.pop()

    return run


def test_the_champion_is_served_or_what_is_named(serve) -> None:
    register(write_onnx(Path("1.onnx"), 1), alias="champion")
    register(write_onnx(Path("2.onnx"), 2))
    model, command = serve()
    assert model == Path("1.onnx").read_bytes()
    assert "--host 127.0.0.1 --port 5001" in command
    model, command = serve("--model", "2", "--port", "5002", "--workers", "4")
    assert model == Path("2.onnx").read_bytes()
    assert "--host 127.0.0.1 --port 5002" in command
    assert command.endswith("--workers 4")
    assert serve("--model", "1.onnx")[0] == Path("1.onnx").read_bytes()


def test_an_origin_is_named_in_full_or_refused(serve) -> None:
    register(write_onnx(Path("1.onnx")))
    for origin in ("example.org", "*", "https://example.org/page"):
        with pytest.raises(UserError, match=r"expected https://HOST"):
            serve("--model", "1", "--cors-origin", origin)
