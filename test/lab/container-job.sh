# What the container test does inside: the life of the package on a real systemd.
# /lab has old.deb, the version that was released last, and new.deb.
. ./checks.sh

show() { systemctl show -P "$1" "${2:-pirwatch.service}"; }
journal() { journalctl --no-pager -q -o cat -u "${2:-pirwatch.service}" | grep -qE -- "$1"; }
metric() { # NAME: a number of pirwatch's own
	exec 9<> /dev/tcp/127.0.0.1/9788 || return
	printf 'GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n' >&9
	sed -n "s/^pirwatch_$1 //p" <&9
	exec 9>&-
}
metric_least() { least "$(metric "$1")" "$2"; }
metric_is() { equals "$(metric "$1")" "$2"; }
broker_on() { systemctl start mosquitto.service; }
broker_off() { systemctl stop mosquitto.service; }
score() { # UNIT: exposure in tenths
	systemd-analyze security --no-pager "$1" | sed -n 's/^.*Overall exposure level.*: \([0-9]*\)\.\([0-9]\).*/\1\2/p'
}
configure() { # lines of configuration for a camera that needs no hardware
	cat > "$1" <<TOML
name = "$2"
broker.url = "mqtt://127.0.0.1"
camera.driver = "scene"
camera.scene.visitor_every = "5s"
camera.width = 640
camera.height = 360
sensor.driver = "off"
motion.trigger = "frames"
motion.cooldown = "1s"
motion.cooldown_max = "1s"
motion.hold_off = "2s"
backoff.longest = "2s"
metrics.listen = "127.0.0.1:$3"
TOML
}
pidnow() { show MainPID "$@"; }

echo "systemd $(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')"

echo "-- first installation, nothing configured, no broker"
check "installs" install /lab/old.deb
check "version is the old one" equals "$(dpkg-query -W -f '${Version}' pirwatch)" "$(dpkg-deb -f /lab/old.deb Version)"
check "runs" systemctl is-active pirwatch
check "starts with the machine" systemctl is-enabled pirwatch
check "the user has its groups" equals "$(id -nG pirwatch | tr ' ' '\n' | sort | tr '\n' ' ')" "gpio pirwatch video "
check "its state is its own" equals "$(stat -c '%U %a' /var/lib/pirwatch)" "pirwatch 750"
await "the journal says what to do next" 30 journal 'sudo pirwatch setup'
await "systemctl status says it, too" 30 bash -c 'systemctl show -P StatusText pirwatch | grep -q broker'
check "the configuration is the shipped one" bash -c 'pirwatch check --config /etc/pirwatch/pirwatch.toml | grep -q "^configuration  *ok"'
for unit in pirwatch.service pirwatch@porch.service; do
	exposure=$(score $unit)
	echo "        exposure of $unit: ${exposure%?}.${exposure: -1}"
	check "security of $unit is 1.8 or better" test "${exposure:-99}" -le 18
done
check "the unit has nothing this systemd does not know" not bash -c 'journalctl -q --no-pager | grep -E "Unknown (key|lvalue|section)|pirwatch.*(ignoring|not supported)"'

echo "-- a queue fills while the broker is away"
configure $conf lab 9788
sum=$(sha256sum < $conf)
before=$(pidnow)
check "a new configuration is taken by reload" systemctl reload pirwatch
await "pictures wait" 120 metric_least queue_pictures 12
check "reload kept the process" equals "$(pidnow)" "$before"

echo "-- upgrade with a full queue"
pictures_of $state/archive > /lab/old.pictures
old=$(wc -l < /lab/old.pictures)
check "the old version's archive has what waits" least "$old" 12
check "upgrades" install /lab/new.deb
check "the service was started again" not equals "$(pidnow)" "$before"
check "runs" systemctl is-active pirwatch
check "it is the new one" equals "$(pirwatch --version | grep -o '99\.0\.0')" 99.0.0
check "the owner's configuration is as it was" equals "$(sha256sum < $conf)" "$sum"
check "and the new version takes it" bash -c "pirwatch check --config $conf | grep -q '^configuration  *ok'"
await "the new version found the old one's queue ($old pictures)" 60 recovered "$old"
check "nothing was dropped" metric_is pictures_dropped_total 0
check "the old version's archive is whole" has_pictures $state/archive /lab/old.pictures

echo "-- the broker comes"
broker_on
mkdir -p /tmp/got
pirwatch receive --broker mqtt://127.0.0.1 --out /tmp/got > /tmp/receive.log 2>&1 &
receiver=$!
await "the broker is connected" 60 metric_is broker_connected 1
await "all of the old version's pictures are delivered by the new one" 120 has_pictures /tmp/got /lab/old.pictures
await "events are told to the journal with their fields" 60 bash -c 'journalctl -q --no-pager -o json -u pirwatch | grep -q "\"EVENT_ID\""'
check "and CAMERA with them" bash -c 'journalctl -q --no-pager -o json -u pirwatch CAMERA=lab | grep -q "\"EVENT_ID\""'
check "status is online" equals "$(retained status)" online
await "the status line tells events" 60 bash -c 'systemctl show -P StatusText pirwatch | grep -q event'

