"""Look whether everything is in place, and say what to do about what is not."""

import argparse
import functools
from collections.abc import Callable, Iterable

from pipeline.core.terminal import UserError, console, run_command
from pipeline.records.addresses import moved_from, readdress
from pipeline.records.store import open_store
from tools.checkup.disk import check_disk
from tools.checkup.environment import check_environment
from tools.checkup.finding import Finding
from tools.checkup.outputs import check_outputs, check_pairs
from tools.checkup.records import check_records

MARKS = {"good": "[green]✓[/]", "note": "[yellow]•[/]", "bad": "[red]✗[/]"}


def main() -> int:
    if parse_arguments().readdress:
        return mend_addresses()
    store = functools.cache(open_store)  # by the first check that needs it, so that others go on
    checks: dict[str, Callable[[], Iterable[Finding]]] = {
        "Environment": check_environment,
        "Outputs": check_outputs,
        "Runs and versions": lambda: check_records(store()),
        "Checkpoints": lambda: check_pairs(store()),
        "Disk": lambda: check_disk(store()),
    }
    findings = [finding for title, check in checks.items() for finding in examine(title, check)]
    bad = sum(finding.state == "bad" for finding in findings)
    notes = sum(finding.state == "note" for finding in findings)
    console.print(f"\n{bad} to mend, {notes} to know" if bad or notes else "\nAll is well.")
    return 1 if bad else 0


def examine(title: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Make one check and print what it finds; a check that cannot be made is a finding too."""
    console.print(f"\n[bold]{title}[/]")
    findings = []
    try:
        for finding in check():
            findings.append(finding)
            show(finding)
    except UserError as error:
        findings.append(Finding("bad", str(error)))
        show(findings[-1])
    return findings


def show(finding: Finding) -> None:
    console.print(MARKS[finding.state], end=" ")
    console.print(finding.text, markup=False, highlight=False, soft_wrap=True)
    if finding.remedy:
        console.print(f"    {finding.remedy}", style="cyan", markup=False, soft_wrap=True)


def mend_addresses() -> int:
    """Let the store look for its artifacts where they are."""
    store = open_store()
    old = moved_from(store)
    if old is None:
        console.print("The store's addresses are right.")
        return 0
    console.print(f"{readdress(store, old)} addresses in {store.uri} no longer begin with {old}")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.doctor", description=__doc__)
    parser.add_argument(
        "--readdress",
        action="store_true",
        help="after the repository was moved or copied: let the store find its artifacts here",
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
