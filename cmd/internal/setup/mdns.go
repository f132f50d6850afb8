package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// The groups of multicast DNS (RFC 6762, 3).
var (
	group4 = netip.MustParseAddrPort("224.0.0.251:5353")
	group6 = netip.MustParseAddrPort("[ff02::fb]:5353")
)

// Limits on what strangers in the network may answer.
const (
	mostAnswers = 64   // packets of one query
	mostRecords = 100  // records of one packet
	packetSize  = 9000 // RFC 6762, 17
)

// records is what was answered, by lower-case name with its final dot.
type records struct {
	pointers  map[string][]string // PTR
	services  map[string]service  // SRV
	addresses map[string][]netip.Addr
}

type service struct {
	host string
	port uint16
}

func newRecords() *records {
	return &records{pointers: map[string][]string{}, services: map[string]service{}, addresses: map[string][]netip.Addr{}}
}

// query asks the local network once, as a simple resolver (RFC 6762, 5.1: from a
// port of its own, so that answers come back to it alone), on every interface,
// and gathers answers until enough says so or ctx ends. Questions are repeated
// after a second, since packets get lost.
func query(ctx context.Context, open func() ([]socket, error), questions []dnsmessage.Question, enough func(*records) bool) (*records, error) {
	packet, err := pack(questions)
	if err != nil {
		return nil, err
	}
	sockets, err := open()
	if err != nil {
		return nil, err
	}
	type answer struct {
		data []byte
		zone string
	}
	answers := make(chan answer, mostAnswers)
	var readers sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		for _, s := range sockets {
			s.Close()
		}
		readers.Wait()
	}()
	for _, s := range sockets {
		readers.Go(func() {
			for range mostAnswers {
				buf := make([]byte, packetSize)
				n, from, err := s.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				select {
				case answers <- answer{buf[:n], from.Addr().Zone()}:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	got := newRecords()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	send := func() {
		for _, s := range sockets {
			// An interface may have gone; the others still ask.
			_, _ = s.WriteToUDPAddrPort(packet, s.group)
		}
	}
	send()
	for {
		select {
		case <-ctx.Done():
			return got, nil
		case <-again.C:
			send()
		case a := <-answers:
			got.add(a.data, a.zone)
			if enough(got) {
				return got, nil
			}
		}
	}
}

type socket struct {
	*net.UDPConn
	group netip.AddrPort
}

// openSockets opens one socket for each address that multicast can be sent from.
func openSockets() ([]socket, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var out []socket
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagMulticast == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		var v4, v6 bool
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			ip := prefix.Addr()
			switch {
			case ip.Is4() && !v4:
				if c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))); err == nil {
					v4, out = true, append(out, socket{c, group4})
				}
			case ip.IsLinkLocalUnicast() && ip.Is6() && !v6:
				if c, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip.WithZone(i.Name), 0))); err == nil {
					v6, out = true, append(out, socket{c, netip.AddrPortFrom(group6.Addr().WithZone(i.Name), group6.Port())})
				}
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no network interface can send multicast")
	}
	return out, nil
}

// unicast asks for an answer to the asker alone (RFC 6762, 5.4).
const unicast = 1 << 15

func pack(questions []dnsmessage.Question) ([]byte, error) {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{})
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	for _, q := range questions {
		if err := b.Question(q); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

func question(name string, kind dnsmessage.Type) (dnsmessage.Question, error) {
	n, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return dnsmessage.Question{}, fmt.Errorf("%q is no name: %w", name, err)
	}
	return dnsmessage.Question{Name: n, Type: kind, Class: dnsmessage.ClassINET | unicast}, nil
}

// add reads a packet, as far as it can be read. zone is the interface that a
// link-local address in it needs.
func (r *records) add(packet []byte, zone string) {
	var p dnsmessage.Parser
	header, err := p.Start(packet)
	if err != nil || !header.Response || p.SkipAllQuestions() != nil {
		return
	}
	read := func(next func() (dnsmessage.ResourceHeader, error), skip func() error) bool {
		for range mostRecords {
			h, err := next()
			if errors.Is(err, dnsmessage.ErrSectionDone) {
				return true
			}
			if err != nil || !r.record(&p, h, skip, zone) {
				return false
			}
		}
		return false
	}
	_ = read(p.AnswerHeader, p.SkipAnswer) && read(p.AuthorityHeader, p.SkipAuthority) && read(p.AdditionalHeader, p.SkipAdditional)
}

