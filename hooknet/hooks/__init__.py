"""Plugins: loading, validating and calling them, so that none can hurt another, the daemon or a container."""

from hooknet.hooks.dispatcher import Plugins
from hooknet.hooks.folding import Folded
from hooknet.hooks.limits import Limits
from hooknet.hooks.loading import PluginState
from hooknet.hooks.reports import PluginReport
from hooknet.outbox import Delivery, Outbox

__all__ = ["Delivery", "Folded", "Limits", "Outbox", "PluginReport", "PluginState", "Plugins"]
