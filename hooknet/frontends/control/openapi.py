"""The OpenAPI description of the control API, served at /v1/openapi.json. Written by hand, like its schemas.

The tests walk it: every path here is served, every path that is served is here, and the answers fit.
"""

from __future__ import annotations

from typing import Any

from hooknet import __version__
from hooknet.frontends.control.schemas import SCHEMAS, Schema, ref
from hooknet.lifecycle.bus import EventKind


def content(schema: Schema, kind: str = "application/json") -> dict[str, Any]:
    return {kind: {"schema": schema}}


def answer(description: str, schema: Schema, kind: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": content(schema, kind)}


def operation(
    summary: str,
    good: dict[str, Any],
    *,
    parameters: tuple[dict[str, Any], ...] = (),
    fails: tuple[str, ...] = (),
) -> dict[str, Any]:
    """One method of one path. `fails`: the statuses, beside 400, 500 and 503, that it may answer with."""
    responses = {"200": good}
    for status in sorted({*fails, "400", "500", "503"}):
        responses[status] = answer(REASONS[status], ref("Error"))
    described = {"summary": summary, "responses": responses}
    return described | ({"parameters": list(parameters)} if parameters else {})


def query(name: str, description: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def in_path(name: str, description: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


REASONS = {
    "400": "A parameter is not valid.",
    "403": "This changes something, and the caller is not root.",
    "404": "There is no such thing.",
    "500": "The daemon failed at it.",
    "503": "Not now: the daemon is too busy, or what it needs is not there.",
}
PLUGIN_NAME = in_path("name", "The plugin's name.")

PATHS: dict[str, dict[str, Any]] = {
    "/v1/leases": {
        "get": operation(
            "Every attachment and its lease",
            answer("The attachments.", ref("Leases")),
            parameters=(query("network", "Only those of this network.", {"type": "string"}),),
        )
    },
    "/v1/leases/{name}": {
        "get": operation(
            "The attachments of one container",
            answer("The attachments.", ref("Leases")),
            parameters=(
                in_path("name", "A container's name or id (6 characters or more), or a leased address."),
            ),
            fails=("404",),
        )
    },
    "/v1/events": {
        "get": operation(
            "What hooknet does and sees, as it happens: one JSON object per line",
            answer("The stream.", ref("Event"), "application/x-ndjson"),
            parameters=(
                query(
                    "since",
                    "Begin with what is remembered since then: seconds since 1970.",
                    {"type": "number"},
                ),
                query("follow", "false: end after what is remembered. Default true.", {"type": "boolean"}),
                query(
                    "kind",
                    "Only these kinds; may be repeated.",
                    {"type": "string", "enum": [kind.value for kind in EventKind]},
                ),
            ),
        )
    },
    "/v1/plugins": {"get": operation("Every plugin", answer("The plugins.", ref("Plugins")))},
    "/v1/plugins/{name}/enable": {
        "post": operation(
            "Call a plugin again that is disabled or quarantined",
            answer("The plugin as it is now.", ref("Plugin")),
            parameters=(PLUGIN_NAME,),
            fails=("403", "404"),
        )
    },
    "/v1/plugins/{name}/disable": {
        "post": operation(
            "Call a plugin no more",
            answer("The plugin as it is now.", ref("Plugin")),
            parameters=(PLUGIN_NAME,),
            fails=("403", "404"),
        )
    },
    "/v1/status": {"get": operation("How the daemon is", answer("The status.", ref("Status")))},
    "/v1/reload": {
        "post": operation(
            "Read the configuration and the plugins' settings again",
            answer("What changed.", ref("Reloaded")),
            fails=("403",),
        )
    },
    "/v1/reconcile": {
        "post": operation(
            "Compare journal, kernel and podman now, and put right what differs",
            answer("The actions.", ref("Reconciled")),
            parameters=(query("dry_run", "true: only say what would be done.", {"type": "boolean"}),),
            fails=("403",),
        )
    },
    "/metrics": {
        "get": operation(
            "Numbers for Prometheus",
            answer("Prometheus' text format, version 0.0.4.", {"type": "string"}, "text/plain"),
        )
    },
    "/v1/openapi.json": {
        "get": operation("This description", answer("OpenAPI 3.1.", {"type": "object"})),
    },
}

DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "hooknet's control API",
        "version": __version__,
        "description": "On /run/hooknet/control.sock. The socket's group may read; changing wants root.",
    },
    "paths": PATHS,
    "components": {"schemas": SCHEMAS},
}
