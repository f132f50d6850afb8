#!/bin/bash
# Boot the virtual machine, run one job in it, and power off.
#
#   vm-run.sh DIR JOBDIR [SECONDS]     DIR as vm-root.sh left it
#
# JOBDIR is /lab inside (9p) and all the guest sees of the host; there is no
# network. It holds job.sh, and gets job.log, job.rc and console.log. A file
# JOBDIR/state.ext4 becomes /dev/vdb, a drive that outlives a power cut; the root
# is thrown away each time. The exit code is the job's, or 124 where it left none.
# qemu's process id is in JOBDIR/qemu.pid: kill -9 is the power cut.
#
# LAB_ACCEL=kvm where /dev/kvm runs an ordinary kernel; the default emulates (TCG).
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,13p' "$0" >&2; exit 2; }
dir=$(cd "$1" && pwd)
job=$(cd "$2" && pwd)
limit=${3:-900}
accel=${LAB_ACCEL:-tcg}
[ "$accel" != tcg ] || accel=tcg,thread=multi
rm -f "$job/job.rc" "$job/job.log" "$job/qemu.pid"
state=()
[ ! -e "$job/state.ext4" ] ||
	state=(-drive "file=$job/state.ext4,format=raw,if=none,id=state,cache=writeback" -device virtio-blk-pci,drive=state)

set +e
timeout --kill-after=10 "$limit" qemu-system-x86_64 -M q35 -cpu qemu64 -accel "$accel" -smp 2 -m 1024 \
	-nodefaults -no-user-config -display none -no-reboot -nic none -serial "file:$job/console.log" -pidfile "$job/qemu.pid" \
	-kernel "$dir/vmlinuz" -initrd "$dir/initrd.img" \
	-drive "file=$dir/root.ext4,format=raw,if=none,id=root,snapshot=on,cache=unsafe" -device virtio-blk-pci,drive=root \
	"${state[@]}" -device virtio-rng-pci \
	-virtfs "local,path=$job,mount_tag=lab,security_model=none,id=lab" \
	-append "root=/dev/vda rw console=ttyS0 panic=-1 quiet systemd.show_status=1 lab.job" < /dev/null
rc=$?
set -e
[ -f "$job/job.rc" ] && exit "$(cat "$job/job.rc")"
echo "qemu ended with $rc and the job left no status; see $job/console.log" >&2
exit 124
