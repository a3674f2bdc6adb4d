"""The stages of the DVC pipeline: one standalone module each."""
