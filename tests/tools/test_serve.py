"""What `make serve` starts; the server itself is tried in tests/end_to_end/test_serving.py."""

import sys
from pathlib import Path

import pytest
from mlflow_workspace import make_workspace, write_onnx

from pipeline.records.gate import promote
from pipeline.records.registry import register_model
from pipeline.records.tracking import checkpoint_run
from pipeline.terminal import UserError
from tools.serve import main


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run the command as far as the server's start; return what it would run."""
    make_workspace(tmp_path, monkeypatch)
    started: list[list[str]] = []
    monkeypatch.setattr("tools.serve.os.execve", lambda _, command, __: started.append(command))

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["serve", *arguments])
        main()
        return " ".join(started.pop())

    return run


def test_without_a_champion_it_says_what_there_is(serve) -> None:
    with pytest.raises(UserError, match="no version @champion; registered: none, run `make` first"):
        serve()
    register(1)
    with pytest.raises(UserError, match=r"no version @champion; registered: 1$"):
        serve()


def test_the_champion_is_served_or_the_version_meant_for_this_machine_alone(serve) -> None:
    promote(register(1), 1)
    register(2)
    served = "models:/pet-segmentation/{} --env-manager local --host 127.0.0.1 --port {}"
    assert served.format(1, 5001) in serve()
    assert f"{served.format(2, 5002)} --workers 4" in serve(
        *("--model", "2", "--port", "5002", "--workers", "4")
    )


def register(number: int):
    """A version; return its store."""
    with checkpoint_run(f"checkpoint {number}", Path("data/pets")) as run:
        register_model(run, write_onnx(Path(f"{number}.onnx"), number), {})
    return run.store
