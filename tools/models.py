"""The registered versions of the model: list them, let the gate decide, promote one by hand."""

import argparse
import os
import re
from pathlib import Path

from rich.table import Column, Table
from rich.text import Text

from pipeline.core.files import file_digest
from pipeline.core.git import UNKNOWN
from pipeline.core.layout import ONNX
from pipeline.core.params import read_section
from pipeline.core.terminal import UserError, console, printable, run_command, say
from pipeline.records.versions import (
    CHAMPION,
    DATA_NAME_TAG,
    DATA_TAG,
    FILE_TAGS,
    INT8_OFFERED_TAG,
    MIOU_TAG,
    Version,
    find_served,
    list_versions,
)

# The list's columns of scores, and the tags that they show.
SHOWN_SCORES = {"mIoU": MIOU_TAG, "INT8": "export.int8.miou"}


def main() -> None:
    """List by default."""
    arguments = parse_arguments()
    if arguments.command == "gate":
        _gate(arguments)
    elif arguments.command == "promote":
        from pipeline.records.registry import promote
        from pipeline.records.store import open_store

        decision = promote(open_store(), arguments.version)
        say(f"Version {decision.version} is @{CHAMPION}: {decision.reason}.")
    elif arguments.command == "trace":
        _trace(arguments.answer)
    else:
        _print_versions(list_versions())


def _gate(arguments: argparse.Namespace) -> None:
    from pipeline.records.store import open_store
    from tools.gate import GateParams, register_restored, run_gate

    params = read_section("gate", GateParams)
    store = open_store()
    dry_run = arguments.dry_run
    if not dry_run:
        register_restored(store)
    elif ONNX.is_file() and not find_served(list_versions(store.uri), file_digest(ONNX)):
        console.print(f"{ONNX} is not registered; without --dry-run it would be, first.")
    decision = run_gate(store, params, number=arguments.version, dry_run=dry_run)
    outcomes = ("would not become", "would be") if dry_run else ("does not become", "is")
    outcome = f"{outcomes[decision.champion]} @{CHAMPION}"
    say(f"Version {decision.version} {outcome}: {decision.reason}.")


def _trace(answer: str) -> None:
    """Say which version gave an answer: a PNG that names its model, or the digest in it.

    Raises UserError if the PNG names none, or no version of the registry has such a file.
    """
    # Not Path.is_file, which raises for a name that is too long.
    is_file = os.path.isfile(answer)  # noqa: PTH113
    digest = _digest_in(Path(answer)) if is_file else answer.lower()
    if not re.fullmatch("[0-9a-f]{8,64}", digest):
        raise UserError(f"{answer}: no PNG here, and no digest of 8 to 64 hexadecimal digits")
    version = find_served(list_versions(), digest)
    if version is None:
        raise UserError(f"{answer}: no registered version has a file whose sha256 begins {digest}")
    tags = version.tags
    dirty = " with changes (lineage/dirty.patch)" if tags.get("git.dirty") == "true" else ""
    file = next(name for name, tag in FILE_TAGS.items() if tags.get(tag, "").startswith(digest))
    lines = {
        "version": " ".join(version.names),
        "file": file,
        "MLflow run": version.run_id,
        "commit": f"{tags.get('git.commit', UNKNOWN)}{dirty}",
        "data set": f"{tags.get(DATA_NAME_TAG)}, index.csv {tags.get(DATA_TAG)}",
        "rebuild it": f"make verify VERSION={version.number}",
    }
    for name, text in lines.items():
        say(f"{name:<11} {text}")


def _digest_in(file: Path) -> str:
    from PIL import Image

    from pipeline.deploy.results import MODEL_MARK

    try:
        with Image.open(file, formats=["PNG"]) as image:
            digest = image.info.get(f"{MODEL_MARK}.digest")
    except Exception:  # decoders raise errors of many kinds
        digest = None
    if not isinstance(digest, str):
        raise UserError(f"{file}: no PNG that names the model that made it")
    return digest


def _print_versions(versions: list[Version]) -> None:
    names = ("version", "aliases", "data set", *SHOWN_SCORES, "offered", "run", "date")
    columns = (Column(name, no_wrap=True) for name in names)
    table = Table(*columns, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for version in versions:
        tags = version.tags
        number, *aliases = version.names
        scores = [f"{version.score(name):.4f}" for name in SHOWN_SCORES.values()]
        cells = (
            number,
            "\n".join(aliases),
            f"{tags.get('data.name', '')} {tags.get('data.index_md5', '')[:7]}",
            *("" if score == "nan" else score for score in scores),
            {"true": "yes", "false": "no"}.get(tags.get(INT8_OFFERED_TAG, ""), ""),
            version.run_id[:8],
            f"{version.created:%Y-%m-%d}",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))  # no markup: tags hold any text
    console.print(table if versions else "No version is registered yet: run `dvc repro`.")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.models", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("list", help="show versions, aliases, data sets and scores (the default)")
    rule = "make a version @challenger, and @champion if it is better"
    gate = commands.add_parser("gate", help=rule)
    gate.add_argument("--version", type=int, help="number of the version (the newest)")
    gate.add_argument("--dry-run", action="store_true", help="decide and tell, but change nothing")
    trace = commands.add_parser("trace", help="say which version gave an answer")
    trace.add_argument("answer", help="PNG from predict, page or server, or a digest that it names")
    by_hand = commands.add_parser("promote", help="make a version @champion by hand")
    by_hand.add_argument("version", type=int, help="number of the version")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
