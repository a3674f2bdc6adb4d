"""Collect the pages of the site: the repository's, a reference of the params, one of the code.

Files have the same paths in the site as in the repository, so that a link holds in both.
"""

import ast
import os
import re
import shutil
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from docs.site.params import reference

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".cache/docs"  # mkdocs.yml and pages/, for mkdocs to read
LINK = re.compile(r"\]\(([^)#:]+)")  # the target of a relative link, without its anchor
PAGES = [Path(name) for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += [page.relative_to(ROOT) for page in sorted(ROOT.glob("docs/*.md"))]
ROOMS = [folder.parent.name for folder in sorted(ROOT.glob("pipeline/*/__init__.py"))]


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    pages = FOLDER / "pages"
    for file in {*PAGES, *chain.from_iterable(map(linked, PAGES))}:
        write(pages / file, (ROOT / file).read_bytes())
    write(pages / "style.css", (ROOT / "docs/site/style.css").read_bytes())
    write(pages / "docs/params.md", reference(ROOT / "params.yaml").encode())
    for room in ROOMS:
        write(pages / f"docs/api/{room}.md", code_of(room).encode())
    settings = yaml.safe_load((ROOT / "docs/site/mkdocs.yml").read_text())
    settings |= {"docs_dir": "pages", "site_dir": str(ROOT / "site"), "nav": navigation()}
    write(FOLDER / "mkdocs.yml", yaml.safe_dump(settings).encode())


def write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def linked(page: Path) -> set[Path]:
    """The files of the repository, other than pages, that a page links to."""
    targets = (os.path.normpath(page.parent / name) for name in LINK.findall(page.read_text()))
    return {Path(each) for each in targets if (ROOT / each).is_file() and not each.endswith(".md")}


def navigation() -> list[dict[str, Any]]:
    """The pages as docs/README.md lists them, heading by heading, and the references after them."""
    parts = re.split("^## ", (ROOT / "docs/README.md").read_text(), flags=re.MULTILINE)[1:]
    listed = [(part.partition("\n")[0], LINK.findall(part)) for part in parts]
    return [
        {"Home": ["README.md", "docs/README.md"]},
        *({heading: [f"docs/{name}" for name in names]} for heading, names in listed),
        {"Reference": ["docs/params.md", *(f"docs/api/{room}.md" for room in ROOMS)]},
        {"Development": ["CONTRIBUTING.md", "CHANGELOG.md"]},
    ]


def code_of(room: str) -> str:
    """The page of a folder of pipeline/: what mkdocstrings finds in each of its modules."""
    folder = ROOT / "pipeline" / room
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    files = [file for file in sorted(folder.rglob("*.py")) if file.stem != "__init__"]
    names = (".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files)
    return "\n\n".join([f"# pipeline.{room}", said, *(f"::: {name}" for name in names)])


if __name__ == "__main__":
    main()
