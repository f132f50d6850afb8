# What the jobs in containers and in the virtual machine share. Each check prints
# a line "ok ..." or "NOT OK ..."; $failed counts those that failed.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
failed=0
conf=/etc/pirwatch/pirwatch.toml
state=/var/lib/pirwatch

check() { # NAME COMMAND...
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		echo "ok      $name"
	else
		echo "NOT OK  $name: $*: ${out:0:2000}"
		failed=$((failed + 1))
	fi
}
await() { # NAME SECONDS COMMAND...
	local name=$1 limit=$2 begun=$SECONDS
	shift 2
	until "$@" > /dev/null 2>&1; do
		if [ $((SECONDS - begun)) -ge "$limit" ]; then
			check "$name (within $limit s)" "$@"
			return
		fi
		sleep 0.3
	done
	echo "ok      $name ($((SECONDS - begun)) s)"
}
not() { ! "$@"; }
equals() { [ "$1" = "$2" ] || { echo "is '$1', not '$2'"; return 1; }; }
least() { [ "$1" -ge "$2" ] || { echo "is $1, less than $2"; return 1; }; }
install() { # PACKAGE FILE; asked about a configuration that both sides changed, the owner keeps his
	apt-get install -y --no-install-recommends --reinstall --allow-downgrades -o Dpkg::Options::=--force-confold "$1" > /lab/apt.log 2>&1 ||
		{ tail -n 20 /lab/apt.log; return 1; }
}
retained() { timeout 10 mosquitto_sub -h 127.0.0.1 -t "pirwatch/lab/$1" -C 1; }

# Pictures that have to arrive: a list of "SHA-256  NAME.jpg" of those in the
# archive, made before something happens, and whether a folder has each of them.
pictures_of() { find "$@" -name '*.jpg' -exec sha256sum {} + | sed 's|  .*/|  |' | sort; } # FOLDER [CONDITION OF find]...
has_pictures() { # FOLDER LIST
	local missing
	missing=$(comm -13 <(pictures_of "$1") "$2")
	[ -s "$2" ] && [ -z "$missing" ] || { echo "$(wc -l < "$2") listed, missing: $missing"; return 1; }
}
recovered() { # COUNT: so many pictures the running daemon found in its queue on disk, whole
	local told
	told=$(journalctl -q --no-pager -o cat _PID="$(systemctl show -P MainPID pirwatch)" | grep '^queue recovered')
	[[ $told == "queue recovered camera="* ]] && least "$(sed 's/.* pictures=\([0-9]*\) .*/\1/' <<< "$told")" "$1" || { echo "$told"; return 1; }
}
