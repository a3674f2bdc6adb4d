"""Rebuild a model from its commit, its patch and its params, and compare it byte by byte."""

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Column, Table
from rich.text import Text

from pipeline.core.layout import INDEX
from pipeline.core.terminal import UserError, console, printable, run_command, say

if TYPE_CHECKING:
    from pipeline.records.reproduce.comparison import Finding
    from pipeline.records.reproduce.provenance import Provenance


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.verify", description=__doc__)
    model = "a version's number, its alias (@champion), or the id of a run"
    parser.add_argument("model", help=model)
    data = "take this data/pairs, checked file by file, instead of making it again"
    parser.add_argument("--data", type=Path, metavar="PAIRS", help=data)
    arguments = parser.parse_args()
    from pipeline.records.reproduce.comparison import compare_rebuild, judge, short
    from pipeline.records.reproduce.provenance import find_provenance
    from pipeline.records.reproduce.rebuild import rebuilt
    from pipeline.records.store import open_store

    # So that the worktree is removed in the background, too, where a shell may ignore SIGINT.
    signal.signal(signal.SIGINT, lambda number, _: sys.exit(128 + number))
    provenance = find_provenance(open_store(), arguments.model)
    findings = check_data(provenance, arguments.data) if arguments.data else []
    finished = True
    if not any(finding.differs for finding in findings):
        with rebuilt(provenance, arguments.data) as (root, finished):
            findings = compare_rebuild(provenance, root)
    identical, verdict = judge(findings, finished)
    columns = (Column(name, overflow="fold") for name in ("", "compared", "then", "now", ""))
    table = Table(*columns, title=f"{provenance.name}, rebuilt from commit {provenance.commit[:7]}")
    for each in findings:
        outcome = "differs" if each.differs else "same" if each.known else "unknown"
        cells = (each.part, each.name, short(each.expected), short(each.got), outcome)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)
    say(verdict)
    return 0 if identical else 1


def check_data(provenance: "Provenance", data: Path) -> "list[Finding]":
    """Compare a data set with the model's, file by file. Raises UserError if there is none."""
    from pipeline.data.pairs import changed_files
    from pipeline.records.reproduce.comparison import Finding, compare_data

    index = data / INDEX.name
    if not index.is_file():
        raise UserError(f"--data {data}: {index} is missing; expected is a folder as data/pairs")
    if (found := compare_data(provenance, index)).differs:
        return [found]
    changed = changed_files(data).items()
    return [Finding("data", file.relative_to(data).as_posix(), *pair) for file, pair in changed]


if __name__ == "__main__":
    run_command(main)
