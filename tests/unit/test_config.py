"""hooknet.toml: what is accepted, and what an error says."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from hooknet.config import Config, NetworkSettings, load, parse
from hooknet.errors import HooknetError, Kind

WHOLE = """
[daemon]
log_format = "json"
grace_period = "7s"

[podman]
url = ["unix:///a.sock", "unix:///b.sock"]

[network.lan]
acd = "strict"
lease_time = "5m"
allow_servers = ["10.0.0.0/24"]
suppress = ["gateway", "dns"]

[plugins]
disable = ["x"]

[plugins.dns]
server = "10.0.0.1"
"""


def test_a_whole_file_is_read() -> None:
    config = parse(WHOLE, "hooknet.toml")
    assert config.daemon.grace_period == 7
    assert config.podman.urls == ("unix:///a.sock", "unix:///b.sock")
    assert config.plugins.disable == ("x",)
    assert config.plugins.settings == {"dns": {"server": "10.0.0.1"}}
    lan = config.settings_for("lan", {})
    assert (lan.acd, lan.lease_time, lan.allow_servers) == ("strict", 300, (IPv4Network("10.0.0.0/24"),))


def test_the_runtimes_keys_come_before_the_files() -> None:
    assert parse(WHOLE, "f").settings_for("lan", {"acd": "off"}).acd == "off"


def test_an_unknown_network_has_the_defaults() -> None:
    assert Config().settings_for("other", {}) == NetworkSettings()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[deamon]\n", "did you mean 'daemon'"),
        ("[daemon]\nlog_fromat = 'json'", "did you mean 'log_format'"),
        ("[network.lan]\nacdd = 'off'", "did you mean 'acd'"),
        (
            "[network.lan]\nacd = 'sometimes'",
            "acd: 'sometimes' is not valid; give one of: off, optimistic, strict",
        ),
        (
            "[network.lan]\nsuppress = ['mtu', 'x']",
            "suppress[1]: 'x' is not valid; give one of: gateway, routes",
        ),
        (
            "[network]\nacd = 'off'",
            "no settings for all networks; give each network its own, below [network.NAME]",
        ),
        ("[network.'*']\nacd = 'off'", "no settings for all networks"),
        ("[network.lan]\ntimeout = '1h'", "1 to 300 seconds"),
        ("[network.lan]\nlease_time = '5 parsecs'", "expected seconds or a duration"),
        ("[network.lan]\nclient_id = 'zz'", 'one of "name", "mac", "container-id"'),
        ("[network.lan]\nallow_servers = ['10.0.0.0/77']", "allow_servers[0]"),
        ("[network]\nlan = 1", "write [network.lan]"),
        ("[daemon]\ngrace_period = true", "grace_period"),
        ("daemon = 3", "write [daemon]"),
        ("[podman]\nurl = 3", "[podman]: url: Expected text or a list, got a whole number"),
        ("[daemon", "not valid TOML"),
        ("[daemon]\nlog_level = ", "`hooknet config check`"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_remedy(text: str, says: str) -> None:
    with pytest.raises(HooknetError) as refused:
        parse(text, "hooknet.toml")
    assert refused.value.kind is Kind.BAD_CONFIG
    assert says in str(refused.value)
    assert "hooknet.toml" in str(refused.value)


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HooknetError, match="there is no configuration file"):
        load(tmp_path / "none.toml")


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real.toml").touch()
    (tmp_path / "link.toml").symlink_to(tmp_path / "real.toml")
    with pytest.raises(HooknetError, match=r"can't read .*not a symbolic link"):
        load(tmp_path / "link.toml")


def test_what_can_not_be_read_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HooknetError, match="not a folder"):
        load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# \xe4")
    with pytest.raises(HooknetError, match="save it as that"):
        load(tmp_path / "latin.toml")
