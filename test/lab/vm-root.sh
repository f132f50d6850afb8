#!/bin/bash
# Build the virtual machine of the lab: Debian trixie with a kernel that has the
# GPIO simulator and vivid, v4l2loopback built for it, and one unit that runs a job.
#
#   vm-root.sh DIR
#
# Leaves DIR/root.ext4, DIR/vmlinuz, DIR/initrd.img, and DIR/ready when all is
# whole. Needs root, mmdebstrap and e2fsprogs; packages come from the machine's
# own apt mirror. About a minute and a half, 1.2 GB.
#
# The kernel is the one of trixie-backports: Debian's own for bookworm (6.1) and
# trixie (6.12) are built without CONFIG_GPIO_SIM. v4l2loopback is sid's: trixie's
# 0.15.0 does not compile with that kernel.
set -euo pipefail
[ $# = 1 ] || { sed -n '2,10p' "$0" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "must run as root" >&2; exit 1; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
root=$out/rootfs
suite=trixie

mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
	sed -n 's/^Debian|//p' | head -n 1)
[ -n "$mirror" ] || { echo "no Debian archive among the apt sources" >&2; exit 1; }

# How this machine reaches and checks the mirror, but never credentials.
aptopts=$(mktemp)
cleanup() {
	rm -f "$aptopts"
	umount "$out/build/root/proc" 2> /dev/null || true
	umount "$out/build/root" 2> /dev/null || true
	rm -rf --one-file-system "$out/build" "$root"
}
trap cleanup EXIT
apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) ' |
	grep -v '@' > "$aptopts" || true

rm -rf --one-file-system "$root" "$out/ready"
mmdebstrap --mode=root --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg --aptopt="$aptopts" \
	--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
	--setup-hook='mkdir -p "$1/etc/apt/preferences.d"' \
	--setup-hook='printf "Package: src:linux src:linux-signed-* linux-image-* linux-base*\nPin: release n='$suite'-backports\nPin-Priority: 600\n" > "$1/etc/apt/preferences.d/lab-kernel"' \
	--essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"; printf "MODULES=list\nCOMPRESS=zstd\n" > "$1/etc/initramfs-tools/conf.d/lab"; printf "virtio_pci\nvirtio_blk\next4\n" > "$1/etc/initramfs-tools/modules"' \
	--include=systemd,systemd-sysv,udev,dbus,kmod,procps,iproute2,linux-image-amd64,initramfs-tools,zstd,v4l-utils,mosquitto,mosquitto-clients \
	--customize-hook='echo lab > "$1/etc/hostname"; echo "127.0.0.1 localhost lab" > "$1/etc/hosts"' \
	--customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/apt/sources.list" "$1/etc/apt/sources.list.d/"*' \
	"$suite" "$root" "deb $mirror $suite main" "deb $mirror $suite-updates main" "deb $mirror $suite-backports main"

kver=$(ls "$root/lib/modules" | sort -V | tail -n 1)
for module in gpio-sim vivid 9pnet_virtio; do
	[ -n "$(find "$root/lib/modules/$kver" -name "$module.ko*")" ] || { echo "kernel $kver lacks $module" >&2; exit 1; }
done

# In a throw-away overlay, so that compiler and headers stay out of the image.
build=$out/build
mkdir -p "$build/up" "$build/wk" "$build/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$build/up,workdir=$build/wk" "$build/root"
mount -t proc proc "$build/root/proc" # objtool reads it
for s in $suite $suite-backports sid; do echo "deb $mirror $s main"; done > "$build/root/etc/apt/sources.list"
printf 'Package: *\nPin: release n=sid\nPin-Priority: 50\n' > "$build/root/etc/apt/preferences.d/lab-sid"
cp "$aptopts" "$build/root/etc/apt/apt.conf.d/99lab"
rm -f "$build/root/etc/resolv.conf"
cp /etc/resolv.conf "$build/root/etc/resolv.conf"
chroot "$build/root" sh -euc '
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends "linux-headers-$1" gcc make
	cd /tmp && apt-get download -qq v4l2loopback-dkms/sid
	dpkg-deb -x v4l2loopback-dkms_*.deb x
	make -s -C "/lib/modules/$1/build" M="$(echo /tmp/x/usr/src/v4l2loopback-*)" modules
' sh "$kver" > "$out/v4l2loopback.log" 2>&1 || { tail -n 20 "$out/v4l2loopback.log" >&2; exit 1; }
module=$(echo "$build/root"/tmp/x/usr/src/v4l2loopback-*/v4l2loopback.ko)
cp "$module" "$out/v4l2loopback.ko"
umount "$build/root/proc" "$build/root"
install -D -m 644 "$out/v4l2loopback.ko" "$root/lib/modules/$kver/updates/v4l2loopback.ko"
chroot "$root" depmod "$kver"

chroot "$root" passwd -d root > /dev/null
printf '/dev/vda / ext4 defaults 0 1\n' > "$root/etc/fstab"
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
ExecStartPre=/bin/sh -c 'modprobe 9pnet_virtio; mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 lab /lab'
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

cp "$root/boot/vmlinuz-$kver" "$out/vmlinuz"
cp "$root/boot/initrd.img-$kver" "$out/initrd.img"
# An image straight from the tree: no loop device, no mount.
used=$(du -sm --apparent-size "$root" | cut -f1)
rm -f "$out/root.ext4"
truncate -s "$((used + used / 4 + 512))M" "$out/root.ext4"
mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1 -d "$root" "$out/root.ext4"
echo "kernel $kver, ${used} MB"
touch "$out/ready"
