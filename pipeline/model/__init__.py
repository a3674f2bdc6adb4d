"""The network, how it learns, and how it is kept."""
