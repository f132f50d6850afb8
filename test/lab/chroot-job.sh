# What an image builder does: installs, upgrades and purges the package in a chroot
# in which no systemd runs.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
set -eux
[ ! -d /run/systemd/system ]
dpkg -i /lab/old.deb
[ "$(id -nG pirwatch | tr ' ' '\n' | sort | tr '\n' ' ')" = "gpio pirwatch video " ]
[ -L /etc/systemd/system/multi-user.target.wants/pirwatch.service ]
[ ! -e /var/lib/pirwatch ]
pirwatch --version
bash -n /usr/share/bash-completion/completions/pirwatch
dpkg -i /lab/new.deb
[ -L /etc/systemd/system/multi-user.target.wants/pirwatch.service ]
mkdir -p /var/lib/pirwatch/queue
dpkg -r pirwatch
[ -e /etc/pirwatch/pirwatch.toml ]
[ -d /var/lib/pirwatch/queue ]
dpkg -i /lab/new.deb
dpkg -P pirwatch
[ ! -e /etc/pirwatch ]
[ ! -e /var/lib/pirwatch ]
[ -z "$(find /etc/systemd /var/lib/systemd/deb-systemd-helper-enabled -name '*pirwatch*')" ]
