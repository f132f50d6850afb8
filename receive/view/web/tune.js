// The tuning view: what the detector sees against what it asks for, live, and
// the settings that change it. Each change goes to the camera at once; what is
// shown is what the camera echoes.

import { attr, h, keyed, picture, placeBox, s, show, text } from "./dom.js";
import { percent } from "./format.js";
import { maskEditor } from "./masks.js";

const W = 600, H = 160, SECONDS = 60;
const TUNE_AGAIN = 8 * 60e3; // ms; the camera stops by itself after ten minutes
const SILENCE = 5000; // ms without a score after which it is asked for anew: another browser may have ended it

const MODES = { pir: "Motion sensor", frames: "Picture change", either: "Either of them", both: "Both together" };

export function tuneView(root, app, [wanted = ""]) {
  const pick = h("select", { id: "tuned", onchange: () => app.go(`tune/${encodeURIComponent(pick.value)}`) });
  const pickField = h("div", { class: "field" }, h("label", { for: "tuned", text: "Camera" }), pick);
  const empty = h("div", { class: "empty", text: "No camera has spoken yet." });
  const body = h("div", { class: "tune" });
  root.append(h("div", { class: "head" }, h("h1", { text: "Tune" }), h("div", { class: "fields" }, pickField)), empty, body);
  let panel = null, name = "";

  return {
    leave() { panel?.leave(); },
    update() {
      const names = [...app.store.cameras.keys()];
      const to = names.includes(wanted) ? wanted : names[0] ?? "";
      show(empty, !to);
      if (to !== name) {
        panel?.leave();
        body.replaceChildren();
        name = to;
        panel = name ? tunePanel(body, app, name) : null;
      }
      keyed(pick, names, (n) => n, (n) => h("option", { value: n, text: n }));
      if (document.activeElement !== pick) pick.value = name;
      show(pickField, names.length > 1);
      panel?.update(app.store.cameras.get(name));
    },
  };
}

