// Command rtspd is the RTSP server of the peers' tests: gortsplib's, with a
// login. Whoever knows it may publish a stream (ffmpeg does) and read it. It
// is a module of its own, so that its libraries stay out of pirwatch.
//
//	rtspd USER PASSWORD
//
// prints the port that it listens on, on 127.0.0.1, over TCP.
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"sync"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtp"
)

type handler struct {
	server         *gortsplib.Server
	user, password string

	mu     sync.RWMutex
	stream *gortsplib.ServerStream
	source *gortsplib.ServerSession
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: rtspd USER PASSWORD")
	}
	h := &handler{user: os.Args[1], password: os.Args[2]}
	h.server = &gortsplib.Server{
		Handler:     h,
		RTSPAddress: "127.0.0.1:0",
		Listen: func(network, address string) (net.Listener, error) {
			l, err := net.Listen(network, address)
			if err == nil {
				fmt.Println(l.Addr().(*net.TCPAddr).Port)
			}
			return l, err
		},
	}
	log.Fatal(h.server.StartAndWait())
}

func answer(code base.StatusCode) *base.Response { return &base.Response{StatusCode: code} }

// reader answers a request of a client that wants to read.
func (h *handler) reader(conn *gortsplib.ServerConn, req *base.Request) (*base.Response, *gortsplib.ServerStream, error) {
	if !conn.VerifyCredentials(req, h.user, h.password) {
		return answer(base.StatusUnauthorized), nil, liberrors.ErrServerAuth{}
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.stream == nil {
		return answer(base.StatusNotFound), nil, nil
	}
	return answer(base.StatusOK), h.stream, nil
}

func (h *handler) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return h.reader(ctx.Conn, ctx.Request)
}

func (h *handler) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if ctx.Session.State() == gortsplib.ServerSessionStatePreRecord {
		return answer(base.StatusOK), nil, nil
	}
	return h.reader(ctx.Conn, ctx.Request)
}

func (h *handler) OnAnnounce(ctx *gortsplib.ServerHandlerOnAnnounceCtx) (*base.Response, error) {
	if !ctx.Conn.VerifyCredentials(ctx.Request, h.user, h.password) {
		return answer(base.StatusUnauthorized), liberrors.ErrServerAuth{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	stream := &gortsplib.ServerStream{Server: h.server, Desc: ctx.Description}
	if err := stream.Initialize(); err != nil {
		return answer(base.StatusBadRequest), err
	}
	h.stream, h.source = stream, ctx.Session
	return answer(base.StatusOK), nil
}

func (h *handler) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return answer(base.StatusOK), nil
}

func (h *handler) OnRecord(ctx *gortsplib.ServerHandlerOnRecordCtx) (*base.Response, error) {
	stream := h.stream
	ctx.Session.OnPacketRTPAny(func(m *description.Media, _ format.Format, p *rtp.Packet) {
		stream.WritePacketRTP(m, p)
	})
	return answer(base.StatusOK), nil
}

// OnSessionClose ends the stream with the session that publishes it.
func (h *handler) OnSessionClose(ctx *gortsplib.ServerHandlerOnSessionCloseCtx) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stream != nil && ctx.Session == h.source {
		h.stream.Close()
		h.stream = nil
	}
}
