"""Posts each lease to a URL: `post_lease` and `release` as a JSON object per event.

Plain `def` hooks and urllib: hooknet runs them in threads of its own, so they may block. A server that is
down is no bug of ours: `Retry` keeps the event in hooknet's outbox, in order, until the server takes it.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import hooknet
from hooknet.errors import Kind

TOO_MANY_REQUESTS = 429
SERVER_ERRORS = 500
PERMANENT = range(400, 500)


@dataclass(frozen=True, kw_only=True)
class Config:
    """`[plugins.webhook]`. url: where to post. networks: only theirs, all when empty. timeout: seconds."""

    url: str = ""
    networks: tuple[str, ...] = ()
    timeout: hooknet.Duration = 5.0

    def __post_init__(self) -> None:
        if self.url and urlsplit(self.url).scheme not in {"http", "https"}:
            raise hooknet.HooknetError(Kind.BAD_CONFIG, f"url = {self.url!r} is not http or https")


def make_plugin(context: hooknet.PluginContext[Config]) -> Webhook | None:
    """The entry point: without a URL there is nothing to do, and hooknet shows the plugin as inert."""
    return Webhook(context) if context.config.url else None


class Webhook:
    """One lease event, one POST."""

    def __init__(self, context: hooknet.PluginContext[Config]) -> None:
        self._config = context.config
        self._log = context.logger

    @hooknet.hookimpl
    def post_lease(
        self, attachment: hooknet.Attachment, lease: hooknet.Lease, reason: hooknet.PostLeaseReason
    ) -> None:
        self._post("post_lease", attachment, lease, reason.value)

    @hooknet.hookimpl
    def release(
        self, attachment: hooknet.Attachment, lease: hooknet.Lease, reason: hooknet.ReleaseReason
    ) -> None:
        self._post("release", attachment, lease, reason.value)

    def _post(self, event: str, attachment: hooknet.Attachment, lease: hooknet.Lease, reason: str) -> None:
        if self._config.networks and attachment.network not in self._config.networks:
            return
        body = json.dumps(describe(event, attachment, lease, reason)).encode()
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked by Config
            self._config.url, data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=self._config.timeout):  # noqa: S310 - as above
                pass
        except urllib.error.HTTPError as error:
            self._answered(error)
        except (OSError, http.client.HTTPException) as error:
            raise hooknet.Retry(f"{self._config.url}: {error}") from error

    def _answered(self, error: urllib.error.HTTPError) -> None:
        """An answer other than success: the server asks for patience, or does not want this event at all."""
        with error:
            if error.code in PERMANENT and error.code != TOO_MANY_REQUESTS:
                self._log.warning("%s: %s, the event is dropped", self._config.url, error)
                return
            raise hooknet.Retry(
                f"{self._config.url}: {error}", after=seconds(error.headers.get("Retry-After"))
            )


def describe(event: str, attachment: hooknet.Attachment, lease: hooknet.Lease, reason: str) -> dict[str, Any]:
    """The JSON object that is posted. Receivers may see an event twice: `id` is the same then."""
    expires = lease.expires
    return {
        "id": f"{attachment.container_id}/{attachment.ifname}/{attachment.generation}/{event}/{reason}/"
        f"{lease.obtained.isoformat()}",
        "event": event,
        "reason": reason,
        "container": attachment.container_name,
        "container_id": attachment.container_id,
        "network": attachment.network,
        "ifname": attachment.ifname,
        "address": str(lease.address),
        "mac": lease.mac,
        "server": str(lease.server),
        "expires": None if expires is None else expires.isoformat(),
    }


def seconds(text: str | None) -> float | None:
    """`Retry-After` where it is a number of seconds."""
    return float(text) if text and text.isdigit() else None