function tunePanel(root, app, name) {
  const camera = () => app.store.cameras.get(name);
  const img = h("img", { class: "shot", decoding: "sync", draggable: "false" });
  const box = h("div", { class: "box", hidden: true });
  const blank = h("p", { class: "blank", text: "No picture yet: the live picture is off, and no event has come." });
  const surface = h("div", { class: "surface" });
  const frame = h("div", { class: "frame editing" }, img, box, blank, surface);
  const trouble = h("p", { class: "trouble", role: "alert", hidden: true });
  const set = (key, value) => {
    if (app.set(camera(), key, value)) return true;
    camera().unanswered = key;
    app.redraw();
    return false;
  };
  const editor = maskEditor(surface, (masks) => set("masks", JSON.stringify(masks)));

  const score = s("polyline", { class: "line" });
  const limit = s("polyline", { class: "limit" });
  const plot = s("svg", { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", role: "img", class: "plot" }, limit, score);
  const now = h("strong"), asks = h("strong");
  const top = h("span", { class: "soft" });
  const quiet = h("p", { class: "soft", role: "status" });

  const slider = h("input", { id: "sens", type: "range", min: 1, max: 100, step: 1, oninput: () => text(sensWord, slider.value), onchange: () => set("sensitivity", slider.value) });
  const sensWord = h("output", { for: "sens" });
  const mode = h("select", { id: "mode", onchange: () => set("trigger", mode.value) }, Object.entries(MODES).map(([v, t]) => h("option", { value: v, text: t })));
  const cool = h("input", { id: "cool", type: "number", min: 0, max: 3600, step: 1, inputmode: "numeric", onchange: () => { if (cool.checkValidity() && cool.value !== "") set("cooldown", cool.value); } });
  const held = new Set(); // what a hand is changing
  for (const field of [slider, cool]) {
    field.addEventListener("input", () => held.add(field));
    for (const end of ["change", "blur"]) field.addEventListener(end, () => held.delete(field));
  }
  const states = { sensitivity: h("span", { class: "soft" }), trigger: h("span", { class: "soft" }), cooldown: h("span", { class: "soft" }), masks: h("span", { class: "soft", role: "status" }) };

  root.append(
    h("section", { class: "panel stage", "aria-label": "Masks and zones" }, h("figure", { class: "screen" }, frame), trouble,
      h("div", { class: "row" }, h("h2", { text: "Masks and zones" }), states.masks), editor.tools),
    h("section", { class: "panel", "aria-label": "Detector" },
      h("h2", { text: "Changed part of the picture" }),
      h("p", { class: "legend" }, h("span", { class: "key score" }), "now ", now, h("span", { class: "key limit" }), "needed ", asks, top),
      plot, quiet,
      h("div", { class: "setting" }, h("label", { for: "sens", text: "Sensitivity" }), slider, sensWord, states.sensitivity),
      h("div", { class: "setting" }, h("label", { for: "mode", text: "Trigger" }), mode, states.trigger),
      h("div", { class: "setting" }, h("label", { for: "cool", text: "Pause after an event, seconds" }), cool, states.cooldown)));

  let tuned = 0, heard = 0; // when it was asked for, and when it came last since
  const tune = (on) => {
    if (app.command(camera(), "tune", on ? "ON" : "OFF")) [tuned, heard] = [on ? Date.now() : 0, 0];
  };
  const stopped = () => heard > 0 && Date.now() - heard > SILENCE;

  return {
    leave() {
      editor.leave();
      tune(false);
    },
    update(c) {
      if (!c) return;
      if (app.link.state !== "online" || c.status === "offline") tuned = 0;
      else {
        heard = Math.max(heard, (c.scores.at(-1)?.t ?? 0) > tuned ? c.scores.at(-1).t : 0);
        if (c.status === "online" && (Date.now() - tuned > TUNE_AGAIN || stopped())) tune(true);
      }

      const url = c.live?.url || c.newest?.url || c.cover?.url || "";
      picture(img, url, `Picture of ${name}`);
      show(blank, !url);
      const fresh = c.scores.length && Date.now() - c.scores.at(-1).t < 3000;
      placeBox(box, fresh && c.live ? c.scoreBox : null);
      if (!c.pending.has("masks")) editor.show(c.masks);

      if (!c.pending.has("sensitivity") && !held.has(slider) && c.sensitivity !== null) {
        slider.value = c.sensitivity;
        text(sensWord, String(c.sensitivity));
      }
      if (!c.pending.has("trigger") && mode.value !== c.trigger) mode.value = c.trigger;
      if (!c.pending.has("cooldown") && !held.has(cool) && c.cooldown !== null && cool.value !== String(c.cooldown)) cool.value = c.cooldown;
      for (const [key, node] of Object.entries(states)) {
        text(node, c.pending.has(key) ? "Asking the camera…" : c.unanswered === key ? "Not taken" : "");
      }
      const gone = Object.hasOwn(states, c.unanswered);
      show(trouble, gone);
      text(trouble, !gone ? "" : app.link.state === "online" ? "The camera did not confirm the change; what it has is shown." : "Not sent: there is no link to the broker.");
      drawPlot(c, fresh);
    },
  };

  function drawPlot(c, fresh) {
    const from = Date.now() - SECONDS * 1000;
    const points = c.scores.filter((p) => p.t >= from);
    const high = Math.max(0.005, ...points.map((p) => Math.max(p.score, p.threshold ?? 0))) * 1.15;
    const line = (key) => points.filter((p) => p[key] !== null).map((p) => `${(((p.t - from) / (SECONDS * 1000)) * W).toFixed(1)},${(H - 3 - (Math.max(0, p[key]) / high) * (H - 3)).toFixed(1)}`).join(" ");
    attr(score, "points", line("score"));
    attr(limit, "points", line("threshold"));
    const last = c.scores.at(-1);
    text(now, fresh ? percent(last.score) : "–");
    text(asks, fresh && last.threshold !== null ? percent(last.threshold) : "–");
    text(top, `top of the chart: ${percent(high)}`);
    attr(plot, "aria-label", fresh ? `Changed part over the last minute: now ${percent(last.score)}, needed ${last.threshold === null ? "unknown" : percent(last.threshold)}` : "Changed part over the last minute: nothing comes");
    text(quiet, fresh ? "" : app.link.state !== "online" ? "No link." : c.status === "offline" ? "The camera is offline." : "Waiting for the detector. It reports only where pictures are compared.");
  }
}
