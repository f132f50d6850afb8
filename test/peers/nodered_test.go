//go:build peers

package peers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nodeRED starts Node-RED with docs/node-red/flow.json, in which only what an
// owner would change is changed: the broker and the folder.
func nodeRED(t testing.TB, brokerAddr, folder string) (page string) {
	t.Helper()
	program := need(t, "node")
	red := filepath.Join("nodered", "node_modules", "node-red", "red.js")
	if _, err := os.Stat(red); err != nil {
		missing(t, "Node-RED: npm ci in test/peers/nodered")
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "node-red", "flow.json"))
	if err != nil {
		t.Fatal(err)
	}
	nodes := parse[[]map[string]any](t, text)
	host, port, _ := strings.Cut(brokerAddr, ":")
	changed := 0
	for _, n := range nodes {
		switch n["type"] {
		case "mqtt-broker":
			n["broker"], n["port"] = host, port
			changed++
		case "tab":
			n["env"] = []any{map[string]any{"name": "FOLDER", "value": folder, "type": "str"}}
			changed++
		}
	}
	if changed != 2 {
		t.Fatalf("the flow has %d tabs and brokers, want one of each", changed)
	}
	dir := t.TempDir()
	text, err = json.Marshal(nodes)
	if err != nil {
		t.Fatal(err)
	}
	listen := freePort(t)
	settings := fmt.Sprintf(`module.exports = {
  flowFile: "flow.json", uiHost: "127.0.0.1", uiPort: %d, credentialSecret: false,
  telemetry: { enabled: false, updateNotification: false }, logging: { console: { level: "info" } },
};
`, listen)
	for name, content := range map[string][]byte{"flow.json": text, "settings.js": []byte(settings)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	red, err = filepath.Abs(red)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, red, "--userDir", dir)
	cmd.Dir = dir
	p := startCmd(t, cmd)
	await(t, "Node-RED to start the flow and reach the broker", 3*time.Minute, func() bool {
		out := p.out.String()
		return strings.Contains(out, "Started flows") && strings.Contains(out, "Connected to broker")
	})
	t.Cleanup(func() {
		if out := p.out.String(); strings.Contains(out, "[error]") {
			t.Errorf("Node-RED has errors to tell:\n%s", out)
		}
	})
	return fmt.Sprintf("http://127.0.0.1:%d/pirwatch", listen)
}

// The flow in the documentation makes files of a burst's pieces, shows the
// newest of them with the last event, and asks again for what did not come.
func TestNodeRED(t *testing.T) {
	b := mosquitto(t)
	sub := subscribe(t, b.addr, "pirwatch/#")
	folder := filepath.Join(t.TempDir(), "pictures")
	page := nodeRED(t, b.addr, folder)
	cam := watch(t, b.addr, sceneConfig(640, 360))
	waitClosed(t, sub, "pirwatch/front/last_event", 1)

	// A piece of a picture whose others never come, one whose hash is wrong, and
	// names that would leave the folder. The camera does not know the first.
	publishTo(t, b.addr, "pirwatch/front/chunk", `{"data":"AAAA","pic_id":"lost-01","pos":1,"size":3}`)
	publishTo(t, b.addr, "pirwatch/front/chunk", `{"data":"/9j/2Q==","pic_id":"wrong-01","pos":0,"size":1,"bytes":4,"sha256":"`+strings.Repeat("0", 64)+`"}`)
	publishTo(t, b.addr, "pirwatch/front/chunk", `{"data":"/9j/2Q==","pic_id":"../../out-01","pos":0,"size":1,"bytes":4}`)
	publishTo(t, b.addr, "pirwatch/front/armed/set", "OFF")
	await(t, "the disarmed camera to have delivered all", time.Minute, func() bool {
		last := sub.last("pirwatch/front/last_event")
		return sub.last("pirwatch/front/armed") == "OFF" && strings.Contains(last, `"phase":"closed"`) && strings.Contains(last, `"queued":0`)
	})

	album := filepath.Join(cam.dir, "archive", cam.name)
	kept := jpegs(t, album)
	if len(kept) < 3 {
		t.Fatalf("the daemon's archive has %d pictures", len(kept))
	}
	await(t, "Node-RED to have the files that the daemon's archive has", time.Minute, func() bool {
		return maps.EqualFunc(kept, jpegs(t, filepath.Join(folder, cam.name)), bytes.Equal)
	})
	await(t, "the page to show a picture and the last event", time.Minute, func() bool {
		event := parse[summary](t, []byte(sub.last("pirwatch/front/last_event")))
		body := get(t, page)
		return strings.Contains(body, "data:image/jpeg;base64,/9j/") && strings.Contains(body, event.EventID)
	})
	await(t, "the flow to ask for what did not come", 3*time.Minute, func() bool {
		return strings.Contains(sub.last("pirwatch/front/resend"), `"lost-01"`)
	})
	if all := jpegs(t, filepath.Dir(folder)); len(all) != len(kept) {
		t.Errorf("%d files, %d of them the camera's", len(all), len(kept))
	}
}

// The flow holds the functions that stand beside it, and the page's reassembler,
// which passes the shared vectors.
func TestNodeREDFlowIsCurrent(t *testing.T) {
	dir := filepath.Join(root, "docs", "node-red")
	want := run(t, time.Minute, need(t, "node"), filepath.Join(dir, "build.mjs"))
	got, err := os.ReadFile(filepath.Join(dir, "flow.json"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("flow.json is not what build.mjs makes: node docs/node-red/build.mjs > docs/node-red/flow.json")
	}
}

// jpegs returns the pictures under a folder by their paths in it.
func jpegs(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	got := map[string][]byte{}
	files := os.DirFS(folder)
	err := fs.WalkDir(files, ".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".jpg") {
			got[path], err = fs.ReadFile(files, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return got
}

// get fetches a page.
func get(t testing.TB, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
