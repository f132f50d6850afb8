# The daemon in the virtual machine, in two boots with a power cut between them.
# /lab has pirwatch.deb and guest.test; /dev/ubda is the root and /dev/ubdb the
# drive with the daemon's state.
. ./checks.sh
. ./machine.sh
sim=/sys/kernel/config/gpio-sim/pi

says() { local got; got=$(retained "$1"); [[ $got == *"$2"* ]] || { echo "$got"; return 1; }; }
pir() { echo "pull-$1" > "/sys/devices/platform/$(cat $sim/dev_name)/$(cat $sim/bank0/chip_name)/sim_gpio17/pull"; }
newest() { retained last_event | sed -n 's/.*"event_id":"\([^"]*\)".*/\1/p'; }
pictures() { retained last_event | grep -o '"pic_ids":\[[^]]*\]' | grep -o '[0-9A-Z]\{26\}-[0-9]*'; }
closed() { # OLD EVENT: another event than this one is closed and sent whole
	local got
	got=$(retained last_event)
	[[ $got == *'"phase":"closed"'* && $got == *'"queued":0'* && $got != *"\"event_id\":\"$1\""* ]] || { echo "$got"; return 1; }
}
arrived() { # every picture of the newest event is with the receiver, and is a JPEG
	local id file n=0
	for id in $(pictures); do
		file=$(find /lab/received -name "$id.jpg")
		[ -s "$file" ] && [ "$(head -c 2 "$file" | od -An -tx1)" = " ff d8" ] || { echo "missing: $id"; return 1; }
		n=$((n + 1))
	done
	[ $n -ge "$1" ] || { echo "$n pictures, less than $1"; return 1; }
}
event() { # NAME PICTURES: the sensor trips, and all is seen at the other end
	local before
	before=$(newest)
	pir up
	sleep 3
	pir down
	await "$1: the event closes" 120 closed "$before"
	check "$1: by the sensor" says last_event '"trigger":"pir"'
	await "$1: all pictures arrive" 60 arrived "$2"
}
configure() { # DEVICE, more lines
	cat > $conf <<-TOML
		name = "lab"
		broker.url = "mqtt://127.0.0.1"
		camera.driver = "v4l2"
		camera.v4l2.device = "$1"
		camera.width = 640
		camera.height = 360
		camera.frozen_after = "0s"
		camera.retry_longest = "2s"
		sensor.warm_up = "0s"
		sensor.stuck_after = "10s"
		motion.trigger = "pir"
		motion.hold_off = "2s"
		motion.cooldown = "1s"
		motion.cooldown_max = "1s"
		queue.spool = "always"
		backoff.longest = "2s"
		health.interval = "5s"
		archive.min_free = "1MB"
	TOML
}
forget() { mosquitto_pub -h 127.0.0.1 -t pirwatch/lab/health -r -n; } # what is retained may be an old story
ready() { says health '"camera":"ok"' && says health '"sensor":"ok"'; }
plug() { # the header of a Pi, and a camera
	modprobe gpio-sim
	mkdir -p $sim/bank0/line17
	echo 54 > $sim/bank0/num_lines
	echo pinctrl-bcm2835 > $sim/bank0/label
	echo 1 > $sim/live
	modprobe vivid n_devs=1 node_types=0x1
}
receive() {
	mkdir -p /lab/received
	pirwatch receive --broker mqtt://127.0.0.1 --out /lab/received > /lab/receive.log 2>&1 &
}

if [ -e /lab/was-cut ]; then
	echo "-- after the power cut"
	await "the daemon was started with the machine" 60 systemctl is-active pirwatch
	await "what was safe is in its queue" 60 recovered "$(wc -l < /lab/safe)"
	plug
	check "the broker starts" systemctl start mosquitto
	receive
	await "what was safe arrives" 120 has_pictures /lab/received /lab/safe
	configure vivid
	forget
	systemctl reload pirwatch
	await "camera and sensor are well" 120 ready
	event "a new event" 8
	journalctl -u pirwatch --no-pager -o short-monotonic -b > /lab/journal2.log
	exit $failed
fi

