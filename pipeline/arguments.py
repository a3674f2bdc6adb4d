"""What command lines hold, as argparse wants it read."""

import argparse


def positive(text: str) -> int:
    """A whole number from 1 on. Raises what argparse tells the user."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is too small: 1 is the least")
    return number
