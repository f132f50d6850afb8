// Package netcam takes pictures from a network camera: a snapshot address that
// is asked again and again, a multipart MJPEG stream, or RTSP through ffmpeg.
package netcam

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/mjpeg"
)

// maxFrame bounds one picture in bytes, whatever a camera says of its length.
const maxFrame = 16 << 20

// Options say where the camera is. The zero value of a field means its
// default, given in brackets.
type Options struct {
	// URL is http, https, rtsp or rtsps. Whether an HTTP address gives single
	// pictures or a stream shows when it answers.
	URL string
	// Username and Password log in to the camera, by the basic or digest
	// scheme, whichever it asks for. Those in the URL serve where these are
	// empty; no message shows them.
	Username, Password string
	// Interval is the time from one snapshot to the next (1 s).
	Interval time.Duration
	// FPS is the most pictures a second taken from a stream (0: all).
	FPS float64
	// Timeout is the longest wait for the camera to answer, and then for each
	// whole picture (10 s).
	Timeout time.Duration
	// TLS is for https (nil: the system's authorities). A camera with a
	// certificate of its own needs it among RootCAs.
	TLS *tls.Config
	// FFmpeg is the program for RTSP ("ffmpeg"), 5.1 or newer; FFmpegArgs are
	// further options for its output, such as {"-q:v", "3"}.
	FFmpeg     string
	FFmpegArgs []string
}

// Source is a network camera; it is a [capture.Source].
type Source struct {
	o      Options
	url    *url.URL // without credentials
	login  login
	redact *strings.Replacer
	log    *slog.Logger
	grace  time.Duration // for ffmpeg, to end after it was asked to
	pool   capture.Pool
}

// New returns a source for the camera; nothing is asked of it before Run.
func New(o Options, log *slog.Logger) (*Source, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	u, err := url.Parse(o.URL)
	if err != nil {
		var parse *url.Error // its text holds the address, and with it the password
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return nil, fmt.Errorf("network camera's address: %w", err)
	}
	switch u.Scheme {
	case "http", "https", "rtsp", "rtsps":
	default:
		return nil, fmt.Errorf("network camera's address begins with %q: http, https, rtsp or rtsps is needed", u.Scheme)
	}
	if u.Host == "" {
		return nil, errors.New("network camera's address has no host")
	}
	if o.Username == "" && o.Password == "" && u.User != nil {
		o.Username = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	given := u.User
	u.User = nil
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.FFmpeg == "" {
		o.FFmpeg = "ffmpeg"
	}
	s := &Source{o: o, url: u, log: log, grace: 3 * time.Second, login: login{user: o.Username, password: o.Password}}
	s.redact = redactor(u.RawQuery, o.Password, given, s.userinfo())
	return s, nil
}

// userinfo is the login as an address holds it; nil where there is none.
func (s *Source) userinfo() *url.Userinfo {
	switch {
	case s.o.Password != "":
		return url.UserPassword(s.o.Username, s.o.Password)
	case s.o.Username != "":
		return url.User(s.o.Username)
	}
	return nil
}

// redactor takes a login out of messages, however it is written there, and the
// address's query, in which some cameras want it.
func redactor(query, password string, logins ...*url.Userinfo) *strings.Replacer {
	var pairs []string
	hide := func(secret, shown string) {
		if secret != "" {
			pairs = append(pairs, secret, shown)
		}
	}
	for _, u := range logins {
		if u != nil {
			hide(u.String()+"@", "")
			if p, ok := u.Password(); ok {
				hide(url.UserPassword("", p).String()[1:], "…")
			}
		}
	}
	hide(query, "…")
	hide(url.QueryEscape(password), "…")
	hide(password, "…")
	return strings.NewReplacer(pairs...)
}

// failure is an error whose text shows no login.
type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.cause }

// Run takes pictures until ctx ends or the camera fails.
func (s *Source) Run(ctx context.Context, deliver func(capture.Frame)) error {
	session := s.runHTTP
	if strings.HasPrefix(s.url.Scheme, "rtsp") {
		session = s.runRTSP
	}
	err := session(ctx, deliver)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		return nil
	}
	return &failure{s.redact.Replace(fmt.Sprintf("camera at %s: %v", s.url.Host, err)), err}
}

// patience ends a session in which no whole picture comes in time.
type patience struct {
	timer *time.Timer
	wait  time.Duration
	limit atomic.Int64 // what the timer is set to
}

// newPatience returns a context that ends with a *tooSlow unless got is called
// often enough; first is the wait for the first picture.
func newPatience(ctx context.Context, first, wait time.Duration) (context.Context, *patience, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &patience{wait: wait}
	p.limit.Store(int64(first))
	p.timer = time.AfterFunc(first, func() { cancel(&tooSlow{time.Duration(p.limit.Load())}) })
	return ctx, p, func() { p.timer.Stop(); cancel(nil) }
}

// got tells that a picture came, and is done with; pause, that nothing is
// waited for until then.
func (p *patience) got()   { p.limit.Store(int64(p.wait)); p.timer.Reset(p.wait) }
func (p *patience) pause() { p.timer.Stop() }

type tooSlow struct{ waited time.Duration }

func (t *tooSlow) Error() string { return fmt.Sprintf("no whole picture within %v", t.waited) }

// why prefers the reason for which a context was ended to what that led to.
func why(ctx context.Context, err error) error {
	var slow *tooSlow
	if errors.As(context.Cause(ctx), &slow) {
		return slow
	}
	return err
}

// pacer leaves out pictures where more come than are wanted.
type pacer struct {
	step time.Duration
	due  time.Time
}

func newPacer(fps float64) *pacer {
	if !(fps > 0) {
		return &pacer{}
	}
	return &pacer{step: time.Duration(float64(time.Second) / fps)}
}

// takes says whether the picture that came now is wanted; those that come a
// little early are.
func (p *pacer) takes(now time.Time) bool {
	if p.step == 0 {
		return true
	}
	if now.Before(p.due.Add(-p.step / 8)) {
		return false
	}
	p.due = p.due.Add(p.step)
	if p.due.Before(now) {
		p.due = now.Add(p.step)
	}
	return true
}

// feed finds the frames in what a camera sends.
type feed struct {
	*mjpeg.Splitter
	loan *capture.Loan // of the newest
}

func (s *Source) feed(r io.Reader) *feed {
	p := &feed{Splitter: mjpeg.NewSplitter(r, maxFrame)}
	p.Memory = func(n int) []byte {
		p.loan = s.pool.Lend(n)
		return p.loan.Bytes
	}
	return p
}

// frame returns the next one. What has no readable size is delivered
// nevertheless: the camera's supervisor refuses and counts it.
func (p *feed) frame() (capture.Frame, error) {
	jpeg, err := p.Next()
	if err != nil {
		return capture.Frame{}, err
	}
	w, h, err := mjpeg.Size(jpeg)
	if err != nil {
		w, h = 0, 0
	}
	return capture.Frame{
		At: time.Now(), Width: w, Height: h, Format: capture.JPEG, Data: mjpeg.WithTables(jpeg), Loan: p.loan,
	}, nil
}
