package mqtt

import (
	"bytes"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// What leaves the connection is the packet that the library would have written
// with the payload itself.
func TestStandIn(t *testing.T) {
	p := newPayloads()
	for _, size := range []int{0, 1, 100, 127, 128, 16_383, 16_384, 3_000_000} {
		for qos := range byte(3) {
			packet := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
			packet.TopicName, packet.Qos, packet.Retain, packet.MessageID = "a/b", qos, true, 7
			packet.Payload = bytes.Repeat([]byte("x"), size)
			var want, given bytes.Buffer
			packet.Write(&want)
			packet.Payload = p.standIn(packet.Payload)
			packet.Write(&given)
			start, payload, ok := p.real(given.Bytes())
			if got := append(bytes.Clone(start), payload...); !ok || !bytes.Equal(got, want.Bytes()) {
				t.Errorf("%d bytes, QoS %d: %v, %d bytes written, want %d", size, qos, ok, len(got), want.Len())
			}
			if _, _, ok := p.real(given.Bytes()); ok {
				t.Error("a stand-in stood in twice")
			}
			if _, _, ok := p.real(want.Bytes()); ok {
				t.Error("a payload was taken for a stand-in")
			}
		}
	}
	if len(p.held) != 0 {
		t.Errorf("%d payloads still held", len(p.held))
	}
}
