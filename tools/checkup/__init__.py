"""What `make doctor` looks at, a subject per file; each yields findings with their remedies."""
