"""Look whether everything is in place, and say what to do about what is not."""

import argparse
import functools
from collections.abc import Callable, Iterable

from pipeline.core.terminal import UserError, console, run_command, say

MARKS = {"good": "[green]✓[/]", "note": "[yellow]•[/]", "bad": "[red]✗[/]"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.doctor", description=__doc__)
    text = "after the repository was moved or copied: let the store find its artifacts here"
    parser.add_argument("--readdress", action="store_true", help=text)
    text = "also read DVC's whole cache: what was damaged, what no commit needs (minutes)"
    parser.add_argument("--deep", action="store_true", help=text)
    arguments = parser.parse_args()
    from pipeline.records.store import open_store
    from tools import checks

    if arguments.readdress:
        return readdress_store()
    store = functools.cache(open_store)  # by the first check that needs it: the others still run
    every: dict[str, Callable[[], Iterable[checks.Finding]]] = {
        "Environment": checks.check_environment,
        "Outputs": checks.check_outputs,
        "Runs and versions": lambda: checks.check_records(store()),
        "Checkpoint": lambda: checks.check_checkpoint(store()),
        "Disk": lambda: checks.check_disk(store),
    }
    if arguments.deep:
        every["DVC's cache"] = checks.check_cache
    states = [state for title, check in every.items() for state in examine(title, check)]
    bad, notes = states.count("bad"), states.count("note")
    console.print(f"\n{bad} to repair, {notes} to know" if bad or notes else "\nAll is well.")
    return 1 if bad else 0


def examine(title: str, check: Callable[[], Iterable[tuple[str, str, str]]]) -> list[str]:
    """Make one check, print what it finds, and return the states; a failed check is "bad"."""
    console.print(f"\n[bold]{title}[/]")
    states: list[str] = []

    def show(state: str, text: str, remedy: str = "") -> None:
        states.append(state)
        console.print(MARKS[state], end=" ")
        say(text)
        if remedy:
            say(f"    {remedy}", style="cyan")

    try:
        for finding in check():
            show(*finding)
    except UserError as error:
        show("bad", str(error))
    return states


def readdress_store() -> int:
    """Let the store look for its artifacts where they are."""
    from mlflow.entities import ViewType

    from pipeline.records.database import moved_from, readdress
    from pipeline.records.store import open_store, store_errors

    store = open_store()
    with store_errors(store.uri):
        every = store.client.search_experiments(ViewType.ALL)
    found = {moved_from(store.uri, each.artifact_location) for each in every} - {None}
    for old in sorted(filter(None, found)):
        count = readdress(store.uri, old)
        say(f"{count} addresses in {store.name} no longer begin with {old}")
    if not found:
        console.print("The store's addresses are right.")
    return 0


if __name__ == "__main__":
    run_command(main)
