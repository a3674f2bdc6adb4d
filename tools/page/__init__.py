"""The parts of the page that `make app` shows."""
