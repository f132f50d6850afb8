package mqtt

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"sync"
)

// payloads carries the payloads of larger messages past the client library,
// which would copy each twice into fresh memory: the library gets a stand-in,
// and the connection puts the payload in its place. That is a quarter of what
// a piece costs, and the second and third copy of a large picture.
type payloads struct {
	key [16]byte // random for each link: no payload of a stranger looks like a stand-in

	mu   sync.Mutex
	last uint64
	held map[uint64][]byte // of messages that the library has not written yet
}

const (
	standInSize = 16 + 8
	// standInFrom is the size from which a stand-in is worth its while.
	standInFrom = 512
)

func newPayloads() *payloads {
	p := &payloads{held: map[uint64][]byte{}}
	rand.Read(p.key[:])
	return p
}

// standIn returns what the library is to send for a payload.
func (p *payloads) standIn(payload []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	p.held[p.last] = payload
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, standInSize), p.key[:]...), p.last)
}

// real takes an MQTT packet apart where it is a PUBLISH that carries a
// stand-in: start is the packet up to the payload, with the true length.
func (p *payloads) real(packet []byte) (start, payload []byte, ok bool) {
	at := len(packet) - standInSize
	if at < 2 || packet[0]>>4 != 3 || !bytes.Equal(packet[at:at+16], p.key[:]) {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint64(packet[at+16:])
	p.mu.Lock()
	payload, ok = p.held[n]
	delete(p.held, n)
	p.mu.Unlock()
	_, k := binary.Uvarint(packet[1:]) // MQTT's remaining length is written alike
	if !ok || k <= 0 {
		return nil, nil, false
	}
	topic := packet[1+k : at]
	start = append(make([]byte, 0, 8+len(topic)), packet[0])
	start = binary.AppendUvarint(start, uint64(len(topic)+len(payload)))
	return append(start, topic...), payload, true
}
