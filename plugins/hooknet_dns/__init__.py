"""hooknet's dns plugin: every container's name in DNS while it has its lease, and not a moment longer.

Two modes. `update`: A and PTR records by dynamic update (RFC 2136), signed (RFC 8945), under the rules that let
several updaters share a zone (RFC 4701 and 4703). `hosts`: files in hosts format for dnsmasq, CoreDNS and the like.
docs/plugins/dns.md is the manual; `make_plugin` is what the entry point names.
"""

from hooknet_dns.hooks import Config, make_plugin

__all__ = ["Config", "make_plugin"]
