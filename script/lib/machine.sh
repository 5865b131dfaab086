# What the commands in script/ need of a Debian machine, and how they get it. Sourced by bash, from the clone's root.
#
# Packages without servers are installed by apt, which is told not to start anything, and what it enabled is disabled
# again (podman's own units). Servers whose packages would
# start services (Kea, ISC dhcpd, bind9, knot) are never installed: they are unpacked into .cache/servers, with the
# libraries that the machine lacks, and run from there. The Python side lives in .venv. Each part says what it does
# when there is something to do, and costs nothing when there is not.

packages=(
  busybox-static              # the whole file system of the lab's containers
  ca-certificates             # pip speaks TLS
  conmon podman runc          # real containers; runc also where control groups are hybrid
  containernetworking-plugins # the reference plugins: bridge, tuning, and the macvlan and dhcp that hooknet replaces
  dnsmasq-base                # a DHCP server that is no service
  iproute2 iptables nftables  # network namespaces, and what the chained plugins call
  libcap2-bin util-linux      # capsh, nsenter, setpriv
  procps
  systemd                     # systemctl, systemd-analyze, and a systemd to boot in the lab (it is not started here)
  python3 python3-venv
  tcpdump
)
servers=(kea-dhcp4-server isc-dhcp-server bind9 knot)

say() { printf '\e[1m%s\e[0m %s\n' "${0##*/}:" "$*" >&2; }
fail() { say "$*"; exit 1; }

must_be_root() {
  [ "$(id -u)" = 0 ] || fail "$1 needs root: it makes network namespaces. Try: sudo $0"
}

# need PART…: of packages, servers, venv; one caller at a time.
need() {
  local part
  mkdir -p .cache
  exec 9>.cache/lock
  flock 9
  for part in "$@"; do "need_$part"; done
  exec 9>&-
}

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

need_packages() {
  local missing
  missing=$(missing_packages)
  [ -z "$missing" ] && return
  command -v apt-get >/dev/null || fail "this machine has no apt; install by hand:" $missing
  say "installing" $missing
  quiet_apt update
  without_services quiet_apt install --yes --no-install-recommends $missing
}

quiet_apt() {
  local log=.cache/apt.log
  DEBIAN_FRONTEND=noninteractive apt-get -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@" >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    fail "apt-get $1 failed (see above)"
  }
}

policy=/usr/sbin/policy-rc.d
units_in=(/etc/systemd/system /etc/systemd/user)

# without_services COMMAND…: Debian starts a package's units when it installs them, unless policy-rc.d says 101; and it
# enables them, which can only be undone. What was enabled before stays so; what was there of policy-rc.d, too.
without_services() {
  policy_is_ours=
  enabled_before=$(enabled_units)
  trap as_before EXIT
  [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; policy_is_ours=1; }
  "$@"
  as_before
  trap - EXIT
}

as_before() {
  local new
  [ -z "$policy_is_ours" ] || rm -f "$policy"
  new=$(comm -13 <(echo "$enabled_before") <(enabled_units))
  [ -z "$new" ] && return
  rm -f $new
  say "not left enabled, as it came with what was installed:" $(basename -a $new | sort -u)
}

# A folder that is missing is no error: where nobody has enabled a user's unit, there is no /etc/systemd/user.
enabled_units() { { find "${units_in[@]}" -type l -path '*.wants/*' 2>/dev/null || true; } | sort; }

need_servers() {
  local folder=.cache/servers wanted names archive
  wanted="$(. /etc/os-release; echo "$ID $VERSION_ID") ${servers[*]}"
  [ "$(cat $folder/complete 2>/dev/null)" = "$wanted" ] && return
  names=$(to_be_installed) || { quiet_apt update; names=$(to_be_installed) || fail "apt can't find ${servers[*]}"; }
  say "unpacking test servers into $folder (nothing is installed):" ${servers[*]}
  rm -rf $folder
  mkdir -p $folder/archives
  (cd $folder/archives && apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=3 download $names >../download.log 2>&1) || {
    cat $folder/download.log >&2
    fail "apt-get download failed (see above)"
  }
  for archive in $folder/archives/*.deb; do dpkg -x "$archive" $folder; done
  rm -rf $folder/archives
  echo "$wanted" >$folder/complete
}

# The servers and those of their libraries that the machine lacks.
to_be_installed() {
  LC_ALL=C apt-get install --simulate --no-install-recommends "${servers[@]}" 2>/dev/null | awk '$1 == "Inst" { print $2; found = 1 } END { exit !found }'
}

need_venv() {
  local wanted
  wanted=$(cat pyproject.toml /usr/bin/python3 | sha256sum)
  [ "$(cat .venv/made-for 2>/dev/null)" = "$wanted" ] && return
  say "making .venv (hooknet, editable, with what its tests need)"
  [ -x .venv/bin/python ] || /usr/bin/python3 -m venv .venv
  .venv/bin/python -m pip install --disable-pip-version-check --editable '.[dns,dev]' >.cache/pip.log 2>&1 </dev/null || {
    cat .cache/pip.log >&2
    fail "pip failed (see above)"
  }
  echo "$wanted" >.venv/made-for
}
