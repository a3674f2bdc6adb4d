"""Commands start quickly: they import what they work with after they have read their arguments."""

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
HELP = """
import runpy, sys
heavy, *commands = sys.argv[1:]
for command in commands:
    sys.argv = [command, "--help"]
    try:
        runpy.run_module(command, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        assert not ended.code, command
    assert not (imported := sys.modules.keys() & heavy.split()), (command, imported)
"""


def test_the_commands_are_found():
    assert {"stages.train", "stages.download", "tools.predict", "tools.doctor"} <= set(COMMANDS)


def test_help_imports_nothing_heavy():
    """All in one process: what one has imported without need is there for the next, too."""
    done = run_python("-c", HELP, " ".join(HEAVY), *COMMANDS)
    assert done.returncode == 0, done.stderr
