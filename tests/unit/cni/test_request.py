import json

import pytest
from cni_calls import CONTAINER, ENV, NETNS, OURS, SEED, code_or_none, env, request
from hypothesis import given
from hypothesis import strategies as st

from hooknet.cni.netconf import Addresses, Role
from hooknet.cni.request import answer_version, parse
from hooknet.cni.versions import SUPPORTED_VERSIONS, Verb
from hooknet.errors import HooknetError

PREVIOUS = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": NETNS}]}


def code_of(plugin="hooknet", environment=None, stdin=b"{}"):
    with pytest.raises(HooknetError) as caught:
        parse(plugin, env() if environment is None else environment, stdin)
    assert caught.value.message, "an error says what"
    return caught.value.code


def document(**changes):
    return json.dumps({k: v for k, v in (OURS | changes).items() if v is not None}).encode()


def test_an_add_is_understood_whole():
    found = request(SEED, plugin="macvlan")
    assert (found.verb, found.key.container_id, found.key.ifname) == (Verb.ADD, CONTAINER, "eth0")
    assert found.key.network == "example"
    assert found.netns == NETNS
    assert found.container_name == "web"
    assert found.path == ("/opt/hooknet/cni", "/usr/lib/cni")
    assert (found.network.role, found.wanted.parent) == (Role.MAIN, "enp0s31f6")


@pytest.mark.parametrize("verb", ["", "add", "REMOVE", "ADD "])
def test_an_unknown_command_is_an_environment_error(verb):
    assert code_of(environment=env(verb), stdin=document()) == 4


def test_a_missing_command_is_an_environment_error():
    assert code_of(environment={}, stdin=document()) == 4


@pytest.mark.parametrize(
    ("verb", "variable"),
    [
        ("ADD", "containerid"),
        ("ADD", "netns"),
        ("ADD", "ifname"),
        ("CHECK", "containerid"),
        ("CHECK", "netns"),
        ("CHECK", "ifname"),
        ("DEL", "containerid"),
        ("DEL", "ifname"),
    ],
)
def test_each_missing_variable_is_named(verb, variable):
    with pytest.raises(HooknetError, match=f"CNI_{variable.upper()}") as caught:
        parse("hooknet", env(verb, **{variable: None}), document(prevResult=PREVIOUS))
    assert caught.value.code == 4


@pytest.mark.parametrize("container", ["-a", "a/b", "ü", ".a", "a b", "a\n", "\udcff"])
def test_a_container_id_that_breaks_the_spec_is_an_environment_error(container):
    assert code_of(environment=env(containerid=container), stdin=document()) == 4


@pytest.mark.parametrize(
    "ifname", [".", "..", "a/b", "a:b", "a b", "a\tb", "x" * 16, "ü" * 8, "a\x7f", "a\u2028b"]
)
def test_an_interface_name_that_linux_refuses_is_an_environment_error(ifname):
    assert code_of(environment=env(ifname=ifname), stdin=document()) == 4


@pytest.mark.parametrize("ifname", ["eth0", "x" * 15, "a.b-c_d@e"])
def test_an_interface_name_that_linux_takes_is_taken(ifname):
    assert request(environment=env(ifname=ifname)).ifname == ifname


def test_a_relative_netns_is_an_environment_error():
    assert code_of(environment=env(netns="netns-1"), stdin=document()) == 4


def test_a_del_does_without_a_netns():
    assert request(verb="DEL", environment=env("DEL", netns=None)).netns is None
    assert request(verb="DEL", environment=env("DEL", netns="")).netns is None


@pytest.mark.parametrize("stdin", [b"", b"  \n", b"{", b"[]", b"null", b'"x"', b"\xff{}", b"{" * 99999])
def test_what_is_no_json_object_can_not_be_decoded(stdin):
    assert code_of(stdin=stdin) == 6


@pytest.mark.parametrize(
    "value",
    ["[" * 70 + "]" * 70, '"\\ud800"', "NaN", "-Infinity", "1e999", "9" * 5000, "9" * 25],
    ids=["deep", "surrogate", "nan", "infinity", "overflow", "digits", "too large"],
)
def test_what_could_fail_further_in_can_not_be_decoded(value):
    assert code_of(stdin=b'{"name":"lan","type":"hooknet","x":%s}' % value.encode()) == 6


def test_an_unsupported_version_is_code_1():
    assert code_of(stdin=document(cniVersion="2.0.0")) == 1
    assert code_of(stdin=document(cniVersion=["1.0.0"])) == 1


