"""The registered versions of the model: list them, let the gate decide, promote one by hand."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from pipeline.core.files import file_digest
from pipeline.core.terminal import console, run_command
from pipeline.records.gate import CHAMPION, SCORE, promote
from pipeline.records.lineage import locked_params, read_lock
from pipeline.records.registry import (
    INT8_OFFERED_TAG,
    Version,
    find_version,
    list_versions,
    register_model,
)
from pipeline.records.store import Store, open_store
from pipeline.records.tracking import checkpoint_run, find_run

# Which of the pipeline's metrics files holds the numbers that a run shows under this name.
METRICS = {"train": "train.json", "test": "evaluate.json", "export": "export.json"}
VERSION_SCORES = ("test", "export")
# The list's columns of scores, and the tags that they show.
SHOWN_SCORES = {"mIoU": SCORE, "INT8": "export.int8.miou"}


def main() -> None:
    """List by default."""
    arguments = _parser().parse_args()
    if arguments.command == "gate":
        _gate(arguments)
    elif arguments.command == "promote":
        decision = promote(open_store(), arguments.version)
        console.print(f"Version {decision.version} is @{CHAMPION}: {decision.reason}.")
    else:
        _print_versions(list_versions(open_store()))


def register_restored(
    store: Store, onnx_file: Path, checkpoint: Path, data: Path, metrics: Path
) -> int | None:
    """Register what `dvc repro` took from a cache, so that no stage ran to register it.

    Returns the version of the file, new or not; None if there is no such file. A version whose
    run was deleted gets one again.
    """
    if not onnx_file.is_file():
        return None
    known = find_version(store, file_digest(onnx_file))
    if known and find_run(store, file_digest(checkpoint)):
        return known.number
    measured = {name: _read_json(metrics / file) for name, file in METRICS.items()}
    with checkpoint_run(file_digest(checkpoint), data) as run:
        run.log_metrics(measured)
        if (metrics / "tables").is_dir():
            run.log_artifacts(metrics / "tables", "tables")
        run.set_tags(locked_params(read_lock(Path()), ("evaluate", "export")))
        return register_model(run, onnx_file, {name: measured[name] for name in VERSION_SCORES})


def _gate(arguments: argparse.Namespace) -> None:
    # Who only looks need not wait for torch.
    from tools.gate import read_params, run_gate

    params = read_params()
    store = open_store()
    dry_run = arguments.dry_run
    if not dry_run:
        register_restored(
            store, arguments.model, arguments.checkpoint, arguments.data, arguments.metrics
        )
    elif arguments.model.is_file() and not find_version(store, file_digest(arguments.model)):
        console.print(f"{arguments.model} is not registered; without --dry-run it would be, first.")
    decision = run_gate(
        *(store, params, arguments.data, arguments.splits),
        number=arguments.version,
        dry_run=dry_run,
    )
    outcomes = ("would not become", "would be") if dry_run else ("does not become", "is")
    outcome = f"{outcomes[decision.champion]} @{CHAMPION}"
    console.print(f"Version {decision.version} {outcome}: {decision.reason}.", soft_wrap=True)


def _read_json(file: Path) -> Mapping[str, Any]:
    return json.loads(file.read_text()) if file.is_file() else {}


def _print_versions(versions: list[Version]) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("version", "aliases", "data set", *SHOWN_SCORES, "offered", "run", "date"):
        table.add_column(column, no_wrap=True)
    for version in versions:
        tags = version.tags
        table.add_row(
            str(version.number),
            "\n".join(f"@{alias}" for alias in version.aliases),
            f"{tags.get('data.name', '')} {tags.get('data.index_md5', '')[:7]}",
            *(f"{float(tags[name]):.4f}" if name in tags else "" for name in SHOWN_SCORES.values()),
            {"true": "yes", "false": "no"}.get(tags.get(INT8_OFFERED_TAG, ""), ""),
            version.run_id[:8],
            f"{version.created:%Y-%m-%d}",
        )
    console.print(table if versions else "No version is registered yet: run `dvc repro`.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.models", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("list", help="show versions, aliases, data sets and scores (the default)")
    gate = commands.add_parser(
        "gate", help="make a version @challenger, and @champion if it is better"
    )
    gate.add_argument("--version", type=int, help="number of the version (the newest)")
    paths = {
        "--model": ("models/model.onnx", "exported model, registered first if it is not yet"),
        "--checkpoint": ("models/checkpoint.pth", "checkpoint that it was exported from"),
        "--data": ("data/pets", "data set that the checkpoint was trained on"),
        "--splits": ("data/splits", "folder of the test list, for scoring anew"),
        "--metrics": ("metrics", "folder of train.json, evaluate.json, export.json and tables/"),
    }
    for name, (default, text) in paths.items():
        gate.add_argument(name, type=Path, default=Path(default), help=f"{text} ({default})")
    gate.add_argument("--dry-run", action="store_true", help="decide and tell, but change nothing")
    by_hand = commands.add_parser("promote", help="make a version @champion by hand")
    by_hand.add_argument("version", type=int, help="number of the version")
    return parser


if __name__ == "__main__":
    run_command(main)
