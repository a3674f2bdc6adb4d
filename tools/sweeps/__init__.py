"""A sweep: from its plan to experiments, the workers that run them, and their ranking."""
