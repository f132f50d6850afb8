package netcam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/quiet"
)

// runHTTP is one session with an HTTP camera. The splitter finds the pictures
// in what the camera sends; boundaries and lengths, about which cameras lie,
// are not looked at.
func (s *Source) runHTTP(ctx context.Context, deliver func(capture.Frame)) error {
	dialer := &net.Dialer{Timeout: s.o.Timeout}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return quiet.Conn(c), nil
		},
		TLSClientConfig:        s.o.TLS,
		TLSHandshakeTimeout:    s.o.Timeout,
		ResponseHeaderTimeout:  s.o.Timeout,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		MaxIdleConns:           1,
		ReadBufferSize:         64 << 10, // a frame in a few reads
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}

	for first := true; ; first = false {
		began := time.Now()
		stream, err := s.fetch(ctx, client, deliver)
		if err != nil {
			return err
		}
		if stream {
			return errors.New("the camera ended its stream")
		}
		if first {
			s.log.Info("camera gives single pictures", "every", s.o.Interval)
		}
		if !sleep(ctx, time.Until(began.Add(s.o.Interval))) {
			return ctx.Err()
		}
	}
}

// fetch makes one request and delivers what comes: one picture, or those of a
// stream until it ends.
func (s *Source) fetch(ctx context.Context, client *http.Client, deliver func(capture.Frame)) (stream bool, err error) {
	ctx, patience, done := newPatience(ctx, 2*s.o.Timeout, s.o.Timeout)
	defer done()
	resp, err := s.get(ctx, client)
	if err != nil {
		return false, why(ctx, err)
	}
	defer resp.Body.Close()
	patience.got() // from here on a picture has its own time
	stream, err = isStream(resp)
	if err != nil {
		return false, err
	}
	body := &counted{r: resp.Body}
	pictures := s.feed(body)
	pace := newPacer(s.o.FPS)
	for {
		f, err := pictures.frame()
		if err != nil {
			if err = why(ctx, err); !errors.Is(err, io.EOF) || !stream {
				return stream, fmt.Errorf("%w (%d bytes came, %d of them of no picture)", noEOF(err), body.n, pictures.Skipped())
			}
			return stream, nil
		}
		if ctx.Err() != nil {
			return stream, why(ctx, ctx.Err())
		}
		patience.pause() // the receiver's time is not the camera's
		if !stream || pace.takes(f.At) {
			deliver(f)
		} else {
			f.Drop()
		}
		patience.got()
		if !stream {
			return false, nil
		}
	}
}

// noEOF says in words what the end of a body means where a picture was due.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the answer ends without a whole picture")
	}
	return err
}

// get asks for the camera's address, and a second time with the login that the
// first answer demands.
func (s *Source) get(ctx context.Context, client *http.Client) (*http.Response, error) {
	target := s.url
	for attempt := 0; ; attempt++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("User-Agent", "pirwatch")
		sent, err := s.login.authorise(req)
		if err != nil {
			return nil, err
		}
		resp, err := client.Do(req)
		if err != nil {
			var of *url.Error // its text holds the whole address
			if errors.As(err, &of) {
				err = of.Err
			}
			return nil, err
		}
		if resp.StatusCode == http.StatusOK {
			return resp, nil
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			return nil, fmt.Errorf("it answers %s to the address's path", resp.Status)
		}
		if got := resp.Request.URL; got.Host != s.url.Host || got.Scheme != s.url.Scheme {
			return nil, fmt.Errorf("it leads to %s://%s, which asks for a login: give that address", got.Scheme, got.Host)
		}
		target = resp.Request.URL
		again, err := s.login.challenged(resp.Header.Values("WWW-Authenticate"), sent)
		if err != nil {
			return nil, err
		}
		if !again || attempt >= 2 {
			return nil, errors.New("it refuses the user name or the password")
		}
	}
}

// isStream tells a stream from a single picture by the answer's head.
func isStream(resp *http.Response) (bool, error) {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case strings.HasPrefix(kind, "image/"):
		return false, nil
	case strings.HasPrefix(kind, "text/"), kind == "application/json":
		return false, fmt.Errorf("it answers with %s, not with pictures: this is the address of a page", kind)
	case strings.HasPrefix(kind, "multipart/"), strings.HasPrefix(kind, "video/"):
		return true, nil
	}
	return resp.ContentLength < 0, nil
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// sleep waits; false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
		return true
	}
}
