"""The plugin against a real HTTP server on the loopback."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import hooknet
import pytest
from hooknet.testing import make_attachment, make_lease
from hooknet.testing.plugins import PluginHarness

from hooknet_webhook import make_plugin


class Receiver(HTTPServer):
    """Answers with `status`, remembers what was posted."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.posted = []
        self.status = 204
        self.headers = {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/leases"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(json.loads(body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture
def receiver():
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


@pytest.fixture
def harness(receiver):
    return PluginHarness(make_plugin, name="webhook", settings={"url": receiver.url})


def test_a_lease_is_posted(harness, receiver):
    harness.post_lease(make_attachment(container_name="web"), make_lease(address="192.0.2.7/24"))
    (posted,) = receiver.posted
    assert (posted["event"], posted["reason"]) == ("post_lease", "BOUND")
    assert (posted["container"], posted["address"]) == ("web", "192.0.2.7/24")
    assert posted["expires"] is not None


def test_a_release_of_an_infinite_lease_is_posted(harness, receiver):
    harness.release(lease=make_lease(lease_time=None), reason=hooknet.ReleaseReason.NAK)
    (posted,) = receiver.posted
    assert (posted["event"], posted["reason"], posted["expires"]) == ("release", "NAK", None)


def test_the_same_event_has_the_same_id_and_another_one_has_not(harness, receiver):
    harness.post_lease()
    harness.post_lease()
    harness.release()
    first, again, other = (posted["id"] for posted in receiver.posted)
    assert first == again != other


def test_only_the_networks_that_are_wanted(receiver):
    harness = PluginHarness(make_plugin, settings={"url": receiver.url, "networks": ["dmz"]})
    harness.post_lease(make_attachment(network="lan"))
    harness.post_lease(make_attachment(network="dmz"))
    assert [posted["network"] for posted in receiver.posted] == ["dmz"]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_tried_again(harness, receiver, status):
    receiver.status = status
    with pytest.raises(hooknet.Retry) as caught:
        harness.post_lease()
    assert caught.value.after is None


def test_a_server_may_say_when(harness, receiver):
    receiver.status, receiver.headers = 503, {"Retry-After": "17"}
    with pytest.raises(hooknet.Retry) as caught:
        harness.post_lease()
    assert caught.value.after == 17


def test_a_server_that_is_down_is_tried_again(receiver):
    harness = PluginHarness(make_plugin, settings={"url": "http://127.0.0.1:1/"})
    with pytest.raises(hooknet.Retry, match=r"127\.0\.0\.1:1"):
        harness.release()


def test_an_event_that_the_server_does_not_want_is_dropped(harness, receiver, caplog):
    receiver.status = 404
    harness.post_lease()
    assert "the event is dropped" in caplog.text


def test_without_a_url_there_is_nothing_to_do():
    assert PluginHarness(make_plugin).inert


@pytest.mark.parametrize("url", ["file:///etc/passwd", "example.org"])
def test_other_schemes_are_refused_when_it_is_loaded(url):
    with pytest.raises(hooknet.HooknetError, match="not http or https"):
        PluginHarness(make_plugin, settings={"url": url})


def test_the_container_is_never_looked_up(harness):
    assert "container" not in harness.takes("post_lease") | harness.takes("release")
