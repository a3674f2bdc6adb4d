"""What the stages and the tools share, in wings that follow the data."""
