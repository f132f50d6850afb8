package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Dialer connects as [net.Dialer] does, and to names that end in .local, too,
// which a program without cgo cannot look up (golang/go#35067): through the
// system's own resolver, and where that does not know them, by asking the local
// network. The zero value is ready. TLS goes on with the name.
type Dialer struct {
	Dialer net.Dialer

	system  func(ctx context.Context, host string) []netip.Addr
	network func(ctx context.Context, host string) ([]netip.Addr, error)
}

// lookUp bounds each way of looking a name up.
const lookUp = 5 * time.Second

// DialContext connects to host:port.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !Local(host) {
		return d.Dialer.DialContext(ctx, network, address)
	}
	ips, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var failed []error
	for i, ip := range ips {
		// No address may use up the time of those after it.
		one, cancel := share(ctx, len(ips)-i)
		conn, err := d.Dialer.DialContext(one, network, net.JoinHostPort(ip.String(), port))
		cancel()
		if err == nil {
			return conn, nil
		}
		failed = append(failed, err)
	}
	return nil, fmt.Errorf("connect to %s: %w", host, errors.Join(failed...))
}

// share gives an attempt its part of the time that is left.
func share(ctx context.Context, attempts int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || attempts <= 1 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(attempts))
}

// Local says whether a name is one of multicast DNS.
func Local(host string) bool {
	return strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".local")
}

func (d *Dialer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	system, network := d.system, d.network
	if system == nil {
		system = getent
	}
	if network == nil {
		network = func(ctx context.Context, host string) ([]netip.Addr, error) { return ask(ctx, openSockets, host) }
	}
	if ips := within(ctx, func(ctx context.Context) []netip.Addr { return system(ctx, host) }); len(ips) > 0 {
		return ips, nil
	}
	var err error
	ips := within(ctx, func(ctx context.Context) (ips []netip.Addr) {
		ips, err = network(ctx, host)
		return ips
	})
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	if len(ips) == 0 {
		return nil, fmt.Errorf("look up %s: nothing in the local network answers to that name; is the machine on and in the same network? Its address, such as 192.168.1.10, works too", host)
	}
	return ips, nil
}

func within(ctx context.Context, f func(context.Context) []netip.Addr) []netip.Addr {
	ctx, cancel := context.WithTimeout(ctx, lookUp)
	defer cancel()
	return f(ctx)
}

// getent asks the system's resolver, with nss-mdns or systemd-resolved in it.
func getent(ctx context.Context, host string) []netip.Addr {
	if !hostForm(host) {
		return nil
	}
	out, err := exec.CommandContext(ctx, "getent", "ahosts", host).Output()
	if err != nil {
		return nil
	}
	return parseGetent(string(out))
}

// parseGetent reads lines of address, kind and name; IPv4 comes first, since that
// is what brokers at home listen on.
func parseGetent(out string) []netip.Addr {
	var ips []netip.Addr
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if ip, err := netip.ParseAddr(fields[0]); err == nil {
			ips = append(ips, ip.Unmap())
		}
	}
	return order(ips)
}

// order removes doubles and puts IPv4 first.
func order(ips []netip.Addr) []netip.Addr {
	var v4, v6 []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, ip := range ips {
		if seen[ip] || len(seen) >= 16 {
			continue
		}
		seen[ip] = true
		if ip.Is4() {
			v4 = append(v4, ip)
		} else {
			v6 = append(v6, ip)
		}
	}
	return append(v4, v6...)
}

// ask looks a name up in the local network. The first answer with an address
// ends it.
func ask(ctx context.Context, open func() ([]socket, error), host string) ([]netip.Addr, error) {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	a, err := question(name, dnsmessage.TypeA)
	if err != nil {
		return nil, err
	}
	aaaa, err := question(name, dnsmessage.TypeAAAA)
	if err != nil {
		return nil, err
	}
	got, err := query(ctx, open, []dnsmessage.Question{a, aaaa}, func(r *records) bool { return len(r.addresses[name+"."]) > 0 })
	if err != nil {
		return nil, err
	}
	return order(got.addresses[name+"."]), nil
}
