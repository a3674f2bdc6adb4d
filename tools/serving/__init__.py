"""The HTTP server of `make serve`: its application, the model it follows, and what it notes."""
