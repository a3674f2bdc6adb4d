"""The table of faults: every test writes its row, `python tests/torture/ledger.py` prints them."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / ".cache" / "torture"
COLUMNS = ("fault", "where", "tries", "inside", "lost")

TRIES = int(os.environ.get("PETSEG_TRIES", "1"))  # of each fault
FULL = pytest.mark.skipif(TRIES == 1, reason="in the full form alone")
SEED = int(os.environ.get("PETSEG_SEED", "0"))  # of the moments


class Row:
    """What the tries of one fault at one place gave; on disk from the first of them on."""

    def __init__(self, fault: str, where: str) -> None:
        self.fault, self.where = fault, where
        self.tries: list[dict] = []

    @property
    def inside(self) -> int:
        """Tries that hit what they should: the others do not count."""
        return sum(each["inside"] for each in self.tries)

    def add(self, *, inside: bool, lost: list[str], **more: object) -> None:
        """Note a try, what was lost by it, and whatever else tells about it."""
        self.tries.append({"inside": inside, **more, "lost": lost})
        row = {
            "fault": self.fault,
            "where": self.where,
            "tries": len(self.tries),
            "inside": self.inside,
            "lost": sum(bool(each["lost"]) for each in self.tries),
            "seed": SEED,
            "log": self.tries,
        }
        FOLDER.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W+", "-", f"{self.fault} {self.where}")
        (FOLDER / f"{name}.json").write_text(json.dumps(row, indent=2) + "\n")

    def check(self) -> None:
        """Nothing may be lost, in tries of which some hit what they should."""
        assert self.inside, "no try hit what it should"
        lost = [each for each in self.tries if each["lost"]]
        assert not lost, json.dumps(lost, indent=2)


def main() -> int:
    """Print the rows, and write them together into table.json."""
    files = sorted(file for file in FOLDER.glob("*.json") if file.name != "table.json")
    rows = [json.loads(file.read_text()) for file in files]
    (FOLDER / "table.json").write_text(json.dumps(rows, indent=2) + "\n")
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*(str(row[column]) for column in COLUMNS))
    Console().print(table)
    return 1 if any(row["lost"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
