"""A client of netavark's dhcp-proxy: another implementation of gRPC, and messages made by Google's runtime.

The definitions are those of netavark's protocol, as facts: names, numbers, types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpclib.client import Channel
from grpclib.const import Cardinality
from grpclib.encoding.base import CodecBase

if TYPE_CHECKING:
    from pathlib import Path

FIELDS: dict[str, list[tuple[str, int, str]]] = {
    "NetworkConfig": [
        ("host_iface", 1, "string"),
        ("container_iface", 2, "string"),
        ("container_mac_addr", 3, "string"),
        ("domain_name", 4, "string"),
        ("host_name", 5, "string"),
        ("version", 6, "int32"),
        ("ns_path", 7, "string"),
        ("container_id", 8, "string"),
    ],
    "Lease": [
        ("t1", 1, "uint32"),
        ("t2", 2, "uint32"),
        ("lease_time", 3, "uint32"),
        ("mtu", 4, "uint32"),
        ("domain_name", 5, "string"),
        ("mac_address", 6, "string"),
        ("isV6", 10, "bool"),
        ("siaddr", 11, "string"),
        ("yiaddr", 12, "string"),
        ("srv_id", 16, "string"),
        ("subnet_mask", 17, "string"),
        ("broadcast_addr", 18, "string"),
        ("dns_servers", 19, "strings"),
        ("gateways", 20, "strings"),
        ("ntp_servers", 21, "strings"),
        ("host_name", 22, "string"),
    ],
    "Empty": [],
    "OperationResponse": [("success", 1, "bool")],
}
TYPES = {"string": 9, "strings": 9, "uint32": 13, "int32": 5, "bool": 8}
ONE, MANY = 1, 3
METHODS = {
    "Setup": ("NetworkConfig", "Lease"),
    "Teardown": ("NetworkConfig", "Lease"),
    "Clean": ("Empty", "OperationResponse"),
}


def messages() -> dict[str, Any]:
    """The classes of the messages, by name."""
    file = descriptor_pb2.FileDescriptorProto(name="proxy.proto", package="netavark_proxy", syntax="proto3")
    for name, fields in FIELDS.items():
        described = file.message_type.add(name=name)
        for field, number, kind in fields:
            label = MANY if kind == "strings" else ONE
            described.field.add(name=field, number=number, type=TYPES[kind], label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"netavark_proxy.{name}"))
        for name in FIELDS
    }


MESSAGES = messages()
CONFIG = MESSAGES["NetworkConfig"]
LEASE = MESSAGES["Lease"]


class Codec(CodecBase):  # type: ignore[misc]  # grpclib is not typed for us
    """Messages, or bytes as they are."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        encoded: bytes = message if isinstance(message, bytes) else message.SerializeToString()
        return encoded

    def decode(self, data: bytes, message_type: Any) -> Any:
        return message_type.FromString(data)


async def call(path: Path, method: str, message: Any) -> Any:
    """One call on a connection of its own, as netavark's client does it."""
    asks, answers = (MESSAGES[name] for name in METHODS.get(method, METHODS["Setup"]))
    channel = Channel(path=str(path), codec=Codec())
    try:
        async with channel.request(
            f"/netavark_proxy.NetavarkProxy/{method}", Cardinality.UNARY_UNARY, asks, answers
        ) as stream:
            await stream.send_message(message, end=True)
            return await stream.recv_message()
    finally:
        channel.close()
