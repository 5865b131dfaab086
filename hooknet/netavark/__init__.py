"""What netavark says and wants to hear (sans-IO): the driver plugin's JSON, and the dhcp-proxy's messages.

Two doors lead from podman 5 to hooknet. `driver` is the external plugin (`podman network create -d hooknet`), `proxy`
takes the place of netavark's own dhcp-proxy. docs/reference/netavark.md says which is for whom.
"""


def proxied_network(parent: str, ifname: str) -> str:
    """What an attachment's network is called at the proxy, which is not told its name.

    `[network."eth0/eth0"]` of hooknet.toml has its settings.
    """
    return f"{parent}/{ifname}"
