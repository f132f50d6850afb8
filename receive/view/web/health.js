// The health of each camera: what it says of itself, and how that went over
// the hours that this browser has watched.

import { attr, freshID, h, keyed, s, show, text } from "./dom.js";
import { bytes, dotted, moment, plural, span } from "./format.js";
import { troubles } from "./trouble.js";

const W = 240, H = 48;
const GAP = 5 * 60e3; // ms without a point: the line breaks

const CHARTS = [
  { key: "c", name: "Temperature", unit: "°C", digits: 1, least: 5 },
  { key: "q", name: "Pictures waiting", unit: "", digits: 0, least: 4, from: 0 },
  { key: "d", name: "Pictures given up", unit: "", digits: 0, least: 4, from: 0 },
  { key: "s", name: "Triggers held back", unit: "", digits: 0, least: 4, from: 0 },
  { key: "f", name: "Frames a second", unit: "", digits: 1, least: 4, from: 0 },
  { key: "on", name: "Link", unit: "", digits: 0, least: 1, from: 0, words: ["offline", "online"] },
];

export function healthView(root, app) {
  const list = h("div", { class: "healths" });
  const empty = h("div", { class: "empty", text: "No camera has spoken yet." });
  root.append(h("div", { class: "head" }, h("h1", { text: "Health" })), list, empty);
  return {
    update() {
      const cameras = [...app.store.cameras.values()];
      show(empty, cameras.length === 0);
      keyed(list, cameras, (c) => c.name, (c) => card(app, c.name), (part, c) => part.update(c));
    },
  };
}

const word = (v) => (typeof v === "string" && v ? v.slice(0, 200) : "–");
const count = (v) => (Number.isFinite(v) ? String(v) : "–");

function card(app, name) {
  const id = freshID();
  const state = h("span", { class: "state" });
  const facts = h("dl", { class: "facts tight" });
  const charts = h("div", { class: "charts" });
  const heard = h("p", { class: "soft" });
  const verdict = h("p");
  const node = h("article", { class: "panel", "aria-labelledby": id }, h("header", null, h("h2", { id, text: name }), state), verdict, charts, heard, facts);
  const drawn = CHARTS.map((def) => chart(def));
  charts.append(...drawn.map((c) => c.node));
  return {
    node,
    update(c) {
      const f = c.health ?? {};
      text(state, c.status === "online" ? "Online" : c.status === "offline" ? "Offline" : "Not heard of yet");
      attr(state, "data-state", c.status === "online" ? "online" : "offline");
      const wrong = c.status === "offline" ? "The camera is offline: what follows is what it said last." : troubles(app, c);
      text(verdict, wrong || (c.health ? "All is well." : "It has not said how it is yet."));
      attr(verdict, "class", wrong ? "trouble" : null);
      const rows = [
        ["Camera", word(f.camera) + (f.camera_error ? `: ${word(f.camera_error)}` : ""), !["ok", "idle", "off", "starting", undefined].includes(f.camera)],
        ["Motion sensor", word(f.sensor), ["chattering", "stuck", "missing"].includes(f.sensor)],
        ["Broker", word(f.broker), f.broker !== undefined && f.broker !== "ok"],
        ["Disk", word(f.disk), f.disk !== undefined && f.disk !== "ok"],
        ["Queue", f.queue_pictures > 0 ? dotted([plural(f.queue_pictures, "picture", "pictures"), bytes(f.queue_bytes), `oldest ${span(f.oldest_s)}`]) : Number.isFinite(f.queue_pictures) ? "empty" : "–", f.queue_pictures > 20],
        ["Pictures given up", count(f.dropped), f.dropped > 0],
        ["Triggers held back", count(f.suppressed), false],
        ["Asked for in vain", count(f.incomplete_resends), f.incomplete_resends > 0],
        ["In this browser", c.incomplete + c.refused === 0 ? "nothing lost" : `${plural(c.incomplete, "picture", "pictures")} incomplete, ${plural(c.refused, "message", "messages")} refused`, c.incomplete + c.refused > 0],
        ["Clock", { synced: "right", unsynced: "not told the time" }[f.clock] ?? word(f.clock), f.clock === "unsynced"],
        ["Running for", span(f.uptime_s + (c.healthAt ? (Date.now() - c.healthAt) / 1000 : 0)), false],
        ["Version", word(f.version), false],
      ];
      keyed(facts, rows, ([k]) => k, ([k]) => {
        const value = h("dd");
        return { node: h("div", null, h("dt", { text: k }), value), value };
      }, (part, [, v, bad]) => {
        text(part.value, v);
        attr(part.value, "data-bad", bad ? "yes" : null);
      });
      for (const part of drawn) part.update(c.log);
      text(heard, c.log.length ? `Charts since ${moment(new Date(c.log[0].t))}, as this browser heard it; at most eight hours.` : "Nothing heard yet.");
    },
  };
}

/** A small line over time: gaps stay gaps, and the words say what the line shows. */
function chart(def) {
  const line = s("path", { class: "line" });
  const dot = s("path", { class: "dot" });
  const svg = s("svg", { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", role: "img" }, line, dot);
  const value = h("strong");
  const range = h("span", { class: "soft" });
  const node = h("div", { class: "chart" }, h("p", null, h("span", { text: def.name }), value), svg, range);
  let drawn = "";
  return {
    node,
    update(log) {
      const points = log.filter((p) => Number.isFinite(p[def.key]));
      show(node, points.length > 0);
      if (!points.length) return;
      const stamp = `${points.length}/${points.at(-1).t}/${points.at(-1)[def.key]}`;
      if (stamp === drawn) return;
      drawn = stamp;
      const values = points.map((p) => p[def.key]);
      const low = Math.min(def.from ?? Infinity, ...values), high = Math.max(...values);
      const middle = (low + high) / 2, half = Math.max(def.least, high - low) / 2;
      const [bottom, top] = def.from === undefined ? [middle - half, middle + half] : [low, low + 2 * half];
      const t0 = points[0].t, t1 = Math.max(points.at(-1).t, t0 + 60e3);
      const x = (t) => ((t - t0) / (t1 - t0)) * (W - 8) + 4;
      const y = (v) => H - 4 - ((v - bottom) / (top - bottom)) * (H - 8);
      let path = "", last = -Infinity;
      for (const p of points) {
        const [px, py] = [x(p.t).toFixed(1), y(p[def.key]).toFixed(1)];
        path += p.t - last > GAP ? `M${px} ${py}` : def.words ? `H${px}V${py}` : `L${px} ${py}`;
        last = p.t;
      }
      line.setAttribute("d", path);
      dot.setAttribute("d", `M${x(points.at(-1).t).toFixed(1)} ${y(values.at(-1)).toFixed(1)}h0`);
      const tell = (v) => (def.words ? def.words[v] ?? v : `${v.toFixed(def.digits)}${def.unit ? `\u00a0${def.unit}` : ""}`);
      text(value, tell(values.at(-1)));
      text(range, def.words ? `online in ${Math.round((values.filter((v) => v).length / values.length) * 100)}\u00a0% of reports` : high === Math.min(...values) ? `always ${tell(high)}` : `${tell(Math.min(...values))} to ${tell(high)}`);
      attr(svg, "aria-label", `${def.name}: now ${value.textContent}, ${range.textContent} since ${moment(new Date(t0))}`);
    },
  };
}
