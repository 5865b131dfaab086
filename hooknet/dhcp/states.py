"""The states of a DHCPv4 client and the one table of its transitions (RFC 2131 section 4.4, figure 5).

The rules.
1. INIT: nothing is held and nothing is under way. A client that has to wait before it may try again (after a
   NAK, a conflict, an expiry) waits here. DISCOVER opens an acquisition: SELECTING.
2. SELECTING: a DISCOVER is out. The first good OFFER is taken: REQUESTING. With rapid commit (RFC 4039) an
   ACK may come instead. An OFFER that asks us to leave IPv4 (RFC 8925) ends the acquisition.
3. REQUESTING: a REQUEST for the offered address is out. ACK: BOUND. NAK, or no answer: INIT.
4. PROBING is ours and not in the figure: RFC 2131 section 4.4.1 says that a client SHOULD check the address
   before it uses it, and with `acd = "strict"` that check (RFC 5227) lies between the ACK and BOUND. With
   `"optimistic"` it runs beside the states, so that no ADD waits for it.
5. BOUND: the lease is in use. T1: RENEWING, the server that granted it is asked for more. T2: REBINDING,
   every server is. The lease's end: INIT. A host that slept past T1 goes from BOUND to REBINDING directly.
6. An ACK in RENEWING or REBINDING: BOUND. A NAK: the address is gone at once, INIT.
7. INIT-REBOOT: an address is known and it is in doubt whether it is still ours: the link was away, the host
   was. A REQUEST without a server-id asks: REBOOTING. ACK: BOUND. NAK: INIT. No answer: a lease that is in
   use and has not run out is kept (RFC 2131 section 3.2, MAY), else INIT.
8. A conflict ends any state in which an address is asked for or used. RELEASE ends every state.
9. A lease that has run out is never used again: EXPIRY ends every state in which one is held.
10. What is not in the table does not happen: `after` raises, and whoever asked is still in the state before.

docs/explanation/dhcp-states.md has the diagram, drawn from this table by script/draw-states.
"""

from __future__ import annotations

from enum import Enum, unique


@unique
class State(Enum):
    """Where a client is. The values are the RFC's spelling."""

    INIT = "INIT"
    SELECTING = "SELECTING"
    REQUESTING = "REQUESTING"
    PROBING = "PROBING"
    BOUND = "BOUND"
    RENEWING = "RENEWING"
    REBINDING = "REBINDING"
    INIT_REBOOT = "INIT-REBOOT"
    REBOOTING = "REBOOTING"


@unique
class Event(Enum):
    """What moves a client from one state to the next. The values are the labels of the diagram."""

    DISCOVER = "DISCOVER sent"
    OFFER = "OFFER taken"
    ACK = "ACK"
    ACK_TO_CHECK = "ACK (strict)"
    CLEAR = "no conflict"
    NAK = "NAK"
    GIVE_UP = "no answer"
    KEEP = "no answer (lease kept)"
    IPV6_ONLY = "IPv6 only"
    T1 = "T1"
    T2 = "T2"
    EXPIRY = "lease expired"
    CONFLICT = "conflict"
    RESUME = "lease restored"
    REBOOT = "lease in doubt"
    REBOOT_REQUEST = "REQUEST sent"
    RESTART = "link back"
    RELEASE = "released"


class IllegalTransition(RuntimeError):  # noqa: N818 - it names what was refused
    """This event can't happen in this state: a mistake of the caller's. The state is unchanged."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event.value!r} can't happen in {state.value}")
        self.state = state
        self.event = event


TABLE: dict[State, dict[Event, State]] = {
    State.INIT: {
        Event.DISCOVER: State.SELECTING,
        Event.REBOOT: State.INIT_REBOOT,
        Event.RESUME: State.BOUND,
        Event.RELEASE: State.INIT,
    },
    State.SELECTING: {
        Event.OFFER: State.REQUESTING,
        Event.ACK: State.BOUND,
        Event.ACK_TO_CHECK: State.PROBING,
        Event.IPV6_ONLY: State.INIT,
        Event.RESTART: State.INIT,
        Event.RELEASE: State.INIT,
    },
    State.REQUESTING: {
        Event.ACK: State.BOUND,
        Event.ACK_TO_CHECK: State.PROBING,
        Event.NAK: State.INIT,
        Event.GIVE_UP: State.INIT,
        Event.CONFLICT: State.INIT,
        Event.RESTART: State.INIT,
        Event.RELEASE: State.INIT,
    },
    State.PROBING: {
        Event.CLEAR: State.BOUND,
        Event.CONFLICT: State.INIT,
        Event.EXPIRY: State.INIT,
        Event.RESTART: State.INIT,
        Event.RELEASE: State.INIT,
    },
    State.BOUND: {
        Event.T1: State.RENEWING,
        Event.T2: State.REBINDING,
        Event.EXPIRY: State.INIT,
        Event.CONFLICT: State.INIT,
        Event.REBOOT: State.INIT_REBOOT,
        Event.RELEASE: State.INIT,
    },
    State.RENEWING: {
        Event.ACK: State.BOUND,
        Event.NAK: State.INIT,
        Event.T2: State.REBINDING,
        Event.EXPIRY: State.INIT,
        Event.CONFLICT: State.INIT,
        Event.REBOOT: State.INIT_REBOOT,
        Event.RELEASE: State.INIT,
    },
    State.REBINDING: {
        Event.ACK: State.BOUND,
        Event.NAK: State.INIT,
        Event.EXPIRY: State.INIT,
        Event.CONFLICT: State.INIT,
        Event.REBOOT: State.INIT_REBOOT,
        Event.RELEASE: State.INIT,
    },
    State.INIT_REBOOT: {
        Event.REBOOT_REQUEST: State.REBOOTING,
        Event.EXPIRY: State.INIT,
        Event.CONFLICT: State.INIT,
        Event.REBOOT: State.INIT_REBOOT,
        Event.RELEASE: State.INIT,
    },
    State.REBOOTING: {
        Event.ACK: State.BOUND,
        Event.ACK_TO_CHECK: State.PROBING,
        Event.NAK: State.INIT,
        Event.GIVE_UP: State.INIT,
        Event.KEEP: State.BOUND,
        Event.EXPIRY: State.INIT,
        Event.CONFLICT: State.INIT,
        Event.REBOOT: State.INIT_REBOOT,
        Event.RELEASE: State.INIT,
    },
}


def after(state: State, event: Event) -> State:
    """The state that follows. Raises IllegalTransition for what is not in the table."""
    try:
        return TABLE[state][event]
    except KeyError:
        raise IllegalTransition(state, event) from None
