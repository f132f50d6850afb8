//go:build peers

package peers

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// root is the project's folder, seen from this package's.
const root = "../.."

// need returns the path of a program, or skips the test, or fails it where CI
// demands that every peer is there.
func need(t testing.TB, program string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/"} {
		if path, err := exec.LookPath(dir + program); err == nil {
			return path
		}
	}
	missing(t, program)
	return ""
}

// missing skips, or fails in CI, because a peer is not there.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("PIRWATCH_REQUIRE_PEERS") != "" {
		t.Fatalf("peer missing: %s", what)
	}
	t.Skipf("peer missing: %s", what)
}

// corpus returns the folder of labelled footage, or skips where there is none:
// its licences keep it out of the project, so a clone elsewhere lacks it.
func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("PIRWATCH_CORPUS")
	if dir == "" {
		dir = filepath.Join(root, "../shared/corpus/dev")
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		t.Skipf("no labelled footage: %v", err)
	}
	return dir
}

// built returns the path of a pirwatch program built once for this test run.
func built(t testing.TB) string {
	t.Helper()
	program, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

var buildOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pirwatch-peers-")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "pirwatch")
	out, err := exec.Command("go", "build", "-o", program, root+"/cmd/pirwatch").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if program, err := buildOnce(); err == nil {
		os.RemoveAll(filepath.Dir(program))
	}
	os.Exit(code)
}

// freePort returns a loopback port that was free a moment ago.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// broker is a running Mosquitto.
type broker struct {
	addr string // host:port
	dir  string // its configuration and store
	proc *process
	conf string
}

// mosquitto starts Debian's Mosquitto on a free loopback port with the given
// further configuration lines, and stops it with the test.
func mosquitto(t testing.TB, lines ...string) *broker {
	t.Helper()
	need(t, "mosquitto")
	b := &broker{dir: t.TempDir()}
	port := freePort(t)
	b.addr = fmt.Sprintf("127.0.0.1:%d", port)
	b.conf = filepath.Join(b.dir, "mosquitto.conf")
	conf := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\n%s\n", port, strings.Join(lines, "\n"))
	if os.Geteuid() == 0 {
		conf += "user root\n"
	}
	if err := os.WriteFile(b.conf, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	b.start(t)
	return b
}

// start starts the broker, again after a stop or kill, and waits until it accepts.
func (b *broker) start(t testing.TB) {
	t.Helper()
	b.proc = start(t, need(t, "mosquitto"), "-c", b.conf)
	await(t, "mosquitto to accept connections", 30*time.Second, func() bool {
		conn, err := net.Dial("tcp", b.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// stop ends the broker as a shutdown would: it writes its store.
func (b *broker) stop() { b.proc.stop() }

// process is a program that the test started.
type process struct {
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
}

// start runs a program until the test ends; what it printed is shown if the test fails.
func start(t testing.TB, program string, args ...string) *process {
	t.Helper()
	return startCmd(t, exec.Command(program, args...))
}

// startCmd is start for a prepared command; its output is taken over.
func startCmd(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, out: &output{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	go func() { cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s printed:\n%s", filepath.Base(cmd.Path), p.out.tail(8000))
		}
	})
	return p
}

// stop asks the program to end, and kills it if it does not within 20 s.
func (p *process) stop() {
	p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.kill()
	}
}

// kill ends the program as a power cut would.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// output collects what a program prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *output) tail(n int) string {
	s := o.String()
	return s[max(0, len(s)-n):]
}

// await polls until the condition holds, or fails the test.
func await(t testing.TB, what string, limit time.Duration, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// run runs a program to its end and returns what it printed.
func run(t testing.TB, limit time.Duration, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}
