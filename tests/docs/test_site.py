"""The pages of the site, before mkdocs makes HTML of them and checks every link (`make docs`)."""

import json
import subprocess

import pytest
from pydantic import TypeAdapter
from tiny_pets import REPOSITORY

from docs.site.pages import PAGES, code_of, navigation
from docs.site.params import SECTIONS, accepted, reference
from pipeline.core.params import read_params
from pipeline.records.lineage import flatten

ROWS = [line for line in reference(REPOSITORY / "params.yaml").splitlines()
        if line.startswith("| `")]  # fmt: skip


def test_every_key_of_params_yaml_has_a_row_with_a_meaning():
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in ROWS]
    assert [key.strip("`") for key, *_ in cells] == list(
        flatten(read_params(REPOSITORY / "params.yaml"))
    )
    assert [key for key, *_, meaning in cells if not meaning] == []


@pytest.mark.parametrize(
    ("section", "key", "words"),
    [
        ("seed", None, "integer [0, 4294967296)"),
        ("split", "by", "`stratify` or `apart`"),
        ("model", "features", "list of integer (0, 4096], [1, 8] long"),
        ("model", "weights", "text or `null`"),
        ("train", "lr", "number (0, ∞)"),
        ("gate", "max_class_drop", "number [0, 1] or number [0, 1] by name"),
        ("labels", "folds", "`0` or integer [2, 100]"),
        ("download", "places", "list of keys `source`, `url`, `md5` (optional)"),
    ],
)
def test_what_is_accepted_is_what_the_class_says(section, key, words):
    whole = TypeAdapter(SECTIONS[section]).json_schema()
    assert accepted(whole["properties"][key] if key else whole, whole) == words


def test_docs_readme_lists_every_page_and_the_site_shows_them_in_its_order():
    shown = [page for group in navigation() for pages in group.values() for page in pages]
    assert len(shown) == len(set(shown))
    assert {str(page) for page in PAGES} == {page for page in shown if page in map(str, PAGES)}
    assert shown.index("docs/tutorial.md") < shown.index("docs/pipeline.md")


def test_a_rooms_page_names_all_its_modules():
    assert "::: pipeline.records.reproduce.provenance" in code_of("records").splitlines()
    assert code_of("core").startswith("# pipeline.core\n\nWhat every room stands on")


def test_the_dev_container_installs_by_a_target_of_the_makefile():
    container = json.loads((REPOSITORY / ".devcontainer/devcontainer.json").read_text())
    command = [*container["postCreateCommand"].split(), "--dry-run", "--always-make"]
    planned = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "--requirement requirements.lock" in planned.stdout
