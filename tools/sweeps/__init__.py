"""A sweep: its plan, the experiments that it runs, and their ranking."""
