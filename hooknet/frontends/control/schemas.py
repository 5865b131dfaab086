"""What the answers look like, as OpenAPI 3.1 schemas (JSON Schema 2020-12), written by hand.

Written by hand on purpose: it is the promise that `shapes.py` keeps, so it must not follow that file by
itself. Every property is required and nothing else may appear: the tests hold each answer to that.
"""

from __future__ import annotations

from typing import Any

from hooknet.lifecycle.bus import EventKind

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
BOOLEAN: Schema = {"type": "boolean"}


def said(schema: Schema, description: str) -> Schema:
    return schema | {"description": description}


def maybe(schema: Schema, description: str) -> Schema:
    """The schema, or null."""
    return schema | {"type": [schema["type"], "null"], "description": description}


def array(items: Schema, description: str) -> Schema:
    return {"type": "array", "items": items, "description": description}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def record(description: str, **properties: Schema) -> Schema:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "description": description,
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


def mapping(values: Schema, description: str) -> Schema:
    return {"type": "object", "additionalProperties": values, "description": description}


MOMENT: Schema = {"type": "string", "format": "date-time"}

LEASE = record(
    "One attachment: one interface of one container on one network.",
    container=maybe(TEXT, "The container's (or pod's) name, where the runtime tells it."),
    container_id=said(TEXT, "The container's id."),
    network=said(TEXT, "The network's name."),
    ifname=said(TEXT, "The interface inside the container."),
    parent=said(TEXT, "The host interface below it."),
    runtime=said(TEXT, "Who asked for it: cni, netavark or netavark-proxy."),
    netns=said(TEXT, "The path of the container's network namespace."),
    generation=said(INTEGER, "Grows each time this container, interface and network are attached again."),
    phase=said(
        TEXT, "The journal's phase: INTENT, LINKED, REQUESTED, BOUND, CONFIGURED, REPLIED or RELEASING."
    ),
    state=said(TEXT, "The DHCP client's state (RFC 2131, figure 5), or L2 where no lease is hooknet's."),
    mac=said(TEXT, "The interface's hardware address."),
    client_id=said(TEXT, "Option 61, hexadecimal."),
    hostname=maybe(TEXT, "The host name that is sent."),
    address=maybe(TEXT, "The leased address with its prefix length."),
    server=maybe(TEXT, "The DHCP server that granted it."),
    obtained=maybe(MOMENT, "When the request that was granted left."),
    expires=maybe(MOMENT, "When the lease runs out; null for an infinite lease."),
    lease_time=maybe(INTEGER, "Seconds; null for an infinite lease."),
    t1=maybe(INTEGER, "Seconds from `obtained` until the lease is renewed."),
    t2=maybe(INTEGER, "Seconds from `obtained` until any server is asked."),
    routers=array(TEXT, "Option 3."),
    routes=array(ref("Route"), "The routes that are set."),
    dns=array(TEXT, "Option 6."),
    domain=maybe(TEXT, "Option 15."),
    search=array(TEXT, "Option 119."),
    ntp=array(TEXT, "Option 42."),
    mtu=maybe(INTEGER, "Option 26, bytes, as the server said it."),
    changed_by=mapping(TEXT, "Field of the request to the plugin that changed it."),
    timing=mapping(NUMBER, "The last ADD: step to milliseconds since its start."),
    note=said(TEXT, "Anything that a person should know; mostly empty."),
)

PLUGIN = record(
    "One plugin.",
    name=said(TEXT, "The name of its entry point."),
    version=said(TEXT, "The version of its distribution."),
    distribution=said(TEXT, "The package that it came with."),
    hooks=array(TEXT, "The hooks that it implements."),
    state=said(TEXT, "`active` when it is called; any other word says why not."),
    reason=said(TEXT, "Why it is not active; empty when it is."),
    on_failure=said(TEXT, "What a failing pre_lease does to the ADD: `skip` or `fail`."),
    calls=said(INTEGER, "Calls since the daemon started."),
    failures=said(INTEGER, "Calls that raised or took too long."),
    strikes=said(INTEGER, "Failures in a row."),
    p50_ms=maybe(NUMBER, "The median of its latest calls, milliseconds."),
    p95_ms=maybe(NUMBER, "The 95th percentile of its latest calls, milliseconds."),
    last_error=maybe(TEXT, "What went wrong last, or why it asked to be called again."),
    pending=said(INTEGER, "Deliveries that wait for it."),
    dropped=said(INTEGER, "Deliveries and events that were given up."),
    quarantine_s=said(NUMBER, "Seconds of quarantine that are left."),
)

STATUS = record(
    "How the daemon is.",
    healthy=said(BOOLEAN, "False while something in `problems` needs a person."),
    version=said(TEXT, "The version that runs."),
    uptime_s=said(NUMBER, "Seconds since it started."),
    pid=said(INTEGER, "Its process."),
    config=maybe(TEXT, "The configuration file that it read."),
    problems=array(ref("Problem"), "What is wrong now, or worth knowing."),
    store=record("The journal.", state=TEXT, path=TEXT, detail=TEXT),
    podman=array(ref("Podman"), "The podman services that are followed."),
    parents=array(ref("Parent"), "The host interfaces in use."),
    counts=mapping(INTEGER, "Whatever is worth counting."),
)

SCHEMAS: dict[str, Schema] = {
    "Route": record(
        "A route.", destination=TEXT, gateway=maybe(TEXT, "Null where the destination is on the link.")
    ),
    "Lease": LEASE,
    "Leases": record(
        "Attachments.", leases=array(ref("Lease"), "Sorted by container, network and interface.")
    ),
    "Plugin": PLUGIN,
    "Plugins": record("Plugins.", plugins=array(ref("Plugin"), "Sorted by name.")),
    "Problem": record(
        "Something is wrong.",
        what=said(TEXT, "What."),
        why=said(TEXT, "Why."),
        todo=said(TEXT, "What to do about it."),
    ),
    "Podman": record(
        "One podman service.",
        url=TEXT,
        state=said(TEXT, "following, resync, lost or absent."),
        events=said(INTEGER, "Events read since the daemon started."),
        last_event=maybe(MOMENT, "When it said anything last."),
        detail=TEXT,
    ),
    "Parent": record(
        "One host interface.",
        name=TEXT,
        up=said(BOOLEAN, "It is set up."),
        carrier=said(BOOLEAN, "It is up, and there is a cable, or what counts as one."),
        attachments=INTEGER,
        detail=TEXT,
    ),
    "Status": STATUS,
    "Reloaded": record("What a reload changed.", changed=array(TEXT, "One line per change; empty: nothing.")),
    "Reconciled": record(
        "What a reconcile did, or would do.",
        dry_run=said(BOOLEAN, "True: nothing was done."),
        actions=array(ref("Action"), "In the order of their execution."),
    ),
    "Action": record("One step.", action=TEXT, who=TEXT, why=TEXT),
    "Event": {
        "type": "object",
        "description": "One line of the stream. The fields beside these depend on the kind.",
        "required": ["kind", "time"],
        "properties": {
            "kind": {"type": "string", "enum": [kind.value for kind in EventKind]},
            "time": said(NUMBER, "Seconds since 1970, UTC."),
            "seq": said(INTEGER, "Grows by one; absent from `dropped`."),
        },
        "additionalProperties": True,
    },
    "Error": record(
        "Why there is no answer.",
        error=record(
            "What, why, and what to do.",
            kind=said(TEXT, "A word for programs."),
            message=said(TEXT, "What happened."),
            details=said(TEXT, "Why."),
            hint=said(TEXT, "What to do next."),
        ),
    ),
}
