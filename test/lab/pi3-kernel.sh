#!/bin/bash
# Fetch what qemu's Raspberry Pi 3 boots: Debian's arm64 kernel and its device tree.
#
#   pi3-kernel.sh DIR
#
# Leaves DIR/vmlinuz and DIR/pi3.dtb, and DIR/ready when both are whole. Needs
# dpkg-deb; the package comes from the machine's own apt mirror, about 100 MB.
set -euo pipefail
[ $# = 1 ] || { sed -n '2,7p' "$0" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
suite=trixie
mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
	sed -n 's/^Debian|//p' | head -n 1)
[ -n "$mirror" ] || { echo "no Debian archive among the apt sources" >&2; exit 1; }

# An apt of its own for arm64, so that this machine's is left as it is.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
mkdir -p "$tmp/state/lists/partial" "$tmp/cache/archives/partial" "$tmp/etc/apt.conf.d" "$tmp/etc/preferences.d"
: > "$tmp/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$tmp/sources.list"
apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) ' > "$tmp/etc/apt.conf.d/mirror" || true
options=(-qq -o "APT::Architecture=arm64" -o "APT::Architectures=arm64" -o "Dir::State=$tmp/state" -o "Dir::State::status=$tmp/status"
	-o "Dir::Cache=$tmp/cache" -o "Dir::Etc::sourcelist=$tmp/sources.list" -o "Dir::Etc::sourceparts=-"
	-o "Dir::Etc::parts=$tmp/etc/apt.conf.d" -o "Dir::Etc::preferencesparts=$tmp/etc/preferences.d" -o "APT::Sandbox::User=root")
apt-get "${options[@]}" update
kernel=$(apt-cache "${options[@]}" depends linux-image-arm64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
[ -n "$kernel" ] || { echo "linux-image-arm64 depends on no kernel" >&2; exit 1; }
cd "$tmp"
apt-get "${options[@]}" download "$kernel"
dpkg-deb --fsys-tarfile "$kernel"_*.deb | tar -x --wildcards './boot/vmlinuz-*' '*/bcm2837-rpi-3-b.dtb'
cp boot/vmlinuz-* "$out/vmlinuz"
cp "$(find . -name bcm2837-rpi-3-b.dtb | head -n 1)" "$out/pi3.dtb"
echo "$kernel"
touch "$out/ready"