func (r *records) record(p *dnsmessage.Parser, h dnsmessage.ResourceHeader, skip func() error, zone string) bool {
	name := strings.ToLower(h.Name.String())
	switch h.Type {
	case dnsmessage.TypePTR:
		v, err := p.PTRResource()
		if err != nil {
			return false
		}
		if target := v.PTR.String(); !slices.Contains(r.pointers[name], target) && len(r.pointers[name]) < mostRecords {
			r.pointers[name] = append(r.pointers[name], target)
		}
	case dnsmessage.TypeSRV:
		v, err := p.SRVResource()
		if err != nil {
			return false
		}
		if len(r.services) < mostRecords {
			r.services[name] = service{v.Target.String(), v.Port}
		}
	case dnsmessage.TypeA:
		v, err := p.AResource()
		if err != nil {
			return false
		}
		r.address(name, netip.AddrFrom4(v.A))
	case dnsmessage.TypeAAAA:
		v, err := p.AAAAResource()
		if err != nil {
			return false
		}
		ip := netip.AddrFrom16(v.AAAA).Unmap()
		if ip.IsLinkLocalUnicast() {
			if zone == "" {
				return true // of no use without its interface
			}
			ip = ip.WithZone(zone)
		}
		r.address(name, ip)
	default:
		return skip() == nil
	}
	return true
}

func (r *records) address(name string, ip netip.Addr) {
	if len(r.addresses) < mostRecords && len(r.addresses[name]) < 16 && !slices.Contains(r.addresses[name], ip) {
		r.addresses[name] = append(r.addresses[name], ip)
	}
}

// Broker is one that made itself known in the local network. It may be anybody's:
// it is suggested to the owner, and nothing is sent to it unasked.
type Broker struct {
	Name string // "Mosquitto on homeassistant"
	Host string // "homeassistant.local"
	Port int
}

// URL returns the broker's address as the configuration has it.
func (b Broker) URL() string {
	if b.Port == 1883 {
		return "mqtt://" + b.Host
	}
	if b.Port == 8883 {
		return "mqtts://" + b.Host
	}
	return fmt.Sprintf("mqtt://%s:%d", b.Host, b.Port)
}

// Browse looks for brokers in the local network (_mqtt._tcp, DNS-SD, RFC 6763)
// until ctx ends.
func Browse(ctx context.Context) ([]Broker, error) { return browse(ctx, openSockets) }

func browse(ctx context.Context, open func() ([]socket, error)) ([]Broker, error) {
	q, err := question(mqttService, dnsmessage.TypePTR)
	if err != nil {
		return nil, err
	}
	got, err := query(ctx, open, []dnsmessage.Question{q}, func(*records) bool { return false })
	if err != nil {
		return nil, fmt.Errorf("look for brokers: %w", err)
	}
	return got.brokers(), nil
}

const mqttService = "_mqtt._tcp.local."

// brokers makes sense of the answers: an instance without SRV is of no use.
func (r *records) brokers() []Broker {
	var out []Broker
	for _, instance := range r.pointers[mqttService] {
		s, ok := r.services[strings.ToLower(instance)]
		host := strings.TrimSuffix(s.host, ".")
		if !ok || s.port == 0 || !hostForm(host) {
			continue
		}
		name, _, _ := strings.Cut(instance, "._mqtt.")
		out = append(out, Broker{Name: printable(name), Host: strings.ToLower(host), Port: int(s.port)})
	}
	slices.SortFunc(out, func(a, b Broker) int { return strings.Compare(a.Host+a.Name, b.Host+b.Name) })
	return out
}

// hostForm says whether a stranger's host name is one.
func hostForm(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	})
}

// printable drops what a stranger's name could do to a terminal.
func printable(s string) string {
	s = strings.ReplaceAll(s, `\ `, " ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s[:min(len(s), 63)])
}
