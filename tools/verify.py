"""Rebuild a model from its commit, its patch and its params, and compare it byte by byte."""

import argparse
import shutil
import signal
import sys
from pathlib import Path

from rich.table import Table

from pipeline.core.terminal import UserError, console, run_command
from pipeline.data.pets import changed_files
from pipeline.records.compare import Finding, judge, short
from pipeline.records.evidence import INDEX, data_finding, gather
from pipeline.records.origin import Origin, find_origin
from pipeline.records.rebuild import rebuild, restore_params, store_uri
from pipeline.records.store import open_store
from pipeline.records.worktree import worktree

AFTER_EXTRACT = "split"  # the stage that reads data/pets first


def main() -> int:
    arguments = parse_arguments()
    # So that the worktree is removed; in the background, too, where a shell lets ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    origin = find_origin(open_store(), arguments.model)
    findings = check_data(origin, arguments.data) if arguments.data else []
    finished = True
    if not any(finding.differs for finding in findings):
        findings, finished = rebuild_and_compare(origin, arguments.data)
    verdict = judge(findings, finished)
    console.print(table_of(origin, findings))
    console.print(verdict.text, markup=False, highlight=False, soft_wrap=True)
    return 0 if verdict.identical else 1


def check_data(origin: Origin, pets: Path) -> list[Finding]:
    """Whether a data set that is here is the one of then, file by file.

    Raises UserError if there is none.
    """
    index = pets / INDEX.name
    if not index.is_file():
        raise UserError(f"--data {pets}: {index} is missing; expected is a folder as data/pets")
    found = data_finding(origin, index)
    if found.differs:
        return [found]
    return [
        Finding("data", file.relative_to(pets).as_posix(), *digests)
        for file, digests in changed_files(pets).items()
    ]


def rebuild_and_compare(origin: Origin, pets: Path | None) -> tuple[list[Finding], bool]:
    """What was compared, and whether every stage ended well."""
    with worktree(Path.cwd(), origin.commit, origin.patch) as root:
        restore_params(root, origin)
        patched = " with its patch" if origin.patch else ""
        console.print(f"Rebuilding {origin.name}: commit {origin.commit[:7]}{patched}, in {root}")
        if pets:
            shutil.copytree(pets, root / INDEX.parent)
        status = rebuild(root, AFTER_EXTRACT if pets else None)
        return gather(origin, root, store_uri(root)), status == 0


def table_of(origin: Origin, findings: list[Finding]) -> Table:
    """What was compared, a row each; digests are shortened."""
    table = Table(title=f"{origin.name}, rebuilt from commit {origin.commit[:7]}")
    for column in ("", "compared", "then", "now", ""):
        table.add_column(column, overflow="fold")
    for each in findings:
        outcome = "differs" if each.differs else "same" if each.known else "unknown"
        table.add_row(each.part, each.name, short(each.expected), short(each.got), outcome)
    return table


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.verify", description=__doc__)
    parser.add_argument(
        "model", help="a version's number, its alias (@champion), or the id of a run"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="PETS",
        help="take this data/pets, checked file by file, instead of making it anew",
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
