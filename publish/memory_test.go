package publish

import (
	"errors"
	"strings"
	"testing"

	"pirwatch/publish/mqtt"
)

// The rules of memory's comment, one death a step.
func TestStrikes(t *testing.T) {
	var (
		piece = pieceKey{itemKey{"pic", 3}, 7}
		tr    = &transfer{key: piece.itemKey}
		alone = []flight{{t: tr, pos: 7}}
		state = flight{m: &message{state: true, payload: make([]byte, largeState)}}
	)
	type death struct {
		flights   []flight
		err       error
		trial     *pieceKey
		connected bool
	}
	good := death{alone, mqtt.ErrClosedByBroker, nil, true}
	for _, c := range []struct {
		name   string
		deaths []death
		want   int // convicts
	}{
		{"twice alone", []death{good, good}, 1},
		{"once alone", []death{good}, 0},
		{"reset counts too", []death{{alone, errors.New("reset by peer"), nil, true}, good}, 1},
		{"the broker was away", []death{good, {alone, mqtt.ErrClosedByBroker, nil, false}}, 0},
		{"the broker fell silent", []death{good, {alone, mqtt.ErrSilent, nil, true}}, 0},
		{"another beside it", []death{good, {append(alone, alone...), mqtt.ErrClosedByBroker, nil, true}}, 0},
		{"a large state beside it", []death{good, {append(alone, state), mqtt.ErrClosedByBroker, nil, true}}, 0},
		{"the link died without it", []death{good, {nil, mqtt.ErrClosedByBroker, &piece, true}, good}, 0},
		{"two pieces once each", []death{good, {[]flight{{t: tr, pos: 8}}, mqtt.ErrClosedByBroker, nil, true}}, 0},
	} {
		m := newMemory()
		for _, d := range c.deaths {
			m.died(d.flights, d.err, d.trial)
			m.connected(d.connected)
		}
		if len(m.convicts) != c.want {
			t.Errorf("%s: %d put aside, want %d", c.name, len(m.convicts), c.want)
		}
		if c.want == 1 && (m.convicts[0].itemKey != piece.itemKey || !strings.Contains(m.convicts[0].reason, "piece 7")) {
			t.Errorf("%s: %+v", c.name, m.convicts)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory()
	for i := range 10 * maxRemembered {
		m.keep(&transfer{key: itemKey{id: string(rune(i))}})
	}
	if len(m.acked) > maxRemembered || len(m.tries) > maxRemembered {
		t.Errorf("%d and %d remembered", len(m.acked), len(m.tries))
	}
}

// A state set again before it went goes once, and after what came in between.
func TestOutboxKeepsTheNewest(t *testing.T) {
	o := newOutbox()
	for _, text := range []string{"motion ON", "armed ON", "motion OFF"} {
		topic, payload, _ := strings.Cut(text, " ")
		o.set(&message{topic: topic, payload: []byte(payload)})
	}
	var got []string
	for m, _ := o.next(); m != nil; m, _ = o.next() {
		got = append(got, m.topic+" "+string(m.payload))
	}
	if strings.Join(got, ", ") != "armed ON, motion OFF" {
		t.Errorf("sent %v", got)
	}
	for range 2 * maxEvents {
		o.add(&message{topic: "event"})
	}
	if len(o.pending) != maxEvents {
		t.Errorf("%d event messages wait", len(o.pending))
	}
}
