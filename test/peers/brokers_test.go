//go:build peers

package peers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crypto "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pirwatch/publish"
	"pirwatch/publish/mqtt"
)

// served is a broker of any make, as a client sees it.
type served struct {
	options  mqtt.Options // how to connect
	restart  func()
	retained bool // retained messages reach a subscriber to a wildcard
}

// testBroker is what every broker has to stand: connect, states retained, a
// burst to the byte, reconnect after its restart, last will after a cut,
// offline after a goodbye.
func testBroker(t *testing.T, b served) {
	c := startSender(t, b.options, nil)
	c.State("motion", []byte("OFF"))
	await(t, "the camera to connect", 60*time.Second, func() bool { return c.Health().Broker == "ok" })
	a := newCollector(t, b.options)
	sent := c.shoot(linkEvent1, 5, 50_000)
	await(t, "all pictures to arrive", 60*time.Second, func() bool { return a.have() == len(sent) })
	a.compare(t, sent)
	await(t, "history", 60*time.Second, func() bool { return len(a.on("history")) == 1 })
	var summary struct {
		Phase   string
		PicIDs  []string `json:"pic_ids"`
		EventID string   `json:"event_id"`
	}
	if err := json.Unmarshal([]byte(a.on("history")[0]), &summary); err != nil || summary.Phase != "closed" || len(summary.PicIDs) != len(sent) {
		t.Errorf("history %s: %v", a.on("history")[0], err)
	}

	// A restart: states come back, and what was shot meanwhile.
	b.restart()
	more := c.shoot(linkEvent2, 3, 50_000)
	late := newCollector(t, b.options)
	await(t, "the queue to empty", 120*time.Second, func() bool { s := c.queue.Stats(); return s.Pictures+s.Summaries == 0 })
	for id := range more { // what came before the subscriber was back is asked for
		await(t, "picture "+id, 60*time.Second, func() bool { return late.askAgain(map[string][]byte{id: nil}) })
	}
	late.mu.Lock()
	for id, jpeg := range more {
		if string(late.pictures[id]) != string(jpeg) {
			t.Errorf("picture %s after the restart: %d bytes", id, len(late.pictures[id]))
		}
	}
	late.mu.Unlock()

	topic := "status"
	if b.retained {
		await(t, "retained states", 30*time.Second, func() bool { return contains(late.on("motion"), "OFF") && contains(late.on(topic), "online") })
	}
	c.stop()
	await(t, "offline after a goodbye", 30*time.Second, func() bool { return lastOf(late.on(topic)) == "offline" })

	// The last will, of a client whose connection is cut.
	var raw net.Conn
	o := b.options
	o.ClientID, o.CleanSession = "cut", true
	o.Will = &mqtt.Will{Topic: "pirwatch/cam/will", Payload: []byte("offline"), QoS: 1, Retain: true}
	o.Dial = func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		raw, err = mqtt.Dial(ctx, network, addr)
		return raw, err
	}
	link, err := mqtt.Connect(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw.Close()
	<-link.Lost()
	link.Close(t.Context())
	await(t, "the last will", 60*time.Second, func() bool { return contains(late.on("will"), "offline") })
}

func contains(all []string, want string) bool {
	for _, s := range all {
		if s == want {
			return true
		}
	}
	return false
}

