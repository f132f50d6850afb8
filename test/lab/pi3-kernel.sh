#!/bin/bash
# Fetch what qemu's Raspberry Pi 3 boots: Debian's arm64 kernel and its device tree.
#
#   pi3-kernel.sh DIR
#
# Leaves DIR/vmlinuz and DIR/pi3.dtb, and DIR/ready when both are whole. Needs
# dpkg-deb; the package comes from the machine's own apt mirror, about 100 MB.
set -euo pipefail
[ $# = 1 ] || { sed -n '2,7p' "$0" >&2; exit 2; }
. "$(dirname "$0")/apt.sh"
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$1"
out=$(cd "$1" && pwd)

foreign arm64 trixie
kernel=$(newest linux-image-arm64)
cd "$tmp"
apt-get "${options[@]}" download "$kernel"
dpkg-deb --fsys-tarfile "$kernel"_*.deb | tar -x --wildcards './boot/vmlinuz-*' '*/bcm2837-rpi-3-b.dtb'
cp boot/vmlinuz-* "$out/vmlinuz"
cp "$(find . -name bcm2837-rpi-3-b.dtb | head -n 1)" "$out/pi3.dtb"
echo "$kernel"
touch "$out/ready"
