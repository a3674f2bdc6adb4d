"""Send what training could not send while its MLflow server was away."""

import argparse

from pipeline.core.terminal import UserError, redacted, run_command, say


def main() -> int:
    """Try every store that something waits for; the status is 1 if one of them still fails."""
    argparse.ArgumentParser(prog="python -m tools.sync", description=__doc__).parse_args()
    from pipeline.records.database import configured_uri, database_file
    from pipeline.records.store import Store, connect, store_errors
    from pipeline.records.unsent import send_unsent, stores_with_unsent

    known = {redacted(configured_uri()): configured_uri()}  # no file holds a password
    names = stores_with_unsent(refused=True)
    for name in names:
        uri = known.get(name, name)
        file = database_file(uri)
        try:
            if file and not file.exists():  # opened, it would be made anew
                raise UserError(f"{name} is gone")
            with store_errors(uri):
                # MLFLOW_EXPERIMENT_ID may be of another of these stores; none is needed to send.
                client = connect(uri)
                client.search_experiments(max_results=1)  # a dead server is tried once, not by run
                sent = send_unsent(Store(uri, "", client), refused=True)
            if sent:
                say(f"Sent to {name}: what {sent} commands had left.")
        except UserError as error:
            say(f"Kept for later: {error}")
    if not names:
        say("Nothing waits to be sent.")
    return 1 if stores_with_unsent() else 0  # what was refused again, was said


if __name__ == "__main__":
    run_command(main)