func lastOf(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

func TestMosquitto(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		b := mosquitto(t)
		testBroker(t, served{mqtt.Options{URL: "mqtt://" + b.addr}, func() { b.stop(); b.start(t) }, true})
	})
	t.Run("TLS with client certificates", func(t *testing.T) {
		dir := t.TempDir()
		ca := newAuthority(t, dir)
		port := freePort(t)
		b := mosquitto(t, fmt.Sprintf("listener %d 127.0.0.1", port), "allow_anonymous true",
			"cafile "+filepath.Join(dir, "ca.pem"), "certfile "+ca.issue(t, "broker"), "keyfile "+filepath.Join(dir, "broker.key"), "require_certificate true")
		conf, err := mqtt.TLSConfig(filepath.Join(dir, "ca.pem"), ca.issue(t, "camera"), filepath.Join(dir, "camera.key"))
		if err != nil {
			t.Fatal(err)
		}
		url := fmt.Sprintf("mqtts://127.0.0.1:%d", port)
		testBroker(t, served{mqtt.Options{URL: url, TLS: conf}, func() { b.stop(); b.start(t) }, true})

		for _, c := range []struct {
			conf *tls.Config
			want string
		}{
			{&tls.Config{}, "CA file"}, {&tls.Config{RootCAs: conf.RootCAs}, "client certificate"},
			{&tls.Config{RootCAs: conf.RootCAs, Certificates: conf.Certificates, ServerName: "elsewhere"}, "a name that the certificate is for"},
		} {
			_, err := mqtt.Connect(t.Context(), mqtt.Options{URL: url, TLS: c.conf}, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that tells of %s", err, c.want)
			}
		}
	})
	t.Run("websocket", func(t *testing.T) {
		port := freePort(t)
		b := mosquitto(t, fmt.Sprintf("listener %d 127.0.0.1", port), "protocol websockets", "allow_anonymous true")
		testBroker(t, served{mqtt.Options{URL: fmt.Sprintf("ws://127.0.0.1:%d", port)}, func() { b.stop(); b.start(t) }, true})
	})
	t.Run("refusals", func(t *testing.T) {
		dir := t.TempDir()
		users := filepath.Join(dir, "users")
		run(t, 20*time.Second, need(t, "mosquitto_passwd"), "-b", "-c", users, "camera", "secret")
		os.Chmod(users, 0o644)
		b := mosquitto(t, "allow_anonymous false", "password_file "+users)
		url := "mqtt://" + b.addr
		if _, err := mqtt.Connect(t.Context(), mqtt.Options{URL: url, ClientID: "x", Username: "camera", Password: "wrong"}, nil); !errors.Is(err, mqtt.ErrCredentials) {
			t.Errorf("wrong password: %v", err)
		}
		c := startSender(t, mqtt.Options{URL: url, Username: "camera", Password: "secret"}, nil)
		await(t, "the camera to connect", 30*time.Second, func() bool { return c.Health().Broker == "ok" })
	})
	t.Run("largest packet", func(t *testing.T) {
		// A cover larger than the broker takes must not keep the rest from arriving.
		b := mosquitto(t, "max_packet_size 60000")
		a := newCollector(t, mqtt.Options{URL: "mqtt://" + b.addr})
		c := startSender(t, mqtt.Options{URL: "mqtt://" + b.addr}, nil)
		c.Cover(linkEvent1, time.Now(), make([]byte, 200_000))
		sent := c.shoot(linkEvent1, 3, 40_000)
		await(t, "all pictures to arrive", 120*time.Second, func() bool { return a.have() == len(sent) })
		a.compare(t, sent)
		if h := c.Health(); h.Quarantined != 0 {
			t.Errorf("health %+v", h)
		}
	})
	t.Run("poison", func(t *testing.T) {
		// One piece that the broker does not take: 200 kB a piece against 150 kB.
		b := mosquitto(t, "max_packet_size 150000")
		a := newCollector(t, mqtt.Options{URL: "mqtt://" + b.addr})
		c := startSender(t, mqtt.Options{URL: "mqtt://" + b.addr}, func(o *publish.Options) { o.ChunkSize = 200_000 })
		small := c.shoot(linkEvent1, 2, 40_000)
		large := c.shoot(linkEvent2, 1, 140_000)
		await(t, "the quarantine", 120*time.Second, func() bool { return c.Health().Quarantined == uint64(len(large)) })
		await(t, "the other pictures", 60*time.Second, func() bool { return a.have() == len(small) })
		a.compare(t, small)
	})
}

