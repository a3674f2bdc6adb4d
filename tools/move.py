"""Copy the runs and versions of mlflow.db into the empty PostgreSQL database of a server."""

import argparse

from pipeline.core.terminal import run_command, say


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.move", description=__doc__)
    parser.add_argument("target", help="postgresql+psycopg://USER@HOST:PORT/DATABASE")
    target = parser.parse_args().target
    from pipeline.records.database import default_uri
    from pipeline.records.move import SERVED, move_store

    copied = move_store(default_uri(), target)
    names = ("experiments", "runs", "metrics", "registered_models", "model_versions")
    said = ", ".join(f"{name.replace('_', ' ')} {copied.get(name, 0)}" for name in names)
    say(f"Copied: {said}.\nThe server looks for their files in {SERVED}.")


if __name__ == "__main__":
    run_command(main)
