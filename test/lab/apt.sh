# Debian packages for the lab's own systems, from the mirror of this machine.
# Sourced; sets mirror, and aptopts: a file of how this machine reaches and checks
# the mirror, but never credentials. It goes with $tmp, which the caller removes.
mirror=$(apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian|//p' | head -n 1)
[ -n "$mirror" ] || { echo "no Debian archive among the apt sources" >&2; exit 1; }
tmp=$(mktemp -d)
chmod 755 "$tmp"
aptopts=$tmp/aptopts
apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) ' | grep -v '@' > "$aptopts" || true

# An apt of its own, so that this machine's is left as it is.
foreign() { # ARCH SUITE...
	local arch=$1 suite
	shift
	mkdir -p "$tmp/state/lists/partial" "$tmp/cache/archives/partial" "$tmp/etc/apt.conf.d" "$tmp/etc/preferences.d"
	: > "$tmp/status"
	for suite; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
	done > "$tmp/sources.list"
	apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) ' > "$tmp/etc/apt.conf.d/mirror" || true
	options=(-qq -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o "Dir::State=$tmp/state" -o "Dir::State::status=$tmp/status"
		-o "Dir::Cache=$tmp/cache" -o "Dir::Etc::sourcelist=$tmp/sources.list" -o "Dir::Etc::sourceparts=-"
		-o "Dir::Etc::parts=$tmp/etc/apt.conf.d" -o "Dir::Etc::preferencesparts=$tmp/etc/preferences.d" -o "APT::Sandbox::User=root")
	apt-get "${options[@]}" update
}
newest() { # META: the package that a meta package depends on
	apt-cache "${options[@]}" show "$1" | sed -n 's/^Depends: \([^ ,]*\).*/\1/p' | head -n 1
}
