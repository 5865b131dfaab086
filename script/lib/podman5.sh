# A whole Debian trixie with its podman 5 and netavark, in .cache/trixie, for `script/test --long`. Sourced by bash,
# from the clone's root, after machine.sh.
#
# Nothing of it is installed on this machine, no service of it starts, and its packages come unpatched from the mirror
# that this machine's own apt uses. It is made in a folder beside, and renamed when it is whole: a root that is there
# is complete. Takes two or three minutes and 500 MB, once.

podman5_suite=trixie
podman5_packages=(
  conmon netavark podman runc # what is tested
  nftables                    # netavark's firewall driver
  busybox-static              # the whole file system of the containers
  python3-minimal             # what hooknet's plugin is run by
  iproute2 procps util-linux  # what a person wants who looks inside
)

need_podman5() {
  local root=.cache/$podman5_suite wanted
  wanted="$podman5_suite ${podman5_packages[*]}"
  [ "$(cat $root/complete 2>/dev/null)" = "$wanted" ] && return
  need_debootstrap
  say "making $root: Debian $podman5_suite with podman 5 (once; some minutes)"
  rm -rf --one-file-system $root $root.new
  bootstrap_podman5 $root.new >.cache/podman5.log 2>&1 </dev/null || {
    tail -n 40 .cache/podman5.log >&2
    fail "the root with podman 5 could not be made (see above; the whole log is .cache/podman5.log)"
  }
  echo "$wanted" >$root.new/complete
  mv $root.new $root
}

need_debootstrap() {
  local packages=(debootstrap)
  need_packages
}

bootstrap_podman5() {
  local root=$1
  nice debootstrap --variant=minbase --include=ca-certificates "$podman5_suite" "$root" "$(debian_mirror)" \
    /usr/share/debootstrap/scripts/sid || return
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  DEBIAN_FRONTEND=noninteractive LC_ALL=C nice chroot "$root" apt-get -o Acquire::Retries=3 \
    -o APT::Sandbox::User=root install --yes --no-install-recommends "${podman5_packages[@]}" || return
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/usr/share/{doc,man,locale}
  # The tests run their own: no network and no setting of the distribution's stands in their way.
  mkdir -p "$root/etc/containers/networks"
}

# The mirror that this machine's apt uses for Debian; the security archive is another host's tree. Nothing where apt
# names none: then debootstrap takes its own.
debian_mirror() {
  apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
    awk '$2 == "Debian" && $1 !~ /security/ { print $1; exit }'
}
