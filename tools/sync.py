"""Send what training could not send while its MLflow server was away."""

import argparse

from pipeline.core.terminal import UserError, console, run_command
from pipeline.records.leftovers import send_leftovers, stores_with_leftovers
from pipeline.records.store import open_store


def main() -> int:
    """Try every store that something waits for; the status is 1 if one of them still fails."""
    argparse.ArgumentParser(prog="python -m tools.sync", description=__doc__).parse_args()
    uris = stores_with_leftovers()
    failed = [uri for uri in uris if not _send(uri)]
    if not uris:
        console.print("Nothing waits to be sent.")
    return 1 if failed else 0


def _send(uri: str) -> bool:
    try:
        sent = send_leftovers(open_store(uri))
    except UserError as error:
        console.print(f"Kept for later: {error}", markup=False)
        return False
    console.print(f"Sent to {uri}: what {sent} commands had left.", markup=False)
    return True


if __name__ == "__main__":
    run_command(main)
