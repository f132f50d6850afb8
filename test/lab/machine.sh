# The kernel modules of the virtual machine, which the host shares.
release=/lib/modules/$(uname -r)
[ -e "$release" ] || { mkdir -p "$release" && cp -r /lab/modules/. "$release/" && depmod; }
