"""Commands start quickly: they import what they work with after they have read their arguments."""

import pytest
from processes import REPOSITORY, run_python

HEAVY = {
    *("numpy", "pandas", "scipy", "matplotlib", "PIL", "imagehash", "requests", "sqlalchemy"),
    *("torch", "torchvision", "timm", "lightning_fabric", "onnx", "onnxruntime"),
    *("mlflow", "dvc", "streamlit"),
}
COMMANDS = [
    f"{file.parent.name}.{file.stem}"
    for folder in ("stages", "tools")
    for file in sorted((REPOSITORY / folder).glob("*.py"))
    if "run_command(main)" in file.read_text()
]
IMPORTED = """
import runpy, sys
command, *sys.argv[1:] = sys.argv[1:]
try:
    runpy.run_module(command, run_name="__main__", alter_sys=True)
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def imported_by(command, *arguments):
    """The top-level packages that the command has imported at its end."""
    done = run_python("-c", IMPORTED, command, *arguments)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_the_commands_are_found():
    assert {"stages.train", "stages.download", "tools.predict", "tools.doctor"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command):
    assert imported_by(command, "--help") & HEAVY == set()
