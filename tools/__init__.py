"""Commands for people: one standalone module each."""