echo "-- reload, crash, wrong configuration"
before=$(pidnow)
cp $conf /tmp/good.toml
echo 'motion.hold_off = ten' >> $conf
systemctl reload pirwatch
await "a mistake is told and the old settings stay" 20 journal 'motion.hold_off|hold_off.*quotes'
check "the process goes on" equals "$(pidnow)" "$before"
check "pirwatch check gives 78" bash -c 'pirwatch check --config /etc/pirwatch/pirwatch.toml > /dev/null 2>&1; [ $? = 78 ]'
systemctl restart pirwatch
await "a wrong configuration fails the start" 30 equals "$(show Result):$(show ExecMainStatus)" exit-code:78
sleep 4
check "and is not tried again" equals "$(show ActiveState):$(show NRestarts)" failed:0
cp /tmp/good.toml $conf
systemctl reset-failed pirwatch
systemctl start pirwatch
check "runs when it is mended" systemctl is-active pirwatch
kill -ABRT "$(pidnow)"
await "a crash is followed by a new start" 30 bash -c '[ "$(systemctl show -P NRestarts pirwatch)" -ge 1 ] && systemctl is-active pirwatch'
await "the broker is connected again" 60 metric_is broker_connected 1

echo "-- stop"
begun=$(date +%s%N)
check "stops" systemctl stop pirwatch
took=$((($(date +%s%N) - begun) / 1000000))
echo "        took $took ms"
check "within 10 s" test $took -lt 10000
check "cleanly" equals "$(show Result)" success
check "status is offline" equals "$(retained status)" offline
check "motion is OFF" equals "$(retained motion)" OFF
check "nothing of it is left running" not pgrep -u pirwatch

echo "-- a password, as systemd's credential"
mosquitto_passwd -b -c /etc/mosquitto/passwords cam s3cret
chown mosquitto /etc/mosquitto/passwords
printf 'listener 1883 127.0.0.1\nallow_anonymous false\npassword_file /etc/mosquitto/passwords\n' > /etc/mosquitto/conf.d/lab.conf
kill $receiver 2> /dev/null
systemctl restart mosquitto.service
mkdir -p /etc/credstore
(umask 077 && echo s3cret > /etc/credstore/pirwatch.mqtt_password)
echo 'broker.username = "cam"' >> $conf
systemctl start pirwatch
await "the broker lets it in" 60 metric_is broker_connected 1
check "no password in the journal" not journal s3cret
sed -i '/broker.username/d' $conf
rm /etc/mosquitto/conf.d/lab.conf /etc/credstore/pirwatch.mqtt_password
systemctl stop pirwatch
systemctl restart mosquitto.service

echo "-- a second camera on the same machine"
systemctl start pirwatch
configure /etc/pirwatch/porch.toml porch 9789
check "starts" systemctl start pirwatch@porch
await "both are online" 60 bash -c '[ "$(timeout 5 mosquitto_sub -t pirwatch/+/status -C 2 | sort | tr "\n" " ")" = "online online " ]'
before=$(pidnow pirwatch@porch.service)
check "an upgrade starts it again, too" install /lab/new.deb
check "(it has another process)" not equals "$(pidnow pirwatch@porch.service)" "$before"
check "and it runs" systemctl is-active pirwatch@porch
systemctl stop pirwatch@porch

echo "-- what does not run is not started by an upgrade"
systemctl disable -q --now pirwatch
check "upgrades" install /lab/new.deb
check "does not run" not systemctl is-active pirwatch
check "does not start with the machine" not systemctl is-enabled pirwatch
systemctl enable -q --now pirwatch

echo "-- remove, and install again"
broker_off
await "pictures wait again" 120 metric_least queue_pictures 3
check "removes" apt-get remove -y pirwatch
check "does not run" not pgrep -u pirwatch
check "no program is left" not test -e /usr/bin/pirwatch
check "the configuration is kept" equals "$(sha256sum < $conf)" "$sum"
check "the queue is kept" bash -c '[ -n "$(ls -A /var/lib/pirwatch/queue)" ]'
check "installs again" install /lab/new.deb
check "runs" systemctl is-active pirwatch
await "the queue is there" 60 metric_least queue_pictures 3

echo "-- purge"
check "purges" apt-get purge -y pirwatch
check "does not run" not pgrep -u pirwatch
check "no state is left" bash -c '! ls -d /var/lib/pirwatch* 2> /dev/null'
check "the shipped configuration is gone" not test -e $conf
check "the owner's own is kept" test -e /etc/pirwatch/porch.toml
check "no unit is left" not systemctl cat pirwatch.service
check "no link is left" bash -c '! find /etc/systemd -name "*pirwatch*" | grep .'

echo "-- the journal, as a whole"
journalctl -q --no-pager -o short-iso -u pirwatch -u pirwatch@porch > /lab/journal.txt
check "no panic, no race" not grep -E 'panic:|DATA RACE|fatal error' /lab/journal.txt
check "no entry is an error but the refused configuration" not bash -c 'journalctl -q --no-pager -o cat -p err -u pirwatch SYSLOG_IDENTIFIER=pirwatch | grep -v "not reloaded"'
lines=$(journalctl -q --no-pager -o cat -p warning -u pirwatch SYSLOG_IDENTIFIER=pirwatch | sort | uniq -c | sort -rn | head -n 3)
echo "$lines"
check "no warning is repeated for ever" bash -c "! awk '\$1 > 40 { exit 1 }' <<< \"\$1\" && exit 1 || exit 0" - "$lines"
echo "$failed checks failed"
exit $((failed > 100 ? 100 : failed))
