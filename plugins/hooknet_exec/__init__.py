"""exec: being written."""
