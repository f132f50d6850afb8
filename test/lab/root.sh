#!/bin/bash
# Build the root file system that the containers and the virtual machine boot: a
# small Debian with systemd and Mosquitto, and one unit that runs a job and powers
# off.
#
#   root.sh SUITE DIR
#
# Leaves DIR/rootfs, and DIR/ready when it is whole. Needs root and mmdebstrap;
# packages come from the machine's own apt mirror.
set -euo pipefail
[ $# = 2 ] || { sed -n '2,9p' "$0" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "must run as root" >&2; exit 1; }
. "$(dirname "$0")/apt.sh"
trap 'rm -rf "$tmp"' EXIT
suite=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
root=$out/rootfs

rm -rf --one-file-system "$root" "$out/ready"
mmdebstrap --mode=root --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg --aptopt="$aptopts" \
	--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-include=/usr/share/*/pirwatch*' \
	--include=systemd,systemd-sysv,udev,dbus,kmod,procps,iproute2,v4l-utils,mosquitto,mosquitto-clients \
	--customize-hook='echo lab > "$1/etc/hostname"; echo "127.0.0.1 localhost lab" > "$1/etc/hosts"' \
	--customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/apt/sources.list" "$1/etc/apt/sources.list.d/"*' \
	"$suite" "$root" "deb $mirror $suite main"

chroot "$root" passwd -d root > /dev/null
mkdir -p "$root/lab"
cat > "$root/etc/systemd/system/lab-job.service" <<'UNIT'
[Unit]
Description=Run the job the lab's host left in the shared folder
ConditionKernelCommandLine=lab.job
Requires=multi-user.target
After=multi-user.target
[Service]
# Not oneshot: the boot is complete before the job ends.
Type=exec
ExecStartPre=/bin/sh -c 'mountpoint -q /lab || mount -t hostfs none /lab'
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
# Not the first boot after an update: spares ldconfig.service and its like.
touch -r "$root/usr" "$root/etc/.updated" "$root/var/.updated"
touch "$out/ready"
