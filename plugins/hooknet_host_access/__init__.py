"""host-access: being written."""