def test_a_configuration_without_a_version_is_the_oldest():
    assert request(cniVersion=None).network.cni_version == "0.1.0"
    assert request(cniVersion="").network.cni_version == "0.1.0"


@pytest.mark.parametrize("name", [None, "", "-lan", "a b", "a/b", 7, "ü"])
@pytest.mark.parametrize("verb", ["ADD", "DEL", "STATUS"])
def test_a_network_without_a_valid_name_is_a_configuration_error(name, verb):
    assert code_of(environment=env(verb), stdin=document(name=name, cniVersion="1.1.0")) == 7


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
@pytest.mark.parametrize(
    ("verb", "since"),
    [("ADD", "0.1.0"), ("DEL", "0.1.0"), ("CHECK", "0.4.0"), ("GC", "1.1.0"), ("STATUS", "1.1.0")],
)
def test_a_verb_that_came_later_is_an_incompatible_version(verb, since, version):
    more = {
        "prevResult": PREVIOUS | {"cniVersion": version},
        "cni.dev/valid-attachments": [],
        "cniVersion": version,
    }
    if SUPPORTED_VERSIONS.index(version) < SUPPORTED_VERSIONS.index(since):
        assert code_of(environment=env(verb), stdin=document(**more)) == 1
    else:
        assert parse("hooknet", env(verb), document(**more)).verb == verb


def test_a_check_needs_prev_result():
    assert code_of(environment=env("CHECK"), stdin=document()) == 7
    assert code_of(environment=env("CHECK"), stdin=document(prevResult={})) == 7


def test_gc_without_its_list_releases_nothing_and_says_so():
    assert code_of(environment=env("GC"), stdin=document(cniVersion="1.1.0")) == 7


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_gc_reads_the_list_under_both_names_of_the_spec(key):
    kept = [{"containerID": "abc", "ifname": "eth0"}, {"containerID": "def", "ifname": "eth1"}]
    found = request(verb="GC", environment={"CNI_COMMAND": "GC"}, cniVersion="1.1.0", **{key: kept})
    assert found.valid == {("abc", "eth0"), ("def", "eth1")}


@pytest.mark.parametrize(
    "kept", [{}, "x", [1], [{"containerID": "a"}], [{"containerID": "/", "ifname": "eth0"}]]
)
def test_a_broken_list_stops_gc(kept):
    stdin = document(cniVersion="1.1.0", **{"cni.dev/valid-attachments": kept})
    assert code_of(environment={"CNI_COMMAND": "GC"}, stdin=stdin) == 7


def test_a_del_does_not_look_at_what_it_does_not_need():
    broken = {"mtu": "x", "mode": "no", "prevResult": [1], "suppress": 7, "mac": "no", "dns": 1}
    found = request(verb="DEL", environment=env("DEL", args="rubbish;MAC=zz"), **broken)
    assert (found.key.network, found.conf) == ("lan", None)


@pytest.mark.parametrize("verb", ["DEL", "ADD"])
@pytest.mark.parametrize(
    "broken",
    [
        {"cniVersion": "9.0.0"},
        {"cniVersion": 7},
        {"ipam": []},
        {"ipam": {"type": "a/b"}},
        {"ipam": {"type": "macvlan"}},
        {"ipam": {"type": 7}},
        {"type": 7, "ipam": {"type": "hooknet"}},
    ],
)
def test_what_a_del_can_not_understand_counts_as_not_given(broken, verb):
    if verb == "ADD":
        assert code_of(environment=env(verb), stdin=document(**broken)) in {1, 7}
    else:
        found = request(verb=verb, environment=env(verb), **broken)
        assert (found.key.network, found.network.addresses) == ("lan", Addresses.LEASED)


def test_what_another_plugin_holds_is_given_back_though_the_version_is_not_ours():
    found = request(
        verb="DEL", environment=env("DEL"), cniVersion="9.0.0", ipam={"type": "host-local", "ranges": 7}
    )
    assert (found.network.addresses, found.network.delegate) == (Addresses.DELEGATED, "host-local")


def test_unknown_args_are_an_error_unless_ignored():
    assert code_of(environment=env(args="FOO=1"), stdin=document()) == 4
    assert code_of(environment=env(args="IgnoreUnknown=0;FOO=1"), stdin=document()) == 4
    for yes in ("1", "true"):
        assert request(environment=env(args=f"IgnoreUnknown={yes};FOO=1")).args["FOO"] == "1"


