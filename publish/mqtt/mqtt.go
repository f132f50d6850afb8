// Package mqtt is the thin link to a broker: MQTT 3.1.1 over TCP, TLS or
// websocket. It is the one place that knows the client library, and uses it as
// a bare client: a Link is one connection, it never reconnects, and it keeps no
// message over its end. Whoever wants another connection makes another Link.
package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Reasons of the broker to refuse a connection that trying again soon will not
// mend. Errors of Connect wrap one of them, or are passing.
var (
	ErrCredentials = errors.New("the broker refuses this user, password or certificate")
	ErrClientID    = errors.New("the broker refuses this client id")
	ErrProtocol    = errors.New("the broker does not speak MQTT 3.1.1")
)

// Options say where and how to connect. Only URL is needed.
type Options struct {
	// URL: mqtt or tcp, mqtts, ssl or tls, ws, wss; without a scheme, mqtt.
	// Default ports are 1883, 8883, 80 and 443. A user, but no password worth
	// keeping, may stand in it.
	URL                string
	ClientID           string
	Username, Password string
	TLS                *tls.Config // nil: the system's authorities
	Will               *Will
	CleanSession       bool

	KeepAlive      time.Duration // default 15 s; a dead link is noticed within twice this
	WriteTimeout   time.Duration // without progress on a write; default 20 s
	ConnectTimeout time.Duration // until the broker has accepted; default 20 s

	// Dial opens the network connection; default Dial of this package.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Will is the message that the broker publishes when the link dies.
type Will struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
}

// Message is one that came from the broker. The receiver may keep the payload.
type Message struct {
	Topic    string
	Payload  []byte
	QoS      byte
	Retained bool
}

// Token follows one published message: Done is closed when the broker has
// acknowledged it (QoS 0: when it is in the send buffer) or when it never will,
// and Error then says which.
type Token interface {
	Done() <-chan struct{}
	Error() error
}

// Link is one connection to a broker.
type Link struct {
	client   paho.Client
	conn     *conn // set by open, before the client starts
	incoming chan Message
	lost     chan struct{}
	once     sync.Once
	err      error // set before lost is closed
	handler  sync.WaitGroup
}

// incomingDepth is how many messages may wait for onMessage before the link
// stops reading from the broker.
const incomingDepth = 64

// Connect opens a connection and returns when the broker has accepted it.
// onMessage gets what comes, one at a time and in order, on a goroutine of its
// own; while it blocks nothing else is read, so it must not wait for a Token.
// It is not called any more once Close has returned.
func Connect(ctx context.Context, o Options, onMessage func(Message)) (*Link, error) {
	target, err := ParseURL(o.URL)
	if err != nil {
		return nil, err
	}
	def(&o.KeepAlive, 15*time.Second)
	def(&o.WriteTimeout, 20*time.Second)
	def(&o.ConnectTimeout, 20*time.Second)
	if o.Dial == nil {
		o.Dial = Dial
	}
	if o.Username == "" && target.User != nil {
		o.Username = target.User.Username()
		if password, ok := target.User.Password(); ok && o.Password == "" {
			o.Password = password
		}
	}
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()

	l := &Link{incoming: make(chan Message, incomingDepth), lost: make(chan struct{})}
	var dialErr error
	cancelled := func() bool { return true }
	p := paho.NewClientOptions()
	p.AddBroker("tcp://" + target.Host) // only its presence matters: open dials
	p.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
		raw, err := open(ctx, target, o)
		if err != nil {
			dialErr = err
			return nil, err
		}
		l.conn = newConn(raw, o.WriteTimeout)
		cancelled = context.AfterFunc(ctx, func() { l.conn.kill() })
		return l.conn, nil
	})
	p.SetClientID(o.ClientID)
	p.SetUsername(o.Username)
	p.SetPassword(o.Password)
	p.SetCleanSession(o.CleanSession)
	p.SetProtocolVersion(4) // else a refusal is followed by a try as 3.1
	p.SetAutoReconnect(false)
	p.SetConnectRetry(false)
	p.SetStore(noStore{})
	p.SetKeepAlive(o.KeepAlive)
	p.SetPingTimeout(o.KeepAlive / 2)
	p.SetConnectTimeout(o.ConnectTimeout)
	p.SetWriteTimeout(writeWait)
	// In order, for commands; the handler below never blocks on a dead link.
	p.SetOrderMatters(true)
	p.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
		select {
		case l.incoming <- Message{Topic: m.Topic(), Payload: m.Payload(), QoS: m.Qos(), Retained: m.Retained()}:
		case <-l.conn.closed:
		}
	})
	p.SetConnectionLostHandler(func(_ paho.Client, err error) { l.end(l.conn.reason(err)) })
	if w := o.Will; w != nil {
		p.SetBinaryWill(w.Topic, w.Payload, w.QoS, w.Retain)
	}

	l.handler.Go(func() {
		for {
			select {
			case m := <-l.incoming:
				if onMessage != nil {
					onMessage(m)
				}
			case <-l.lost:
				for { // what is here was acknowledged already
					select {
					case m := <-l.incoming:
						if onMessage != nil {
							onMessage(m)
						}
					default:
						return
					}
				}
			}
		}
	})
	l.client = paho.NewClient(p)
	token := l.client.Connect()
	<-token.Done() // bounded by ctx: dialling knows it, and its end kills the connection
	err = token.Error()
	if !cancelled() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		l.end(err)
		l.handler.Wait()
		if l.conn != nil {
			l.conn.kill()
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer from the broker: %w", ctx.Err())
		}
		return nil, fmt.Errorf("connect to %s: %w", target.Redacted(), classify(err, dialErr, token))
	}
	return l, nil
}

