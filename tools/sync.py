"""Send what training could not send while its MLflow server was away."""

import argparse

from pipeline.core.terminal import UserError, console, printable, redacted, run_command


def main() -> int:
    """Try every store that something waits for; the status is 1 if one of them still fails."""
    argparse.ArgumentParser(prog="python -m tools.sync", description=__doc__).parse_args()
    from pipeline.records.database import configured_uri, database_file
    from pipeline.records.store import open_store
    from pipeline.records.unsent import send_unsent, stores_with_unsent

    known = {redacted(configured_uri()): configured_uri()}  # no file holds a password
    names, failed = stores_with_unsent(), False
    for name in names:
        file = database_file(known.get(name, name))
        if file and not file.exists():  # opened, it would be made anew
            console.print(printable(f"Kept for later: {name} is gone"), markup=False)
            failed = True
            continue
        try:
            sent = send_unsent(open_store(known.get(name, name)))
            console.print(f"Sent to {name}: what {sent} commands had left.", markup=False)
            failed |= name in stores_with_unsent()
        except UserError as error:
            console.print(printable(f"Kept for later: {error}"), markup=False)
            failed = True
    if not names:
        console.print("Nothing waits to be sent.")
    return 1 if failed else 0


if __name__ == "__main__":
    run_command(main)
