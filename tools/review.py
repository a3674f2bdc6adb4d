"""Write what a branch changed, as Markdown for a pull request: code, params, scores, pictures.

It compares the workspace with a commit through what DVC keeps of both; no server is asked.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.core.files import atomic_file, file_digest, read_csv, write_file
from pipeline.core.git import GitError, run_git
from pipeline.core.layout import INDEX, LOCK, PLOTS, TABLES
from pipeline.core.params import read_section
from pipeline.core.terminal import UserError, printable, run_command, say

PER_IMAGE = TABLES / "per_image.csv"
PICTURES = ("worst", "examples", "confusion")
HEADER = 3  # lines of DVC's table without rows
MOST = 20_000  # characters of one section: a comment on GitHub may have 65,536 in all


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.review", description=__doc__)
    parser.add_argument("--base", default="main", help="branch that it will be merged into (main)")
    reports = Path("reports/review")
    parser.add_argument("--out", type=Path, default=reports, help=f"folder ({reports})")
    arguments = parser.parse_args()
    base, out = common_commit(arguments.base), arguments.out
    sections = [
        f"## What this branch changed\n\nSince `{base[:7]}`, where it left `{arguments.base}`.",
        *verdict(base, out / "before"),
        section("Params", compared("params", base)),
        section("Scores", compared("metrics", base)),
        section("Code and data", changed_files(base)),
        *pictures(base, out),
    ]
    write_file(out / "review.md", "\n\n".join(sections) + "\n")
    say(f"review: {out / 'review.md'}")


def common_commit(base: str) -> str:
    """The hash of the last commit that HEAD shares with `base`. Raises UserError without one."""
    try:
        return run_git(Path(), "merge-base", base, "HEAD").decode().strip()
    except GitError as error:
        hint = "in a shallow clone, first: git fetch --unshallow"
        text = f"--base {base}: no commit of it is in HEAD's history ({hint}): {error}"
        raise UserError(text) from None


def verdict(base: str, before: Path) -> Iterator[str]:
    """What the gate would say of the branch's model in place of the base's, and its table."""
    from tabulate import tabulate

    from pipeline.records.lineage import locked_digests, read_lock
    from pipeline.scoring.tables import paired_tables
    from tools.gate import GateParams, compare, comparison_rows, objections

    tables = [PER_IMAGE, copy_of(base, PER_IMAGE, before)]
    if subprocess.run([sys.executable, "-m", "dvc", "status", "--quiet"], check=False).returncode:
        yield "**The outputs here are not of this code and these params:** `dvc repro` first."
    if not all(map(Path.is_file, tables)):
        remedy = f"`dvc repro` here and at `{base[:7]}`, or `dvc fetch`, brings it"
        yield f"**The scores do not compare:** one side lacks `{PER_IMAGE}`: {remedy}."
        return
    copy_of(base, LOCK, before)
    locks = (read_lock(Path()), read_lock(before))
    if len({locked_digests(lock).get(INDEX.as_posix()) for lock in locks}) > 1:
        yield f"**The gate would refuse the model:** it is of other data, `{INDEX}` differs."
    if len({file_digest(table) for table in tables}) == 1:
        yield "**The model is as good as before,** to the last pixel of each test image."
        return
    pair = paired_tables(*map(read_csv, tables))
    if pair is None:
        yield "**The scores do not compare:** the test images, their masks or the classes differ."
        return
    params = read_section("gate", GateParams)
    comparison = compare(pair, params)
    against = objections(comparison, params)
    decision = f"refuse the model: {'; '.join(against)}" if against else "accept the model"
    yield f"**By the scores, the gate would {decision}** ({comparison.images} test images)."
    header, *rows = comparison_rows(comparison, params)
    yield tabulate(rows, header, tablefmt="github", disable_numparse=True)


def copy_of(base: str, path: Path, folder: Path) -> Path:
    """Copy a file as it was in the commit if DVC's cache or its remote has it."""
    from dvc.api import DVCFileSystem

    copy = folder / path.name
    copy.unlink(missing_ok=True)  # of an earlier review, perhaps of another base
    try:
        content = DVCFileSystem(rev=base).read_bytes(path.as_posix())
    except Exception as error:  # of whatever library the remote needs
        told = printable(f"{path} of {base[:7]} is not here: {error}")
        print(told, file=sys.stderr)
        return copy
    write_file(copy, content)
    return copy


def compared(kind: str, base: str) -> str:
    """The params or metrics that differ, as DVC's table."""
    command = [sys.executable, "-m", "dvc", kind, "diff", base[:7], "--md"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"dvc {kind} diff {base}: {printable(done.stderr.strip())}")
    return done.stdout.strip() if done.stdout.count("\n") > HEADER else ""


def changed_files(base: str) -> str:
    """How many lines of which files differ; outputs as DVC's lock file names them."""
    found = run_git(Path(), "diff", "--stat=100", "--relative", base)
    return f"```\n{found.decode(errors='replace').rstrip()}\n```" if found else ""


def section(title: str, body: str) -> str:
    """A section that a click opens; it is cut, and says so, if it is too long for a comment."""
    if len(body) > MOST:
        end = "\n```" if body.startswith("```") else ""
        body = f"{body[:MOST].rpartition(chr(10))[0]}{end}\n\nThe rest is left out here."
    return f"<details><summary>{title}</summary>\n\n{body or 'No change.'}\n\n</details>"


def pictures(base: str, out: Path) -> list[str]:
    """Copy the test's pictures of both sides into the folder; show those that differ."""
    shown = []
    for name in PICTURES:
        file = PLOTS / "evaluate" / f"{name}.png"
        before = copy_of(base, file, out / "before")
        if file.is_file() and before.is_file() and file.read_bytes() != before.read_bytes():
            with atomic_file(out / "after" / file.name) as temporary:
                shutil.copyfile(file, temporary)
            both = " | ".join(f"![{name}]({side}/{file.name})" for side in ("before", "after"))
            shown.append(f"| {name}, before | after |\n|---|---|\n| {both} |")
    return ["## Pictures", *shown] if shown else []


if __name__ == "__main__":
    run_command(main)
