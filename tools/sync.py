"""Send what training could not send while its MLflow server was away."""

import argparse

from pipeline.core.terminal import UserError, console, run_command


def main() -> int:
    """Try every store that something waits for; the status is 1 if one of them still fails."""
    argparse.ArgumentParser(prog="python -m tools.sync", description=__doc__).parse_args()
    from pipeline.records.store import open_store
    from pipeline.records.unsent import send_unsent, stores_with_unsent

    uris, failed = stores_with_unsent(), False
    for uri in uris:
        try:
            sent = send_unsent(open_store(uri))
            console.print(f"Sent to {uri}: what {sent} commands had left.", markup=False)
        except UserError as error:
            console.print(f"Kept for later: {error}", markup=False)
            failed = True
    if not uris:
        console.print("Nothing waits to be sent.")
    return 1 if failed else 0


if __name__ == "__main__":
    run_command(main)
