"""The explicit map: which MAC the administrator wrote down for whom. The first pin whose conditions all hold wins."""

from __future__ import annotations

from dataclasses import dataclass

import hooknet
from hooknet_static_mac.addresses import normal


@dataclass(frozen=True, kw_only=True)
class Pin(hooknet.Conditions):
    """One `[[plugins.static-mac.pins]]`. mac: kept as hooknet writes it, lower case with colons."""

    mac: str

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "mac", normal(self.mac))
        if not self.told():
            raise ValueError(
                f"the pin of {self.mac} is for nobody in particular: give one of name, network, label, image"
            )
