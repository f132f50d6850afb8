#!/bin/bash
# Build the kernel of the virtual machine: Linux as a program (User Mode Linux),
# with what systemd wants, the GPIO simulator and vivid, and v4l2loopback built for
# it. In an emulator a kernel takes twenty times as long.
#
# The source is the one of trixie-backports: User Mode Linux of trixie's own 6.12
# fails on processors with AMX, and its processes run on as the host's when it is
# killed. v4l2loopback is sid's: trixie's does not compile with that kernel.
#
#   kernel.sh DIR
#
# Leaves DIR/linux, DIR/modules, and DIR/ready when both are whole. Needs gcc, make,
# flex, bison and bc; the source comes from the machine's own apt mirror. Three to
# four minutes on two processors.
set -euo pipefail
[ $# = 1 ] || { sed -n '2,16p' "$0" >&2; exit 2; }
. "$(dirname "$0")/apt.sh"
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$1"
out=$(cd "$1" && pwd)
rm -rf "$out/ready" "$out/modules"

foreign amd64 sid
(cd "$tmp" && apt-get "${options[@]}" download v4l2loopback-dkms)
foreign amd64 trixie-backports
source=$(newest linux-source)
cd "$tmp"
apt-get "${options[@]}" download "$source"
for package in *.deb; do dpkg-deb -x "$package" deb; done
tar -xf deb/usr/src/"$source".tar.* --exclude='*/drivers/gpu/*.[ch]'
cd "$source"

# Nothing but this; what these need comes with them.
cat > "$tmp/config" <<'CONFIG'
CONFIG_64BIT=y
CONFIG_LOCALVERSION="-lab"
CONFIG_STATIC_LINK=y
CONFIG_EXPERT=y
CONFIG_PRINTK=y
CONFIG_PRINTK_TIME=y
CONFIG_BUG=y
CONFIG_KALLSYMS=y
CONFIG_STDERR_CONSOLE=y
CONFIG_NULL_CHAN=y
CONFIG_TTY=y
CONFIG_UNIX98_PTYS=y
CONFIG_MODULES=y
CONFIG_MODULE_UNLOAD=y
CONFIG_BINFMT_ELF=y
CONFIG_BINFMT_SCRIPT=y
CONFIG_MULTIUSER=y
CONFIG_SYSVIPC=y
CONFIG_FUTEX=y
CONFIG_EPOLL=y
CONFIG_EVENTFD=y
CONFIG_SIGNALFD=y
CONFIG_TIMERFD=y
CONFIG_POSIX_TIMERS=y
CONFIG_HIGH_RES_TIMERS=y
CONFIG_NO_HZ_IDLE=y
CONFIG_AIO=y
CONFIG_ADVISE_SYSCALLS=y
CONFIG_MEMBARRIER=y
CONFIG_KCMP=y
CONFIG_FHANDLE=y
CONFIG_FILE_LOCKING=y
CONFIG_INOTIFY_USER=y
CONFIG_DNOTIFY=y
CONFIG_PROC_FS=y
CONFIG_SYSFS=y
CONFIG_SYSCTL=y
CONFIG_CONFIGFS_FS=y
CONFIG_DEVTMPFS=y
CONFIG_DEVTMPFS_MOUNT=y
CONFIG_SHMEM=y
CONFIG_TMPFS=y
CONFIG_TMPFS_POSIX_ACL=y
CONFIG_TMPFS_XATTR=y
CONFIG_BLOCK=y
CONFIG_BLK_DEV=y
CONFIG_BLK_DEV_UBD=y
CONFIG_EXT4_FS=y
CONFIG_HOSTFS=y
CONFIG_HW_RANDOM=y
CONFIG_UML_RANDOM=y
CONFIG_CGROUPS=y
CONFIG_MEMCG=y
CONFIG_CGROUP_PIDS=y
CONFIG_CGROUP_FREEZER=y
CONFIG_CGROUP_SCHED=y
CONFIG_FAIR_GROUP_SCHED=y
CONFIG_CGROUP_BPF=y
CONFIG_BPF_SYSCALL=y
CONFIG_NAMESPACES=y
CONFIG_UTS_NS=y
CONFIG_IPC_NS=y
CONFIG_USER_NS=y
CONFIG_PID_NS=y
CONFIG_NET_NS=y
CONFIG_SECCOMP=y
CONFIG_SECCOMP_FILTER=y
CONFIG_NET=y
CONFIG_UNIX=y
CONFIG_PACKET=y
CONFIG_INET=y
CONFIG_NETDEVICES=y
CONFIG_INPUT=y
CONFIG_VIRTIO_MENU=y
CONFIG_VIRTIO_UML=y
CONFIG_UML_PCI_OVER_VIRTIO=y
CONFIG_PCI=y
CONFIG_GPIOLIB=y
CONFIG_GPIO_CDEV=y
CONFIG_GPIO_SIM=m
CONFIG_MEDIA_SUPPORT=y
CONFIG_MEDIA_SUPPORT_FILTER=y
CONFIG_MEDIA_CAMERA_SUPPORT=y
CONFIG_MEDIA_TEST_SUPPORT=y
CONFIG_VIDEO_DEV=y
CONFIG_V4L_TEST_DRIVERS=y
CONFIG_VIDEO_VIVID=m
CONFIG
make -s ARCH=um KCONFIG_ALLCONFIG="$tmp/config" allnoconfig
lacking=$(grep '=m$' "$tmp/config" | grep -vxFf .config || true)
[ -z "$lacking" ] || { echo "$source cannot have: $lacking" >&2; exit 1; }
make -s -j"$(nproc)" ARCH=um linux modules
make -s ARCH=um M="$(echo "$tmp"/deb/usr/src/v4l2loopback-*)" modules

mkdir -p "$out/modules"
cp linux "$out/linux"
cp modules.order modules.builtin modules.builtin.modinfo "$out/modules/"
find . "$tmp/deb" -name '*.ko' -exec cp -t "$out/modules" {} +
echo "$(cat include/config/kernel.release), $(stat -c %s "$out/linux") bytes"
touch "$out/ready"
