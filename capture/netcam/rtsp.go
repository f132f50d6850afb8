package netcam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"strings"
	"time"

	"pirwatch/capture"
	"pirwatch/capture/quiet"
)

// keyFrame is the longest wait for an RTSP stream's first picture: a decoder
// must wait for the next whole one in the stream, which some cameras send
// every ten seconds or more.
const keyFrame = 30 * time.Second

// runRTSP is one session with an RTSP camera. ffmpeg decodes the stream and
// writes JPEGs to its standard output. It is told the address, and with it the
// login, on its standard input, as a list of one file for its concat demuxer:
// on its command line every user of the machine could read the password.
func (s *Source) runRTSP(ctx context.Context, deliver func(capture.Frame)) error {
	ctx, patience, done := newPatience(ctx, max(keyFrame, s.o.Timeout), s.o.Timeout)
	defer done()
	var tail lastLines
	err := runChild(ctx, child{
		program: s.o.FFmpeg,
		args:    s.ffmpegArgs(),
		input:   s.playlist(),
		grace:   s.grace,
		stderr: func(line string) {
			line = s.redact.Replace(line)
			tail.add(line)
			s.log.Debug("ffmpeg", "says", line)
		},
		read: func(out io.Reader) error {
			pictures := s.feed(quiet.Reader(out))
			for {
				f, err := pictures.frame()
				if err != nil {
					return err
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
				patience.pause() // the receiver's time is not the camera's
				deliver(f)
				patience.got()
			}
		},
	})
	var slow *tooSlow
	switch {
	case errors.As(context.Cause(ctx), &slow):
		return tail.explain(slow)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is not installed, and RTSP needs it: apt install ffmpeg", s.o.FFmpeg)
	}
	return tail.explain(err)
}

// playlist is the concat demuxer's script. An address has no line breaks: the
// URL parser refuses them.
func (s *Source) playlist() string {
	u := *s.url
	u.User = s.userinfo()
	address := strings.ReplaceAll(u.String(), "'", `'\''`)
	return "ffconcat version 1.0\n" +
		"file '" + address + "'\n" +
		"option rtsp_transport tcp\n" +
		"option allowed_media_types video\n" +
		fmt.Sprintf("option timeout %d\n", 3*s.o.Timeout.Microseconds()) // ours comes first
}

func (s *Source) ffmpegArgs() []string {
	args := []string{
		"-hide_banner", "-nostdin", "-loglevel", "error",
		"-protocol_whitelist", "pipe,rtsp,rtp,udp,tcp,tls,crypto",
		"-f", "concat", "-safe", "0", "-i", "pipe:0",
		"-an", "-c:v", "mjpeg", "-q:v", "4", "-fps_mode", "passthrough",
	}
	if s.o.FPS > 0 {
		// Chosen before encoding, which is the dear part. Not the fps filter:
		// it would repeat pictures where the camera sends fewer.
		args = append(args, "-vf", fmt.Sprintf("select='isnan(prev_selected_t)+gte(t-prev_selected_t,%.4f)'", 0.85/s.o.FPS))
	}
	args = append(args, s.o.FFmpegArgs...)
	return append(args, "-f", "image2pipe", "pipe:1")
}

// lastLines keeps the end of what a program printed.
type lastLines struct{ lines []string }

func (l *lastLines) add(line string) {
	if len(l.lines) == 5 {
		l.lines = append(l.lines[:0], l.lines[1:]...)
	}
	l.lines = append(l.lines, line)
}

// known are ffmpeg's words for what goes wrong most, and plainer ones.
var known = []struct{ says, means string }{
	{"401 Unauthorized", "it refuses the user name or the password"},
	{"403 Forbidden", "it forbids this user the stream"},
	{"404 Not Found", "it has no stream of this path"},
	{"Connection refused", "nothing listens at this address and port"},
	{"No route to host", "the host cannot be reached"},
	{"Failed to resolve hostname", "the host's name is not known"},
	{"unknown keyword 'option'", "this ffmpeg is too old: 5.1 or newer is needed"},
	{"Unrecognized option 'fps_mode'", "this ffmpeg is too old: 5.1 or newer is needed"},
	{"Protocol not found", "this ffmpeg was built without RTSP"},
}

// explain adds to an error what ffmpeg said of it.
func (l *lastLines) explain(err error) error {
	all := strings.Join(l.lines, "; ")
	for _, k := range known {
		if strings.Contains(all, k.says) {
			return errors.New(k.means)
		}
	}
	if errors.Is(err, io.EOF) || err == nil {
		err = errors.New("the stream ended")
	}
	if all == "" {
		return err
	}
	return fmt.Errorf("%w; ffmpeg says: %s", err, all)
}
