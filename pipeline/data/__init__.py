"""From archives to tensors."""
