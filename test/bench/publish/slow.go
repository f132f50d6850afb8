//go:build linux

package main

import (
	"net"
	"time"
)

// newSlowLink listens on loopback and passes every connection on to addr, each
// way at so many bytes a second and so much later.
func newSlowLink(addr string, rate int, delay time.Duration) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", addr)
			if err != nil {
				near.Close()
				continue
			}
			go slowCopy(far, near, rate, delay)
			go slowCopy(near, far, rate, delay)
		}
	}()
	return l, nil
}

func slowCopy(dst, src net.Conn, rate int, delay time.Duration) {
	type part struct {
		due  time.Time
		data []byte
	}
	parts := make(chan part, 4096)
	go func() {
		defer dst.Close()
		for p := range parts {
			time.Sleep(time.Until(p.due))
			if _, err := dst.Write(p.data); err != nil {
				src.Close()
			}
		}
	}()
	defer close(parts)
	free := time.Now() // when the line has sent what it was given
	for {
		buf := make([]byte, 1460)
		n, err := src.Read(buf)
		if err != nil {
			return
		}
		if now := time.Now(); free.Before(now) {
			free = now
		}
		free = free.Add(time.Duration(n) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(free) - 5*time.Millisecond) // a router's buffer is not endless
		parts <- part{free.Add(delay), buf[:n]}
	}
}
