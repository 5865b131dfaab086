"""podman 5's two doors: the driver plugin (`driver`), and netavark's dhcp-proxy (`proxy`, imported when enabled)."""
