#!/bin/bash
# Builds a Debian root with Home Assistant in it, for homeassistant_test.go.
#
#   build.sh [DIR]     default: homeassistant in $PIRWATCH_CACHE or ~/.cache/pirwatch-ci
#
# Debian forky, because Home Assistant of 2026 needs a newer Python than trixie
# has. Only its version is printed where the root is there already; remove DIR for a
# newer one. Needs root and mmdebstrap. Packages come from where this
# machine's own apt and pip get theirs.
set -euo pipefail

cache=${PIRWATCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pirwatch-ci}
dir=${1:-$cache/homeassistant}
if [ -e "$dir/built" ]; then
	echo "Home Assistant $(cat "$dir/built")"
	exit 0
fi
[ "$(id -u)" = 0 ] || { echo "must run as root" >&2; exit 1; }
# In a mount namespace of its own nothing stays mounted, however this ends.
[ -n "${PIRWATCH_PRIVATE:-}" ] || PIRWATCH_PRIVATE=1 exec unshare --mount "$0" "$dir"
mkdir -p "$dir"
root=$dir/root

# The mirror, and how this machine reaches and checks it (never credentials).
mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian|//p' | head -n 1)
[ -n "$mirror" ] || { echo "no Debian archive among the apt sources" >&2; exit 1; }
aptopts=$dir/aptopts
apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) ' | grep -v '@' > "$aptopts" || true

packages=(python3 python3-venv python3-dev gcc g++ libc6-dev libffi-dev libjpeg-dev zlib1g-dev ca-certificates tzdata
	ffmpeg libturbojpeg0 libpcap0.8t64)
if [ ! -e "$dir/packages" ]; then
	rm -rf --one-file-system "$root"
	mmdebstrap --mode=root --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg --aptopt="$aptopts" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--include="$(IFS=,; echo "${packages[*]}")" forky "$root" "deb $mirror forky main"
	touch "$dir/packages"
fi

# pip, as this machine has it set up.
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/pip.conf"
export PIP_CERT=/etc/ssl/certs/ca-certificates.crt SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
chroot "$root" python3 -m venv /opt/ha
chroot "$root" /opt/ha/bin/pip install -q homeassistant

# What Home Assistant would install when it first starts the integrations that
# the test has: it reads the same lists.
chroot "$root" /opt/ha/bin/python - > "$root/opt/ha/requirements.txt" <<'PYTHON'
import json, pathlib, homeassistant.bootstrap as bootstrap
components = pathlib.Path(bootstrap.__file__).parent / "components"
todo = {"mqtt", "mobile_app", "camera", "image", "google_translate", "met", "radio_browser", "shopping_list", "isal"}
todo |= bootstrap.DEFAULT_INTEGRATIONS | bootstrap.CORE_INTEGRATIONS | bootstrap.FRONTEND_INTEGRATIONS
seen, needed = set(), set()
while todo:
    name = todo.pop()
    seen.add(name)
    manifest = json.loads((components / name / "manifest.json").read_text())
    needed |= set(manifest.get("requirements", []))
    todo |= set(manifest.get("dependencies", [])) - seen
print("\n".join(sorted(needed)))
PYTHON
chroot "$root" sh -c '/opt/ha/bin/pip install -q -r /opt/ha/requirements.txt -c "$(echo /opt/ha/lib/python3*/site-packages/homeassistant/package_constraints.txt)"'
mkdir -p "$root/config"
version=$(chroot "$root" /opt/ha/bin/hass --version)
echo "$version" > "$dir/built"
echo "Home Assistant $version"
