"""Which of the two doors of netavark is open."""

import pytest

from hooknet.doctor.checks import CHECKS
from hooknet.doctor.host import Ran
from hooknet.install import units
from hooknet.shim.install import Choices, text


@pytest.fixture
def said(host):
    """What the doctor says of netavark, good news included."""
    host.answers["podman info"] = Ran(0, "netavark\n")
    check = next(check for check in CHECKS if check.name == "backend")
    return lambda: " ".join(found.what for found in check.look(host, ()))


def install_driver(host):
    host.write("usr/local/libexec/netavark/hooknet", text(Choices(daemon=host.tree / "hooknet")), 0o755)


def test_the_driver_alone_leaves_netavarks_proxy_where_it_is(host, said):
    install_driver(host)
    assert "finds hooknet among its drivers" in said()
    assert "netavark's own dhcp-proxy serves" in said()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (str(units.FOLDER / units.NETAVARK_SOCKET), ""),
        ("/etc/hooknet/hooknet.toml", "[netavark]\nproxy = true\n"),
    ],
)
def test_the_proxys_door_is_open_by_systemd_or_by_configuration(host, said, path, content):
    host.write(path, content)
    assert "hooknet serves the networks" in said()
    install_driver(host)
    assert "hooknet serves the networks" in said()


def test_a_broken_configuration_opens_no_door(host, said, findings):
    host.write("/etc/hooknet/hooknet.toml", "[netavark")
    assert "runs no CNI plugins" in said()
