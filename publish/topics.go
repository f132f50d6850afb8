package publish

import (
	"bytes"
	"encoding/json"
	"strings"

	"pirwatch/publish/mqtt"
)

// topic returns the full topic of a name.
func (p *Publisher) topic(name string) string {
	if p.o.Wire == Watson {
		if name == "chunk" {
			name = "picture"
		}
		return "iot-2/evt/" + strings.ReplaceAll(name, "/", "_") + "/fmt/json"
	}
	return p.o.Base + "/" + p.o.Camera + "/" + name
}

// message makes what is published under a name. Watson's platform takes JSON
// only, and keeps nothing.
func (p *Publisher) message(name string, payload []byte, retain bool) *message {
	if p.o.Wire == Watson {
		payload = watsonPayload(name, payload)
	}
	return &message{topic: p.topic(name), payload: payload, qos: p.o.Limits.qos(), retain: retain && p.o.Limits.Retain && p.o.Wire != Watson}
}

// watsonPayload wraps JSON as {"d":…} and a plain value as {"d":{"<name>":"<value>"}}.
func watsonPayload(name string, payload []byte) []byte {
	var d any = json.RawMessage(payload)
	if !bytes.HasPrefix(payload, []byte("{")) || !json.Valid(payload) {
		d = map[string]string{strings.ReplaceAll(name, "/", "_"): string(payload)}
	}
	out, _ := json.Marshal(map[string]any{"d": d}) // valid JSON and strings marshal
	return out
}

// command returns a command's name and plain payload.
func (p *Publisher) command(m mqtt.Message) (name string, payload []byte, ok bool) {
	if p.o.Wire != Watson {
		name, ok = strings.CutPrefix(m.Topic, p.o.Base+"/"+p.o.Camera+"/")
		return name, m.Payload, ok
	}
	name, ok = strings.CutPrefix(m.Topic, "iot-2/cmd/")
	if ok {
		name, ok = strings.CutSuffix(name, "/fmt/json")
	}
	var body struct {
		D json.RawMessage `json:"d"`
	}
	payload = m.Payload
	if json.Unmarshal(m.Payload, &body) == nil && body.D != nil {
		payload = body.D
		var values map[string]json.RawMessage
		if json.Unmarshal(body.D, &values) == nil && values[name] != nil {
			payload = values[name]
			var text string
			if json.Unmarshal(payload, &text) == nil {
				payload = []byte(text)
			}
		}
	}
	switch name {
	case "armed", "trigger", "cooldown", "sensitivity", "masks":
		name += "/set"
	}
	return name, payload, ok
}
