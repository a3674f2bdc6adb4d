"""The doors between the packages are shut: see the contracts in pyproject.toml."""

from importlinter.cli import lint_imports
from tiny_pets import REPOSITORY


def test_every_import_goes_through_a_door(monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out
