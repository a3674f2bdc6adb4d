"""The command `petseg`: each tool by its name, in a checkout or installed as a package."""

import argparse
import runpy
import sys

# What works on its own; the other tools belong to a checkout, and are make targets.
COMMANDS = ("predict", "serve", "models", "doctor", "report", "scores", "sync", "verify", "web")


def main() -> None:
    """Run `petseg NAME ...` as `python -m tools.NAME ...`."""
    parser = argparse.ArgumentParser(prog="petseg", description=__doc__)
    parser.add_argument("command", choices=COMMANDS, metavar=f"{{{','.join(COMMANDS)}}}")
    command = parser.parse_args(sys.argv[1:2]).command
    sys.argv[:2] = [f"petseg {command}"]
    runpy.run_module(f"tools.{command}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
