"""A sans-IO DHCPv4 client (RFC 2131): bytes and time in, effects out. No clock, socket or randomness of its own.

The codec, from the wire upwards: `wire` (frames, the only module that imports scapy), `options` (which bytes
belong to which option), `messages` (the BOOTP fields around them), `values` and `names` (what the bytes mean,
validated), `accept` (which replies to heed), `compose` (which options to send), `leases` (what was granted).
"""
