#!/bin/bash
# Boot a root file system in a container on a throw-away overlay, run one job in
# it, and power off.
#
#   container-run.sh ROOTDIR JOBDIR [SECONDS]     ROOTDIR has rootfs/
#   container-run.sh --chroot ROOTDIR JOBDIR      the job in a bare chroot, as image builders do
#
# JOBDIR is /lab inside; it holds job.sh, and gets job.log, job.rc and console.log.
# The exit code is the job's, or 124 where it left none. Needs root and
# systemd-nspawn; the host need not run systemd, and its cgroups may be v1 or
# hybrid: in a private mount namespace /sys/fs/cgroup becomes the plain cgroup2
# tree that systemd insists on.
set -euo pipefail
chroot=
[ "${1:-}" != --chroot ] || { chroot=1; shift; }
[ $# -ge 2 ] || { sed -n '2,13p' "$0" >&2; exit 2; }
root=$(cd "$1" && pwd)
job=$(cd "$2" && pwd)
limit=${3:-600}
tmp=$(mktemp -d "$root/run.XXXXXX")
group=pirwatch-lab.$$
rm -f "$job/job.rc" "$job/job.log"

cleanup() {
	rm -rf --one-file-system "$tmp"
	[ -n "$chroot" ] || unshare -m --propagation private bash -c '
		umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup
		[ ! -d "/sys/fs/cgroup/$1" ] || echo 1 > "/sys/fs/cgroup/$1/cgroup.kill"
		sleep 0.2
		find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} +' bash "$group" 2> /dev/null || true
}
trap cleanup EXIT

set +e
unshare -m --propagation private bash -euc '
	root=$1 job=$2 tmp=$3 group=$4 limit=$5 chroot=$6
	mkdir "$tmp/up" "$tmp/wk" "$tmp/root"
	if [ -n "$chroot" ]; then
		mount -t overlay overlay -o "lowerdir=$root/rootfs,upperdir=$tmp/up,workdir=$tmp/wk" "$tmp/root"
		mount --bind "$job" "$tmp/root/lab"
		mount -t proc proc "$tmp/root/proc"
		rc=0
		timeout "$limit" chroot "$tmp/root" /bin/bash -c "cd /lab && /bin/bash ./job.sh > job.log 2>&1" || rc=$?
		echo $rc > "$job/job.rc"
		exit 0
	fi
	umount -R /sys/fs/cgroup 2> /dev/null || true
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mkdir "/sys/fs/cgroup/$group"
	echo $$ > "/sys/fs/cgroup/$group/cgroup.procs"
	mount -t overlay overlay -o "lowerdir=$root/rootfs,upperdir=$tmp/up,workdir=$tmp/wk" "$tmp/root"
	exec timeout --foreground --kill-after=20 "$limit" systemd-nspawn --quiet --register=no --keep-unit \
		--machine=lab --private-network --console=pipe --bind="$job:/lab" -D "$tmp/root" -b lab.job
' bash "$root" "$job" "$tmp" "$group" "$limit" "$chroot" < /dev/null > "$job/console.log" 2>&1
rc=$?
set -e
[ -f "$job/job.rc" ] && exit "$(cat "$job/job.rc")"
echo "the container ended with $rc and the job left no status; see $job/console.log" >&2
exit 124
