"""Plugins that the tests of the hooks share."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import hooknet


class Appends:
    """Adds its letter to the host name, so that the order shows."""

    def __init__(self, letter):
        self.letter = letter

    @hooknet.hookimpl
    def pre_lease(self, request):
        return replace(request, hostname=request.hostname + self.letter)


class Lease5:
    @hooknet.hookimpl
    async def pre_lease(self, request):
        await asyncio.sleep(0)
        return replace(request, lease_time=5)


class Raises:
    def __init__(self, error=None):
        self.error = error or ValueError("no such thing")

    @hooknet.hookimpl
    def pre_lease(self):
        raise self.error


def returning(result):
    class Returns:
        @hooknet.hookimpl
        def pre_lease(self, request):
            return result(request) if callable(result) else result

    return Returns()


class Notes:
    """Remembers what it was told; does what `act` says."""

    def __init__(self, act=None):
        self.seen = []
        self.act = act

    @hooknet.hookimpl
    def post_lease(self, attachment, lease, reason, previous, container):
        self.seen.append((attachment.container_name, str(reason), str(lease.address.ip)))
        if self.act:
            self.act(attachment.container_name, str(reason))

    @hooknet.hookimpl
    def release(self, attachment, lease, reason):
        self.seen.append((attachment.container_name, str(reason), str(lease.address.ip)))
        if self.act:
            self.act(attachment.container_name, str(reason))

    @property
    def reasons(self):
        return [reason for _, reason, _ in self.seen]


def down(*_):
    raise hooknet.Retry("the server is down")


class Hears:
    def __init__(self, act=None):
        self.seen = []
        self.act = act

    @hooknet.hookimpl
    def container_event(self, event):
        self.seen.append(event.action)
        if self.act:
            self.act()