// NATS server's MQTT listener needs JetStream, and drops a client that uses
// QoS 2 or a dot in a topic: pirwatch does neither.
func TestNATS(t *testing.T) {
	program := need(t, "nats-server")
	dir, port := t.TempDir(), freePort(t)
	conf := filepath.Join(dir, "nats.conf")
	text := fmt.Sprintf("server_name: test\nhost: 127.0.0.1\nport: %d\njetstream { store_dir: %q }\nmqtt { host: 127.0.0.1, port: %d }\n", freePort(t), dir, port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	var p *process
	begin := func() {
		p = start(t, program, "-c", conf)
		awaitPort(t, "nats-server", addr, 60*time.Second)
	}
	begin()
	testBroker(t, served{mqtt.Options{URL: "mqtt://" + addr}, func() { p.stop(); begin() }, true})
}

// RabbitMQ's MQTT plug-in of 3.10 keeps retained messages, but hands them only
// to a subscriber to the very topic, not to a wildcard.
func TestRabbitMQ(t *testing.T) {
	need(t, "rabbitmq-server")
	// Debian's wrapper changes the user to one that cannot see the test's folder.
	program := need(t, "/usr/lib/rabbitmq/bin/rabbitmq-server")
	dir, port := t.TempDir(), freePort(t)
	node := fmt.Sprintf("pirwatch%d@localhost", port)
	conf := filepath.Join(dir, "rabbitmq.conf")
	text := fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d\nmqtt.listeners.tcp.1 = 127.0.0.1:%d\nmqtt.allow_anonymous = true\ndistribution.listener.interface = 127.0.0.1\n", freePort(t), port)
	plugins := filepath.Join(dir, "plugins")
	for name, content := range map[string]string{conf: text, plugins: "[rabbitmq_mqtt].\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	// Erlang's port mapper, too, is of this test alone, and would outlive it.
	epmd := fmt.Sprint(freePort(t))
	t.Cleanup(func() { exec.Command("epmd", "-port", epmd, "-kill").Run() })
	// The script starts the Erlang machine as its child: both are told to end.
	var p *process
	stop := func() {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(60 * time.Second):
			syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		}
		await(t, "rabbitmq-server to be gone", 30*time.Second, func() bool {
			return errors.Is(syscall.Kill(-p.cmd.Process.Pid, 0), syscall.ESRCH)
		})
	}
	begin := func() {
		cmd := exec.Command(program)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Env = append(os.Environ(), "HOME="+dir, "RABBITMQ_NODENAME="+node, "RABBITMQ_MNESIA_BASE="+filepath.Join(dir, "mnesia"),
			"RABBITMQ_LOG_BASE="+dir, "RABBITMQ_CONFIG_FILE="+strings.TrimSuffix(conf, ".conf"), "RABBITMQ_ENABLED_PLUGINS_FILE="+plugins,
			fmt.Sprintf("RABBITMQ_DIST_PORT=%d", freePort(t)), "ERL_CRASH_DUMP=/dev/null", "ERL_EPMD_ADDRESS=127.0.0.1", "ERL_EPMD_PORT="+epmd)
		p = startCmd(t, cmd)
		awaitPort(t, "rabbitmq-server", addr, 120*time.Second)
	}
	begin()
	t.Cleanup(func() { stop() })
	testBroker(t, served{mqtt.Options{URL: "mqtt://" + addr}, func() { stop(); begin() }, false})
}

func awaitPort(t *testing.T, what, addr string, limit time.Duration) {
	t.Helper()
	await(t, what+" to accept connections", limit, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// authority signs certificates for a test.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	a := &authority{dir: dir, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	a.key = a.write(t, "ca", a.cert, nil)
	return a
}

// issue makes a certificate for 127.0.0.1, and returns its file's name.
func (a *authority) issue(t *testing.T, name string) string {
	t.Helper()
	a.write(t, name, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a)
	return filepath.Join(a.dir, name+".pem")
}

func (a *authority) write(t *testing.T, name string, cert *x509.Certificate, by *authority) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crypto.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := cert, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(crypto.Reader, cert, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key
}
