"""A whole network configuration, run as libcni runs it: plugin by plugin, each with the result of the one before.

ADD goes forward; CHECK too, and DEL backward, both with the ADD's final result, which libcni keeps for them. What a
plugin declares in `capabilities` is given to it as `runtimeConfig`. `RunAs` calls one plugin under any
configuration, as a main plugin calls its IPAM plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.cni import Cni, Reply, Sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class RunAs(Cni):
    """Calls the plugin `type_`, whatever `type` the configuration has."""

    def __init__(self, cni: Cni, type_: str) -> None:
        super().__init__(cni.host, cni.folders, cni.cleanup)
        self.type_ = type_

    def plugin(self, type_: str) -> Path:
        return super().plugin(self.type_)


class Chain:
    """The plugins of one network, in order. `runtime`: what the runtime has for each capability."""

    def __init__(
        self,
        cni: Cni,
        name: str,
        *plugins: Mapping[str, Any],
        version: str = "1.0.0",
        runtime: Mapping[str, Any] | None = None,
    ) -> None:
        self.cni = cni
        self.plugins = [self._configuration(plugin, name, version, runtime or {}) for plugin in plugins]
        self.results: dict[str, dict[str, Any]] = {}

    def add(self, sandbox: Sandbox, **how: Any) -> Reply:
        """ADD by every plugin, all of which must succeed; the last one's answer."""
        previous: dict[str, Any] = {}
        for plugin in self.plugins:
            reply = self.cni.add({**plugin, **previous}, sandbox, **how)
            previous = {"prevResult": reply.output}
        self.results[sandbox.name] = reply.output
        return reply

    def check(self, sandbox: Sandbox, **how: Any) -> Reply:
        """CHECK by every plugin: the first answer that is an error, else the last."""
        for plugin in self.plugins:
            reply = self.cni.call("CHECK", self._with_result(plugin, sandbox), sandbox, **how)
            if reply.code:
                break
        return reply

    def delete(self, sandbox: Sandbox, **how: Any) -> None:
        """DEL by every plugin, in reverse order; each must succeed."""
        for plugin in reversed(self.plugins):
            self.cni.delete(self._with_result(plugin, sandbox), sandbox, **how)

    def _with_result(self, plugin: dict[str, Any], sandbox: Sandbox) -> dict[str, Any]:
        return {**plugin, "prevResult": self.results[sandbox.name]}

    @staticmethod
    def _configuration(
        plugin: Mapping[str, Any], name: str, version: str, runtime: Mapping[str, Any]
    ) -> dict[str, Any]:
        declared = [key for key, wanted in plugin.get("capabilities", {}).items() if wanted]
        given = {key: runtime[key] for key in declared if key in runtime}
        more = {"runtimeConfig": given} if given else {}
        return {"cniVersion": version, "name": name, **plugin, **more}
