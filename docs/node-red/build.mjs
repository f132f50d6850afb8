// Writes flow.json from the functions beside it and the page's reassembler:
//   node docs/node-red/build.mjs > docs/node-red/flow.json
import { readFileSync } from "node:fs";

const here = (name) => readFileSync(new URL(name, import.meta.url), "utf8");

// Runs once when the flow starts. Node-RED's sandbox has no atob, no btoa and no
// modules of its own; crypto and perf_hooks come from the node's list of modules.
const start = `const sha256 = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");
const atob = (text) => Buffer.from(text, "base64").toString("latin1");
const btoa = (text) => Buffer.from(text, "latin1").toString("base64");

${here("../../receive/view/web/chunk.js").replace(/^import .*\n\n?/gm, "").replace(/^export /gm, "")}
context.set("assembler", new Assembler({ timeout: 30_000 }));
context.set("asked", new Map());
context.set("from", new Map());
`;

const tab = "f1a0000000000001";
const broker = "f1a0000000000002";
let last = 2;
const node = (type, name, x, y, wires, rest) => {
  const id = `f1a00000000000${(++last).toString(16).padStart(2, "0")}`;
  return { id, type, z: tab, name, ...rest, x, y, wires };
};
const listen = (name, topic, y, datatype, to) =>
  node("mqtt in", name, 130, y, [to], { topic, qos: "1", datatype, broker, nl: false, rap: true, rh: 0, inputs: 0 });
const func = (name, file, x, y, wires, rest) =>
  node("function", name, x, y, wires, { func: here(file), outputs: wires.length, timeout: 0, noerr: 0, initialize: "", finalize: "", libs: [], ...rest });

const write = node("file", "write it", 660, 80, [[]], {
  filename: "filename", filenameType: "msg", appendNewline: false, createDir: true, overwriteFile: "true", encoding: "none" });
const newest = func("keep the newest", "newest.js", 690, 180, [], {});
const resend = node("mqtt out", "ask again", 660, 120, [], { topic: "", qos: "1", retain: "false", respTopic: "", contentType: "", userProps: "", correl: "", expiry: "", broker });
const words = node("debug", "refused or given up", 700, 240, [], {
  active: true, tosidebar: true, console: false, tostatus: false, complete: "payload", targetType: "msg", statusVal: "", statusType: "auto" });
const together = func("put the pieces together", "pieces.js", 410, 120, [[write.id, newest.id], [resend.id], [words.id]], {
  initialize: start, libs: [{ var: "crypto", module: "crypto" }, { var: "hooks", module: "perf_hooks" }] });
const answer = node("http response", "", 610, 300, [], { statusCode: "", headers: {} });
const page = func("make the page", "page.js", 380, 300, [[answer.id]], {});

const flow = [
  {
    id: tab, type: "tab", label: "pirwatch", disabled: false,
    info: "Pictures from pirwatch, out of their pieces. Set the broker in the node \"broker\", and the folder for the files in this flow's environment. The page is at /pirwatch. See docs/node-red/README.md.",
    env: [{ name: "FOLDER", value: "pirwatch-pictures", type: "str" }],
  },
  {
    id: broker, type: "mqtt-broker", name: "broker", broker: "localhost", port: "1883", clientid: "", autoConnect: true, usetls: false,
    protocolVersion: "4", keepalive: "30", cleansession: true, autoUnsubscribe: true,
    birthTopic: "", birthQos: "0", birthPayload: "", birthMsg: {}, closeTopic: "", closeQos: "0", closePayload: "", closeMsg: {},
    willTopic: "", willQos: "0", willPayload: "", willMsg: {}, userProps: "", sessionExpiry: "",
  },
  listen("pieces", "pirwatch/+/chunk", 120, "utf8", [together.id]),
  listen("last event", "pirwatch/+/last_event", 220, "json", [newest.id]),
  node("inject", "every 15 s", 130, 60, [[together.id]], {
    props: [{ p: "topic", vt: "str" }], repeat: "15", crontab: "", once: false, onceDelay: 0.1, topic: "tick" }),
  node("http in", "", 130, 300, [[page.id]], { url: "/pirwatch", method: "get", upload: false, swaggerDoc: "" }),
  together, write, newest, resend, words, page, answer,
];
process.stdout.write(JSON.stringify(flow, null, 1) + "\n");
