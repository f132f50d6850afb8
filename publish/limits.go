package publish

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// Limits are what a broker can take. Zero means no limit known.
type Limits struct {
	Packet         int     // bytes of the largest packet, topic and header included
	QoS0           bool    // only QoS 0
	Retain         bool    // retained messages are kept
	PiecesPerSec   float64 // on average
	BytesPerSecond int     // on average
	Window         int     // unacknowledged messages
}

func (l Limits) qos() byte {
	if l.QoS0 {
		return 0
	}
	return 1
}

// BrokerLimits returns what is known of a service, by its name in the
// configuration. Its own limits change: the source stands beside each value.
func BrokerLimits(name string) (Limits, error) {
	switch name {
	case "", "mosquitto":
		// mosquitto.conf(5) of 2.1.0: max_packet_size is 2,000,000 by default; before
		// 2.1 it was the protocol's 256 MB. max_inflight_messages 20 is the broker's
		// own window towards subscribers, not ours.
		return Limits{Packet: 2_000_000, Retain: true}, nil
	case "watson":
		// IBM Watson IoT Platform, "Quotas" (2022): payload of 131,072 bytes, standard
		// plan 10 messages and 40 KB a second for a device. "MQTT messaging": retained
		// messages are not supported.
		return Limits{Packet: 131_072, PiecesPerSec: 10, BytesPerSecond: 40_000}, nil
	case "aws":
		// "AWS IoT Core endpoints and quotas", message broker: payload of 128 KB, 100
		// publish requests a second and 512 KiB a second for a connection, 100
		// unacknowledged publishes, QoS 0 and 1, retained messages kept.
		return Limits{Packet: 131_072, Retain: true, PiecesPerSec: 100, BytesPerSecond: 512 << 10, Window: 100}, nil
	case "azure":
		// "Azure Event Grid quotas and limits", MQTT in namespaces: 1,000 publishes and
		// 1 MB a second for a session, 64 KB in flight: 16 pieces of 3000. Sources
		// differ on its largest packet (512 KB, 1 MB); IoT Hub's is 256 KB. Retained
		// messages end at 64 KB there, and IoT Hub keeps none: not used.
		return Limits{Packet: 262_144, PiecesPerSec: 1000, BytesPerSecond: 1_000_000, Window: 16}, nil
	case "thingsboard":
		// thingsboard.yml: NETTY_MAX_PAYLOAD_SIZE 65,536 by default, fixed in its
		// cloud. "Tenant profiles": device messages 10 a second and 300 a minute in the
		// cloud's plans. No retained messages: the transport is no general broker.
		return Limits{Packet: 65_536, PiecesPerSec: 5}, nil
	case "emqx":
		// "EMQX Operating Limitations": 1024 KB by default; "EMQX Cloud, Quotas and
		// Limits", Serverless: 1 MB, and 10 publishes a second for a client, which a
		// broker of one's own does not have: set the pace for Serverless.
		return Limits{Packet: 1 << 20, Retain: true}, nil
	case "hivemq":
		// HiveMQ manual, "MQTT configuration": max-packet-size 268,435,460 by default,
		// retained messages on, receive maximum (server) 10.
		return Limits{Packet: 268_435_460, Retain: true, Window: 10}, nil
	}
	return Limits{}, fmt.Errorf("broker profile %q: must be mosquitto, watson, aws, azure, thingsboard, emqx or hivemq", name)
}

// pacer holds the token buckets of the pieces.
type pacer struct{ pieces, bytes *rate.Limiter }

func newPacer(o Options) *pacer {
	p := &pacer{}
	if o.PiecesPerSec > 0 {
		p.pieces = rate.NewLimiter(rate.Limit(o.PiecesPerSec), o.PieceBurst)
	}
	if o.BytesPerSecond > 0 {
		// A bucket smaller than a piece would never be full enough for one.
		p.bytes = rate.NewLimiter(rate.Limit(o.BytesPerSecond), max(o.BytesPerSecond, 2*(o.ChunkSize+pieceOverhead)))
	}
	return p
}

// take takes a piece of n bytes from the buckets, and returns 0, or how long to
// wait before asking again.
func (p *pacer) take(n int) time.Duration {
	if p.pieces == nil && p.bytes == nil {
		return 0
	}
	now := time.Now()
	wait := max(short(p.pieces, now, 1), short(p.bytes, now, float64(n)))
	if wait > 0 {
		return wait
	}
	if p.pieces != nil {
		p.pieces.AllowN(now, 1)
	}
	if p.bytes != nil {
		p.bytes.AllowN(now, n)
	}
	return 0
}

// short tells how long until the bucket holds n.
func short(l *rate.Limiter, now time.Time, n float64) time.Duration {
	if l == nil {
		return 0
	}
	missing := min(n, float64(l.Burst())) - l.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return max(time.Millisecond, time.Duration(missing/float64(l.Limit())*float64(time.Second)))
}
