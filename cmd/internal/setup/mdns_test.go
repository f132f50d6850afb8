package setup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// reply builds a response as an Avahi does: the pointer as answer, what belongs
// to it as additional records.
func reply(t testing.TB, instance, host string, port uint16, ips ...netip.Addr) []byte {
	t.Helper()
	name := dnsmessage.MustNewName
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{Response: true, Authoritative: true})
	h := func(n string, kind dnsmessage.Type) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: name(n), Type: kind, Class: dnsmessage.ClassINET, TTL: 120}
	}
	err := errors.Join(b.StartAnswers(),
		b.PTRResource(h(mqttService, dnsmessage.TypePTR), dnsmessage.PTRResource{PTR: name(instance)}),
		b.StartAdditionals(),
		b.SRVResource(h(instance, dnsmessage.TypeSRV), dnsmessage.SRVResource{Port: port, Target: name(host)}),
		b.TXTResource(h(instance, dnsmessage.TypeTXT), dnsmessage.TXTResource{TXT: []string{"x=1"}}))
	for _, ip := range ips {
		if ip.Is4() {
			err = errors.Join(err, b.AResource(h(host, dnsmessage.TypeA), dnsmessage.AResource{A: ip.As4()}))
		} else {
			err = errors.Join(err, b.AAAAResource(h(host, dnsmessage.TypeAAAA), dnsmessage.AAAAResource{AAAA: ip.As16()}))
		}
	}
	packet, err2 := b.Finish()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return packet
}

func TestAnswersAreUnderstood(t *testing.T) {
	v4, v6, ll := netip.MustParseAddr("192.168.1.10"), netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fe80::1")
	r := newRecords()
	r.add(reply(t, "Mosquitto._mqtt._tcp.local.", "HomeAssistant.local.", 1883, v6, v4, ll), "eth0")
	r.add(reply(t, "Mosquitto._mqtt._tcp.local.", "HomeAssistant.local.", 1883, v4), "eth0") // once more
	r.add(reply(t, "A\x1b[31m red one._mqtt._tcp.local.", "b.local.", 8883), "")
	r.add(reply(t, "Bad host._mqtt._tcp.local.", "evil;rm.local.", 1883), "")
	r.add(reply(t, "No port._mqtt._tcp.local.", "c.local.", 0), "")
	want := []Broker{{"A?[31m red one", "b.local", 8883}, {"Mosquitto", "homeassistant.local", 1883}}
	if got := r.brokers(); !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := r.addresses["homeassistant.local."]; !slices.Equal(order(got), []netip.Addr{v4, v6, ll.WithZone("eth0")}) {
		t.Errorf("addresses %v", got)
	}
	for url, b := range map[string]Broker{"mqtt://h": {Host: "h", Port: 1883}, "mqtts://h": {Host: "h", Port: 8883}, "mqtt://h:1884": {Host: "h", Port: 1884}} {
		if b.URL() != url {
			t.Errorf("%+v is %s, want %s", b, b.URL(), url)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add(reply(f, "Mosquitto._mqtt._tcp.local.", "h.local.", 1883, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fe80::1")))
	f.Add([]byte{0, 0, 0x84})
	f.Fuzz(func(t *testing.T, packet []byte) {
		r := newRecords()
		r.add(packet, "")
		for _, b := range r.brokers() {
			if !hostForm(b.Host) || strings.ContainsFunc(b.Name, func(r rune) bool { return r < ' ' }) {
				t.Errorf("accepted %+q", b.Name)
			}
		}
	})
}

// A responder of the test's own on the loopback network, asked with unicast
// packets as the multicast group's member would be.
func TestQueryOverTheNetwork(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	asked := make(chan string, 8)
	go func() {
		buf := make([]byte, packetSize)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			var p dnsmessage.Parser
			if _, err := p.Start(buf[:n]); err != nil {
				continue
			}
			for q, err := p.Question(); err == nil; q, err = p.Question() {
				select {
				case asked <- q.Name.String() + " " + q.Type.String():
				default:
				}
			}
			conn.WriteToUDPAddrPort([]byte("garbage"), from)
			conn.WriteToUDPAddrPort(reply(t, "M._mqtt._tcp.local.", "pi.local.", 1883, netip.MustParseAddr("127.0.0.1")), from)
		}
	}()
	open := func() ([]socket, error) {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		return []socket{{c, conn.LocalAddr().(*net.UDPAddr).AddrPort()}}, err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ips, err := ask(ctx, open, "Pi.local")
	if err != nil || len(ips) != 1 || ips[0].String() != "127.0.0.1" {
		t.Errorf("ask: %v, %v", ips, err)
	}
	if a, b := <-asked, <-asked; a != "pi.local. TypeA" || b != "pi.local. TypeAAAA" {
		t.Errorf("asked %s, %s", a, b)
	}
	short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	brokers, err := browse(short, open)
	if err != nil || !slices.Equal(brokers, []Broker{{"M", "pi.local", 1883}}) {
		t.Errorf("browse: %v, %v", brokers, err)
	}
}

func TestDialer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	good, dead := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	for _, c := range []struct {
		name            string
		host            string
		system, network []netip.Addr
		err             error
		want            string // part of the error; "" = connected
	}{
		{"plain address", "127.0.0.1", nil, nil, errors.New("asked"), ""},
		{"the system knows", "pi.local", []netip.Addr{good}, nil, errors.New("asked"), ""},
		{"the network knows", "PI.Local.", nil, []netip.Addr{good}, nil, ""},
		{"one address is dead", "pi.local", []netip.Addr{dead, good}, nil, nil, ""},
		{"all are dead", "pi.local", []netip.Addr{dead}, nil, nil, "connect to pi.local"},
		{"nobody knows", "pi.local", nil, nil, nil, "nothing in the local network answers to that name"},
		{"no network", "pi.local", nil, nil, errors.New("no interface"), "look up pi.local: no interface"},
	} {
		d := Dialer{system: func(context.Context, string) []netip.Addr { return c.system },
			network: func(context.Context, string) ([]netip.Addr, error) { return c.network, c.err }}
		conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(c.host, port))
		if err == nil {
			conn.Close()
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestGetent(t *testing.T) {
	got := parseGetent("fe80::1%eth0  STREAM pi.local\nfe80::1%eth0  DGRAM\n192.168.1.10 STREAM\n192.168.1.10 RAW\nnonsense\n\n")
	want := []netip.Addr{netip.MustParseAddr("192.168.1.10"), netip.MustParseAddr("fe80::1%eth0")}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if getent(t.Context(), "-x;y") != nil {
		t.Error("a strange name was passed on")
	}
}
