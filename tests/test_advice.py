"""Commands that messages advise exist, with the options that they are advised with.

Those of `make doctor` run in tools/test_doctor_checks.py.
"""

import ast
import re
import sys

import pytest
from dvc.cli import parse_args
from tiny_pets import REPOSITORY

ADVISED = re.compile(r"(?<=[`( ])(make|dvc) ([\w =-]+)(?=[`),])")
TARGETS = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
FILES = [
    file for wing in ("pipeline", "stages", "tools") for file in (REPOSITORY / wing).rglob("*.py")
]
TEXTS = [
    node.value
    for file in FILES
    for node in ast.walk(ast.parse(file.read_text()))
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
]


COMMANDS = sorted({found for text in TEXTS for found in ADVISED.findall(text)})
assert len(COMMANDS) > 10, "the pattern no longer finds them"


@pytest.mark.parametrize(("program", "rest"), COMMANDS)
def test_what_is_advised_exists(program, rest, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["dvc"])  # DVC's parser looks there, too
    if program == "make":
        assert rest.split()[0] in TARGETS
    else:
        parse_args(rest.split())  # exits with an error for what DVC does not know
