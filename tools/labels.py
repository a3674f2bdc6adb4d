"""Find suspicious labels, and exchange them with the annotation tools CVAT and Label Studio."""

import argparse
from pathlib import Path

from pipeline.core.terminal import UserError, positive, run_command


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.labels", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("rank", help="rank all pairs by how strongly a model disputes their masks")
    _add_export(commands.add_parser("export", help="write pairs to correct for an annotation tool"))
    take = commands.add_parser("import", help="take decisions and pairs from such a tool")
    take.add_argument("file", type=Path, help="what CVAT or Label Studio exported")
    take.add_argument("--reason", default="", help="why masks of the test list change")
    take.add_argument("--kept", type=Path, help="the prediction log that pictures came from")
    return run(parser.parse_args())


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", metavar="OUT.zip", type=Path, help="the archive to write")
    formats = ("cvat", "label-studio")
    parser.add_argument("--format", choices=formats, required=True, help="the tool to write for")
    text = "at most so many, the most suspicious first (%(default)s)"
    parser.add_argument("--first", type=positive, default=100, metavar="N", help=text)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--list", choices=("test", "val", "train"), help="pairs of this list alone")
    text = "instead, the photographs that this prediction log kept, with the champion's masks"
    which.add_argument("--kept", type=Path, metavar="LOG", help=text)


def run(arguments: argparse.Namespace) -> int:
    if arguments.command == "rank":
        from tools.labelling.ranking import rank

        rank()
        return 0
    if arguments.command == "import":
        if not arguments.file.is_file():
            raise UserError(f"{arguments.file} is missing")
        from tools.labelling.importing import import_file

        return import_file(arguments.file, arguments.reason, arguments.kept)
    from tools.labelling.exporting import export_pairs, export_photographs

    if arguments.kept:
        export_photographs(arguments.out, arguments.format, arguments.first, arguments.kept)
    else:
        export_pairs(arguments.out, arguments.format, arguments.first, arguments.list)
    return 0


if __name__ == "__main__":
    run_command(main)
