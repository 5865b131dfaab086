"""CNI without I/O: what a runtime sends and what it gets back, in every version (docs/reference/cni.md)."""
