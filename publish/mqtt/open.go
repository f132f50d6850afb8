package mqtt

import (
	"context"
	"net"
	"time"
)

// Open opens the byte stream to a broker's MQTT listener, through TLS or a
// websocket as the URL says, and says nothing on it: for who speaks MQTT
// through it. Credentials, will and client id of o are not used.
func Open(ctx context.Context, o Options) (net.Conn, error) {
	u, err := ParseURL(o.URL)
	if err != nil {
		return nil, err
	}
	def(&o.ConnectTimeout, 20*time.Second)
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	if o.Dial == nil {
		o.Dial = Dial
	}
	return open(ctx, u, o)
}
