package broker

import (
	"crypto/subtle"
	"errors"
	"strings"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// access decides who may do what. It is a hook of mochi's.
type access struct {
	mochi.HookBase
	broker   *Broker
	cameraID string
}

func (*access) ID() string { return "access" }

func (*access) Provides(b byte) bool {
	return b == mochi.OnConnect || b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}

var errReserved = errors.New("that client id and wills are the camera's")

// OnConnect refuses what only the camera may have: its client id and a will.
func (a *access) OnConnect(cl *mochi.Client, pk packets.Packet) error {
	if !a.isCamera(pk) && (pk.Connect.WillFlag || pk.Connect.ClientIdentifier == a.cameraID) {
		return errReserved
	}
	return nil
}

// OnConnectAuthenticate lets in the camera, the page, and on loopback also who
// gives no name.
func (a *access) OnConnectAuthenticate(_ *mochi.Client, pk packets.Packet) bool {
	if !pk.Connect.UsernameFlag {
		return true
	}
	return a.isCamera(pk) || same(pk.Connect.Username, a.broker.PageUser) && same(pk.Connect.Password, a.broker.PagePassword)
}

// OnACLCheck is asked for each topic and each filter.
func (a *access) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	if !strings.HasPrefix(topic, "pirwatch/") && !strings.HasPrefix(topic, "homeassistant/") {
		return false
	}
	return !write || string(cl.Properties.Username) == a.broker.CameraUser || command(topic)
}

func (a *access) isCamera(pk packets.Packet) bool {
	return same(pk.Connect.Username, a.broker.CameraUser) && same(pk.Connect.Password, a.broker.CameraPassword)
}

func same(got []byte, want string) bool {
	return subtle.ConstantTimeCompare(got, []byte(want)) == 1
}

// command says whether a topic is one of those that a camera listens to.
func command(topic string) bool {
	levels := strings.Split(topic, "/")
	if len(levels) < 3 || levels[0] != "pirwatch" {
		return false
	}
	switch levels[2] {
	case "capture", "tune", "resend", "recall":
		return len(levels) == 3
	case "armed", "trigger", "cooldown", "sensitivity", "masks":
		return len(levels) == 4 && levels[3] == "set"
	}
	return false
}
