#!/bin/bash
# Build the root file system of the container tests: a small Debian with systemd
# and Mosquitto, and one unit that runs a job and powers off.
#
#   container-root.sh SUITE DIR
#
# Leaves DIR/rootfs, and DIR/ready when it is whole. Needs root and mmdebstrap;
# packages come from the machine's own apt mirror.
set -euo pipefail
[ $# = 2 ] || { sed -n '2,7p' "$0" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "must run as root" >&2; exit 1; }
suite=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)

mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
	sed -n 's/^Debian|//p' | head -n 1)
[ -n "$mirror" ] || { echo "no Debian archive among the apt sources" >&2; exit 1; }

# How this machine reaches and checks the mirror, but never credentials.
aptopts=$(mktemp)
trap 'rm -f "$aptopts"' EXIT
apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) ' |
	grep -v '@' > "$aptopts" || true

rm -rf --one-file-system "$out/rootfs" "$out/ready"
mmdebstrap --mode=root --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg --aptopt="$aptopts" \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	--include=systemd,systemd-sysv,udev,dbus,procps,iproute2,mosquitto,mosquitto-clients \
	--customize-hook='echo lab > "$1/etc/hostname"; echo "127.0.0.1 localhost lab" > "$1/etc/hosts"' \
	--customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/apt/sources.list" "$1/etc/apt/sources.list.d/"*' \
	"$suite" "$out/rootfs" "deb $mirror $suite main"
root=$out/rootfs

mkdir -p "$root/lab"
cat > "$root/etc/systemd/system/lab-job.service" <<'UNIT'
[Unit]
Description=Run the job the lab's host left in the shared folder
Requires=multi-user.target
After=multi-user.target
[Service]
Type=exec
ExecStart=/bin/sh -c 'cd /lab && /bin/bash ./job.sh > job.log 2>&1; echo $? > job.rc; sync'
ExecStopPost=/bin/systemctl --no-block poweroff
UNIT
cat > "$root/etc/systemd/system/lab.target" <<'UNIT'
[Unit]
Description=Multi-user system, then the lab's job
Requires=multi-user.target
After=multi-user.target
Wants=lab-job.service
AllowIsolate=yes
UNIT
ln -sf /etc/systemd/system/lab.target "$root/etc/systemd/system/default.target"
# What the lab does not want at boot; a job starts what it tests.
for unit in mosquitto.service apt-daily.timer apt-daily-upgrade.timer e2scrub_reap.service; do
	rm -f "$root/etc/systemd/system/"*.wants/"$unit"
done
touch -r "$root/usr" "$root/etc/.updated" "$root/var/.updated"
touch "$out/ready"
