"""What the server of `make serve` does with a request."""
