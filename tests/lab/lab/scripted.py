"""hooknet.testing's scripted DHCP server on a real wire: for what no real server does when it is asked to.

As a module, `start` runs it as a program in a LAN. As a program it reads one JSON object from its command line: the
fields of `hooknet.testing.Server` (`address`, `network`, `lease_time`, …), `ifname`, and `then`: what changes when it
gets SIGUSR1, fields again, the address that it then grants to everybody (`grant`), and how many REQUESTs it leaves
without an answer before (`silence`).
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from hooknet.dhcp.messages import BadMessage, Message, MessageType, decode, encode
from hooknet.testing import Server, grants, silent

if TYPE_CHECKING:
    from pathlib import Path

    from lab.lan import Lan
    from lab.process import Program

SERVER_PORT, CLIENT_PORT = 67, 68
LARGEST = 1 << 16


def start(lan: Lan, folder: Path, **wanted: Any) -> Program:
    """Serve on this LAN until the test ends, as its address .1."""
    from lab.lan import SWITCH
    from lab.process import Program

    words = {"address": str(lan.address(1)), "network": str(lan.network), "ifname": SWITCH, **wanted}
    words.setdefault("pool", [str(lan.address(host)) for host in range(100, 110)])
    command = [*lan.netns.enter, sys.executable, __file__, json.dumps(words)]
    program = Program(command, folder / "scripted.log")
    lan.cleanup.callback(program.stop)
    program.start()
    program.wait_for("serving")
    return program


def raw_options(words: dict[str, str]) -> dict[int, bytes]:
    """Codes and values as JSON has them: text, the values as hexadecimal."""
    return {int(code): bytes.fromhex(value) for code, value in words.items()}


READ: dict[str, Callable[[Any], Any]] = {"network": IPv4Network, "options": raw_options}


def change(server: Server, *, grant: str, silence: int = 0, **fields: Any) -> None:
    """From now on grant this address to whoever asks, after `silence` REQUESTs without an answer."""
    for name, value in fields.items():
        setattr(server, name, READ.get(name, lambda it: it)(value))
    server.on(MessageType.REQUEST, grants(grant))
    if silence:
        server.on(MessageType.REQUEST, silent, times=silence)


def main() -> None:
    words = json.loads(sys.argv[1])
    ifname, then = words.pop("ifname"), words.pop("then", {})
    server = Server(**{**words, "options": raw_options(words.get("options", {}))})
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
    wire.bind(("", SERVER_PORT))
    signal.signal(signal.SIGUSR1, lambda *_: change(server, **then))
    print("serving", flush=True)
    while True:
        serve(server, wire)


def serve(server: Server, wire: socket.socket) -> None:
    data, _source = wire.recvfrom(LARGEST)
    try:
        message = decode(data)
    except BadMessage as error:
        print(error, flush=True)
        return
    print(message.type and message.type.name, message.ciaddr, flush=True)
    for reply in server.answer(time.monotonic(), message):
        print(" ", reply.type and reply.type.name, reply.yiaddr, flush=True)
        wire.sendto(encode(reply), (destination(reply), CLIENT_PORT))


def destination(reply: Message) -> str:
    """To the client's own address where it has one, else to everybody (RFC 2131 section 4.1)."""
    return str(reply.ciaddr) if int(reply.ciaddr) else "255.255.255.255"


if __name__ == "__main__":
    main()
