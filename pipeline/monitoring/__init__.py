"""What a deployed model has seen: the log of its predictions, and how they drift."""
