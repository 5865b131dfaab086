"""A fake daemon's control API, and a caller that speaks HTTP without help from hooknet."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "control_fakes"
spec = importlib.util.spec_from_file_location(NAME, Path(__file__).with_name("fakes.py"))
fakes = sys.modules.get(NAME)
if fakes is None:
    fakes = sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fakes)


@pytest.fixture
def folder() -> Iterator[Any]:
    """A folder with a path that is short enough for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="hn-control-") as path:
        yield Path(path)


@pytest.fixture
def serve(folder: Path) -> Any:
    """`with serve(sources=…, owner=…, limits=…) as running`. The owner is this test's own user by default."""

    def start(**options: Any) -> Any:
        return fakes.running(folder, **({"owner": os.getuid()} | options))

    return start


@pytest.fixture
def api(serve: Any) -> Iterator[Any]:
    with serve() as running:
        yield running


@pytest.fixture
def ask() -> Any:
    """`ask(running, "GET", "/v1/status")` gives the status and the JSON (or the text)."""

    def call(running: Any, method: Any, path: Any, *, timeout: Any = 10.0, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("hooknet", timeout=timeout)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(timeout)
        connection.sock.connect(str(running.socket))
        try:
            connection.request(method, path, body=body)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        kind = response.headers.get_content_type()
        return response.status, json.loads(answer) if kind == "application/json" else answer.decode()

    return call
