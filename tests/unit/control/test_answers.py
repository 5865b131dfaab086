"""Each path answers, and each answer is what the OpenAPI description promises."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import control_fakes as fakes
import pytest

from hooknet.errors import HooknetError, Kind
from hooknet.frontends.control.openapi import DESCRIPTION, PATHS
from hooknet.frontends.control.schemas import SCHEMAS

TYPES = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def complaints(value: Any, schema: Any, at: Any = "$") -> Any:
    """Where `value` departs from `schema`: as much of JSON Schema as the description uses."""
    if "$ref" in schema:
        return complaints(value, SCHEMAS[schema["$ref"].rpartition("/")[2]], at)
    unknown = set(schema) - {
        "type", "description", "required", "properties", "additionalProperties", "items", "enum", "format"
    }  # fmt: skip
    assert not unknown, f"this checker can't check {unknown}"
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kinds = {kind for kind in names if isinstance(value, TYPES[kind])}
    if isinstance(value, bool):
        kinds &= {"boolean"}
    if not kinds:
        return [f"{at}: {value!r} is not {names}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r} is not one of {schema['enum']}"]
    if schema.get("format") == "date-time" and value is not None:
        moment = datetime.fromisoformat(value)
        return [] if moment.tzinfo is not None else [f"{at}: {value} has no zone"]
    if isinstance(value, list):
        return [
            text for n, item in enumerate(value) for text in complaints(item, schema["items"], f"{at}[{n}]")
        ]
    return in_object(value, schema, at) if isinstance(value, dict) else []


def in_object(value: Any, schema: Any, at: Any) -> Any:
    properties = schema.get("properties", {})
    found = [f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value]
    for name, item in value.items():
        inner = properties.get(name, schema.get("additionalProperties", True))
        if inner is False:
            found.append(f"{at}: {name} is not in the description")
        elif inner is not True:
            found += complaints(item, inner, f"{at}.{name}")
    return found


def promised(path: Any, method: Any, status: Any) -> Any:
    content = PATHS[path][method]["responses"][str(status)]["content"]
    return next(iter(content.values()))["schema"]


CALLS = [
    ("GET", "/v1/leases", "/v1/leases"),
    ("GET", "/v1/leases/{name}", "/v1/leases/web"),
    ("GET", "/v1/plugins", "/v1/plugins"),
    ("POST", "/v1/plugins/{name}/enable", "/v1/plugins/dns/enable"),
    ("POST", "/v1/plugins/{name}/disable", "/v1/plugins/dns/disable"),
    ("GET", "/v1/status", "/v1/status"),
    ("POST", "/v1/reload", "/v1/reload"),
    ("POST", "/v1/reconcile", "/v1/reconcile?dry_run=true"),
    ("POST", "/v1/reconcile", "/v1/reconcile"),
    ("GET", "/v1/openapi.json", "/v1/openapi.json"),
]


@pytest.mark.parametrize(("method", "path", "url"), CALLS)
def test_each_answer_is_what_the_description_promises(
    api: Any, ask: Any, method: Any, path: Any, url: Any
) -> None:
    status, answer = ask(api, method, url)
    assert status == 200
    assert complaints(answer, promised(path, method.lower(), 200)) == []


def test_every_described_path_is_called_by_these_tests_or_by_those_of_the_streams() -> None:
    called = {path for _, path, _ in CALLS} | {"/v1/events", "/metrics"}
    assert called == set(PATHS)


def test_every_path_that_is_served_is_described(api: Any) -> None:
    served = {
        (route.resource.canonical, route.method.lower()) for route in api.server._runner.app.router.routes()
    }
    assert served == {(path, method) for path, methods in PATHS.items() for method in methods}


def test_the_checker_of_these_tests_finds_what_is_wrong(api: Any, ask: Any) -> None:
    _, answer = ask(api, "GET", "/v1/leases")
    broken = json.loads(json.dumps(answer))
    broken["leases"][0]["surprise"] = 1
    del broken["leases"][0]["mac"]
    broken["leases"][1]["t1"] = "soon"
    assert len(complaints(broken, SCHEMAS["Leases"])) == 3


def test_an_attachment_without_a_lease_has_nulls_and_not_holes(serve: Any, ask: Any) -> None:
    sources = fakes.FakeSources(held=[fakes.view("l2", state="L2", lease=None)])
    with serve(sources=sources) as api:
        _, answer = ask(api, "GET", "/v1/leases")
    assert complaints(answer, SCHEMAS["Leases"]) == []
    assert answer["leases"][0]["address"] is None
    assert answer["leases"][0]["dns"] == []


def test_an_infinite_lease_never_expires(serve: Any, ask: Any) -> None:
    endless = fakes.lease(lease_time=None, t1=None, t2=None)
    with serve(sources=fakes.FakeSources(held=[fakes.view(lease=endless)])) as api:
        _, answer = ask(api, "GET", "/v1/leases")
    assert complaints(answer, SCHEMAS["Leases"]) == []
    assert answer["leases"][0]["expires"] is None
    assert answer["leases"][0]["obtained"] is not None


def test_a_lease_is_found_by_name_by_id_by_its_beginning_and_by_address(api: Any, ask: Any) -> None:
    container_id = api.sources.held[0].attachment.container_id
    for name in ("web", container_id, container_id[:6], "192.168.1.222"):
        status, answer = ask(api, "GET", f"/v1/leases/{name}")
        assert status == 200
        assert "web" in {lease["container"] for lease in answer["leases"]}


def test_a_name_that_nobody_has_is_not_found_and_the_answer_says_where_to_look(api: Any, ask: Any) -> None:
    status, answer = ask(api, "GET", "/v1/leases/nobody")
    assert status == 404
    assert complaints(answer, SCHEMAS["Error"]) == []
    assert "nobody" in answer["error"]["message"]
    assert "hooknet leases" in answer["error"]["hint"]


def test_a_short_beginning_of_an_id_is_not_enough(api: Any, ask: Any) -> None:
    status, _ = ask(api, "GET", f"/v1/leases/{api.sources.held[0].attachment.container_id[:5]}")
    assert status == 404


def test_leases_can_be_asked_for_by_network(api: Any, ask: Any) -> None:
    _, answer = ask(api, "GET", "/v1/leases?network=iot")
    assert [lease["container"] for lease in answer["leases"]] == ["db"]


def test_enabling_a_plugin_shows_it_as_it_is_then(api: Any, ask: Any) -> None:
    ask(api, "POST", "/v1/plugins/dns/disable")
    assert api.sources.found[0].state == "disabled"
    status, answer = ask(api, "POST", "/v1/plugins/dns/enable")
    assert (status, answer["state"]) == (200, "active")


def test_a_plugin_that_is_not_there_is_not_found(api: Any, ask: Any) -> None:
    status, answer = ask(api, "POST", "/v1/plugins/nope/enable")
    assert (status, answer["error"]["kind"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("query", "dry"), [("", False), ("?dry_run", True), ("?dry_run=1", True), ("?dry_run=false", False)]
)
def test_a_dry_run_is_asked_for_in_the_query(api: Any, ask: Any, query: Any, dry: Any) -> None:
    _, answer = ask(api, "POST", f"/v1/reconcile{query}")
    assert answer["dry_run"] is dry
    assert api.sources.asked == [f"reconcile dry_run={dry}"]


@pytest.mark.parametrize(
    "url",
    [
        "/v1/leases?netwrk=lan",
        "/v1/status?x=1",
        "/v1/events?since=soon",
        "/v1/events?follow=maybe",
        "/v1/events?kind=x",
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_and_never_ignored(api: Any, ask: Any, url: Any) -> None:
    status, answer = ask(api, "GET", url)
    assert status == 400
    assert complaints(answer, SCHEMAS["Error"]) == []


def test_an_unknown_path_and_a_wrong_method_answer_in_the_shape_of_errors(api: Any, ask: Any) -> None:
    for method, path, expected in (("GET", "/v2/leases", 404), ("POST", "/v1/leases", 405)):
        status, answer = ask(api, method, path)
        assert status == expected
        assert complaints(answer, SCHEMAS["Error"]) == []


def test_an_error_of_the_daemon_becomes_the_status_of_its_kind(serve: Any, ask: Any) -> None:
    sources = fakes.FakeSources(failure=HooknetError(Kind.TRY_LATER, "busy", details="starting", hint="wait"))
    with serve(sources=sources) as api:
        status, answer = ask(api, "GET", "/v1/status")
    assert status == 503
    assert answer == {
        "error": {"kind": "try-later", "message": "busy", "details": "starting", "hint": "wait"}
    }


def test_a_bug_answers_500_without_its_text_and_the_log_has_the_rest(
    serve: Any, ask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(sources=fakes.FakeSources(failure=RuntimeError("the TSIG key is hunter2"))) as api:
        status, answer = ask(api, "GET", "/v1/status")
    assert status == 500
    assert complaints(answer, SCHEMAS["Error"]) == []
    assert "hunter2" not in json.dumps(answer)
    assert "hunter2" in caplog.text


def test_the_description_has_a_summary_for_every_operation_and_resolves_every_reference() -> None:
    text = json.dumps(DESCRIPTION)
    names = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert names <= set(SCHEMAS)
    assert all(operation["summary"] for methods in PATHS.values() for operation in methods.values())
