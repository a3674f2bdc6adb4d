"""The deployed model: one file, photograph in and mask out."""