# As Raspberry Pi OS does it (raspberrypi-sys-mods).
echo 'SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="gpio", MODE="0660"' > /etc/udev/rules.d/90-gpio.rules
groupadd -fr gpio
udevadm control --reload
mkdir -p $state
echo "/dev/ubdb $state ext4 defaults 0 0" >> /etc/fstab
systemctl daemon-reload
check "the drive for the state mounts" systemctl start var-lib-pirwatch.mount
check "apt installs the package" install /lab/pirwatch.deb
check "systemd is content with the unit" systemctl is-active pirwatch
systemctl stop pirwatch
printf 'listener 1883 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n' > /etc/mosquitto/conf.d/lab.conf
check "the broker starts" systemctl start mosquitto
configure vivid
plug
receive
sync # what the owner wrote long ago; what the daemon writes later is the daemon's to sync

echo "-- vivid (YUYV), burst with pre-roll"
mosquitto_sub -h 127.0.0.1 -t pirwatch/lab/chunk > /tmp/chunks &
systemctl start pirwatch
await "camera and sensor are well" 120 ready
sleep 4 # of pre-roll
event "raw camera" 8
started=$(retained last_event | sed -n 's/.*"started_at":"\([^"]*\)".*/\1/p')
first=$(grep -o '"ts":"[^"]*"' /tmp/chunks | head -n 1 | cut -d'"' -f4)
check "the first picture is older than the trigger" test "$first" '<' "$started"

echo "-- USB camera gone and back"
echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind
await "health says that it is missing" 60 says health '"camera":"missing"'
echo vivid.0 > /sys/bus/platform/drivers/vivid/bind
await "health says that it is back" 60 says health '"camera":"ok"'
event "camera that came back" 6

echo "-- sensor stuck high"
before=$(newest)
pir up
await "health says that it is stuck" 90 says health '"sensor":"stuck"'
await "motion ends all the same" 60 says motion OFF
pir down
await "health says that it is well again" 60 says health '"sensor":"ok"'
await "its event closes" 60 closed "$before"

echo "-- disk full"
dd if=/dev/zero of=$state/fill bs=1M status=none 2> /dev/null
dd if=/dev/zero of=$state/fill2 bs=4k status=none 2> /dev/null
event "on a full disk" 5
check "the daemon lives" systemctl is-active pirwatch
check "health tells of the disk" says health '"disk":"full"'
rm -f $state/fill $state/fill2
event "with room again" 6
await "health says that the disk is well again" 120 says health '"disk":"ok"'

echo "-- MJPEG camera without Huffman tables"
PIRWATCH_LAB_GUEST=1 PIRWATCH_LAB_FEED=1 ./guest.test -test.run '^TestFeed$' -test.timeout 0 > feed.log 2>&1 &
await "the loopback is there" 60 test -e /dev/video10
configure LabCam
forget
systemctl reload pirwatch
await "camera and sensor are well" 120 ready
sleep 4
event "MJPEG camera" 6

echo "-- the daemon killed"
systemctl kill -s KILL pirwatch
forget
await "it is back" 90 ready
event "after the kill" 5

echo "-- power cut in mid-burst, the broker away"
systemctl stop mosquitto
touch /tmp/broker-stopped
closed_since() { find $state/archive -name '*.json' -newer /tmp/broker-stopped -exec grep -l '"phase":"closed"' {} + | grep .; }
burst_since() { find $state/archive -name '*.jpg' -newer /tmp/closed | grep .; }
pir up
sleep 3
pir down
# Closed and in the archive: then its pictures are in the queue on disk, too.
await "an event closes" 60 closed_since
touch /tmp/closed
pictures_of $state/archive -newer /tmp/broker-stopped > /lab/safe
check "it has its pictures" least "$(wc -l < /lab/safe)" 5
check "none has been delivered" equals "$(comm -12 <(pictures_of /lab/received) /lab/safe)" ""
journalctl -u pirwatch --no-pager -o short-monotonic > /lab/journal1.log
sleep 3 # the cooldown
pir up
await "another burst begins" 60 burst_since
echo "$failed checks failed"
sync /lab/safe /lab/journal1.log /lab/job.log
touch /lab/cut
sleep 1000