def test_args_that_the_configuration_names_are_known():
    ipam = {"type": "dhcp", "provide": [{"option": "host-name", "fromArg": "MY_HOST"}]}
    found = request(environment=env(args="MY_HOST=box"), ipam=ipam)
    assert found.wanted.settings["hostname"] == "box"


def test_args_of_another_main_plugin_are_its_own_business():
    assert request(SEED, plugin="dhcp", environment=env(args="FOO=1")).args == {"FOO": "1"}


@pytest.mark.parametrize("args", ["MAC", "=x", "IgnoreUnknown=1;junk"])
def test_malformed_args_are_an_environment_error(args):
    assert code_of(environment=env(args=args), stdin=document()) == 4


def test_variables_that_are_no_text_are_an_environment_error():
    assert code_of(environment=env(args="MAC=\udc80"), stdin=document()) == 4


def test_a_name_that_no_container_can_have_counts_as_unknown():
    assert request(environment=env(args="IgnoreUnknown=1;K8S_POD_NAME=a b")).container_name is None
    assert request(environment=env(args=None)).container_name is None


def test_the_plugins_own_netns_must_be_allowed_explicitly():
    assert not request().own_netns_allowed
    assert request(environment=env(netns_override="1")).own_netns_allowed


@pytest.mark.parametrize("stdin", [b"", b"{", b'{"cniVersion":"1.0.0"}', b"[" * 9999])
def test_version_needs_nothing(stdin):
    assert parse("hooknet", {"CNI_COMMAND": "VERSION"}, stdin).verb is Verb.VERSION


def test_an_error_is_told_in_the_version_that_can_be_told():
    assert answer_version(document(cniVersion="0.4.0")) == "0.4.0"
    assert answer_version(document(cniVersion="7.0.0")) == "1.1.0"
    assert answer_version(b"{") == "1.1.0"


# whatever comes in: a request, or a HooknetError, and nothing else

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
INTERESTING_KEYS = st.sampled_from(
    [
        *(
            "cniVersion",
            "name",
            "type",
            "ipam",
            "master",
            "mode",
            "mtu",
            "mac",
            "bcqueuelen",
            "linkInContainer",
        ),
        *(
            "prevResult",
            "runtimeConfig",
            "args",
            "dns",
            "bridge",
            "suppress",
            "timeout",
            "client_id",
            "lease_time",
        ),
        *(
            "allow_servers",
            "user_class",
            "hostname",
            "cni.dev/valid-attachments",
            "provide",
            "request",
            "priority",
        ),
        *(
            "interfaces",
            "ips",
            "routes",
            "ip4",
            "ip",
            "gateway",
            "address",
            "dst",
            "gw",
            "option",
            "value",
            "mac",
        ),
    ]
)
INTERESTING_VALUES = st.one_of(
    JSON,
    st.sampled_from(
        [
            *(
                "hooknet",
                "dhcp",
                "macvlan",
                "host-local",
                "bridge",
                "ipvlan",
                "1.1.0",
                "0.1.0",
                "lan",
                "eth0",
            ),
            *("10.0.0.5/24", "fe80::1/64", "10.0.0.1", "0.0.0.0/0", "02:00:00:00:00:01", "name", "mac", "5m"),
        ]
    ),
)
SECTIONS = st.dictionaries(
    INTERESTING_KEYS,
    st.recursive(
        INTERESTING_VALUES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(INTERESTING_KEYS, inner, max_size=5),
        max_leaves=12,
    ),
    max_size=10,
)
VARIABLES = st.fixed_dictionaries(
    {"CNI_COMMAND": st.sampled_from([*Verb, ""])},
    optional={
        name: st.one_of(st.just(ENV.get(name, "1")), st.text(max_size=20))
        for name in [*ENV.keys() - {"CNI_COMMAND"}, "CNI_NETNS_OVERRIDE"]
    },
)


@given(
    plugin=st.sampled_from(["hooknet", "macvlan", "dhcp", "", "x/y"]), variables=VARIABLES, stdin=st.binary()
)
def test_any_bytes_give_a_request_or_a_hooknet_error(plugin, variables, stdin):
    assert code_or_none(parse, plugin, variables, stdin) in {None, 1, 4, 6, 7}


@given(
    plugin=st.sampled_from(["hooknet", "macvlan", "dhcp"]), verb=st.sampled_from(list(Verb)), changes=SECTIONS
)
def test_any_document_gives_a_request_or_a_hooknet_error(plugin, verb, changes):
    assert code_or_none(parse, plugin, env(verb.value), json.dumps(OURS | changes).encode()) in {
        None,
        1,
        4,
        6,
        7,
    }
