package chunk

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// piece is one message, taken apart and checked as far as it can be alone.
type piece struct {
	data  string
	picID string
	pos   int
	size  int
	head  *head // nil where the message has none of its fields
}

// message is the JSON of a piece, whoever sent it.
type message struct {
	D       json.RawMessage `json:"d"`
	Data    *string         `json:"data"`
	PicID   string          `json:"pic_id"`
	Pos     *float64        `json:"pos"`
	Size    *float64        `json:"size"`
	EventID string          `json:"event_id"`
	Seq     float64         `json:"seq"`
	Bytes   float64         `json:"bytes"`
	SHA256  string          `json:"sha256"`
	TS      string          `json:"ts"`
	Box     *[4]float64     `json:"box"`
}

// parse reads a piece, bare or inside d, there as an object or as a string
// that holds JSON.
func parse(payload []byte) (piece, error) {
	var m message
	if err := json.Unmarshal(payload, &m); err != nil {
		return piece{}, fmt.Errorf("%v: %w", err, ErrFormat)
	}
	if len(m.D) > 0 {
		inner := []byte(m.D)
		if inner[0] == '"' {
			var text string
			if err := json.Unmarshal(inner, &text); err != nil {
				return piece{}, fmt.Errorf("d: %v: %w", err, ErrFormat)
			}
			inner = []byte(text)
		}
		m = message{}
		if err := json.Unmarshal(inner, &m); err != nil {
			return piece{}, fmt.Errorf("inside d: %v: %w", err, ErrFormat)
		}
	}
	switch {
	case m.Data == nil || m.PicID == "" || m.Pos == nil || m.Size == nil:
		return piece{}, fmt.Errorf("data, pic_id, pos or size is missing: %w", ErrFormat)
	case len(m.PicID) > maxID || len(m.EventID) > maxID || len(m.SHA256) > maxID:
		return piece{}, fmt.Errorf("an id of more than %d bytes: %w", maxID, ErrFormat)
	}
	p := piece{data: *m.Data, picID: m.PicID}
	var ok [4]bool
	var seq, bytes int
	p.pos, ok[0] = whole(*m.Pos)
	p.size, ok[1] = whole(*m.Size)
	seq, ok[2] = whole(m.Seq)
	bytes, ok[3] = whole(m.Bytes)
	if ok != [4]bool{true, true, true, true} || p.size < 0 || seq < 0 || bytes < 0 {
		return piece{}, fmt.Errorf("picture %q: pos, size, seq or bytes is not a whole number: %w", m.PicID, ErrFormat)
	}
	if i := badBase64(p.data); i >= 0 {
		return piece{}, fmt.Errorf("picture %q, pos %d, character %d: %w", m.PicID, p.pos, i, ErrBase64)
	}
	if m.EventID != "" || m.SHA256 != "" || bytes > 0 || m.TS != "" {
		p.head = &head{eventID: m.EventID, seq: seq, bytes: bytes, sha256: m.SHA256, box: m.Box}
		p.head.taken, _ = time.Parse(time.RFC3339Nano, m.TS) // a picture without a time is still a picture
	}
	return p, nil
}

// whole turns a JSON number without a fraction into an int.
func whole(v float64) (int, bool) {
	if v != math.Trunc(v) || math.Abs(v) > math.MaxInt32 {
		return 0, false
	}
	return int(v), true
}

// badBase64 returns the index of the first character that no piece may have
// there, or −1. Padding is allowed only at the end; whether the whole picture
// decodes shows when it is whole.
func badBase64(s string) int {
	body := strings.TrimRight(s, "=")
	if len(s)-len(body) > 2 {
		return len(body) + 2
	}
	for i := range len(body) {
		c := body[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '+', c == '/':
		default:
			return i
		}
	}
	return -1
}
