"""What netavark says and wants to hear (sans-IO): the driver plugin's JSON, and the dhcp-proxy's messages.

Two doors lead from podman 5 to hooknet. `driver` is the external plugin (`podman network create -d hooknet`), `proxy`
takes the place of netavark's own dhcp-proxy. docs/reference/netavark.md says which is for whom.
"""