// writeWait is how long the library waits for its own sending goroutine. That
// takes what Publish gives at once, as Publish sees to, but never when the link
// dies at that very moment.
const writeWait = 2 * time.Second

func def(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}

// classify says what a failed connection means to whoever might try again.
func classify(err, dialErr error, token paho.Token) error {
	if dialErr != nil {
		return explain(dialErr)
	}
	if t, ok := token.(*paho.ConnectToken); ok {
		switch t.ReturnCode() {
		case packets.ErrRefusedBadUsernameOrPassword:
			return fmt.Errorf("bad user name or password: %w", ErrCredentials)
		case packets.ErrRefusedNotAuthorised:
			return fmt.Errorf("not authorised: %w", ErrCredentials)
		case packets.ErrRefusedIDRejected:
			return ErrClientID
		case packets.ErrRefusedBadProtocolVersion:
			return ErrProtocol
		case packets.ErrRefusedServerUnavailable:
			return errors.New("the broker says that it is not available now")
		}
	}
	return explain(err)
}

// Publish sends a message. The payload must not change until the token is
// done, or the link lost. It blocks while the send buffer is full or a large
// message is on its way, but not on a link that is dead.
func (l *Link) Publish(topic string, payload []byte, qos byte, retain bool) Token {
	if err := l.conn.writable(); err != nil {
		return failed{err}
	}
	if len(payload) >= standInFrom {
		payload = l.conn.payloads.standIn(payload)
	}
	return l.client.Publish(topic, qos, retain, payload)
}

// failed is the token of a message that never left.
type failed struct{ err error }

var closedChannel = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (failed) Done() <-chan struct{} { return closedChannel }
func (f failed) Error() error        { return f.err }

// Buffered tells how many bytes wait to be written to the network.
func (l *Link) Buffered() int { return l.conn.pending() }

// Subscribe asks for topics, with the largest QoS wanted for each, and waits
// for the broker's answer.
func (l *Link) Subscribe(ctx context.Context, filters map[string]byte) error {
	token := l.client.SubscribeMultiple(filters, nil)
	select {
	case <-token.Done():
	case <-l.lost:
		return fmt.Errorf("subscribe: link lost: %w", l.err)
	case <-ctx.Done():
		return fmt.Errorf("subscribe: no answer from the broker: %w", ctx.Err())
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	var refused []string
	if t, ok := token.(*paho.SubscribeToken); ok {
		for topic, code := range t.Result() {
			if code == 0x80 {
				refused = append(refused, topic)
			}
		}
	}
	if len(refused) > 0 {
		return fmt.Errorf("subscribe: the broker refuses %s: check the user's rights (ACL)", strings.Join(refused, ", "))
	}
	return nil
}

// Unsubscribe gives topics up, without waiting for the answer.
func (l *Link) Unsubscribe(filters ...string) { l.client.Unsubscribe(filters...) }

// Lost is closed when the link is over, after all tokens are done.
func (l *Link) Lost() <-chan struct{} { return l.lost }

// Err says why the link is over: nil before, and after Close.
func (l *Link) Err() error {
	select {
	case <-l.lost:
		return l.err
	default:
		return nil
	}
}

// Close says goodbye to the broker, so that it publishes no will, and ends the
// link. What Publish took before is sent first, as long as ctx allows.
func (l *Link) Close(ctx context.Context) {
	wait := 5 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		wait = max(0, min(wait, time.Until(deadline)))
	}
	select {
	case <-l.lost:
	default:
		l.client.Disconnect(uint(max(1, wait.Milliseconds())))
	}
	l.conn.kill()
	l.end(nil)
	l.handler.Wait()
}

func (l *Link) end(err error) {
	l.once.Do(func() {
		l.err = err
		close(l.lost)
	})
}

// noStore keeps nothing: what is not acknowledged when the link ends is the
// business of the one who published it.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}
