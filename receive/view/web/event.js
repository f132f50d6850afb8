// One event as a strip that plays like a film, with the detector's box.

import { get, pictureURL, zipURL } from "./api.js";
import { attr, freshID, h, icon, keyed, picture, placeBox, show, text } from "./dom.js";
import { fromArchive } from "./events.js";
import { goesOn } from "./store.js";
import { ago, bytes, day, dotted, percent, plural, span, time, trigger } from "./format.js";

const LONGEST_STEP = 1500, SHORTEST_STEP = 120; // ms a picture stays while playing

export function eventView(root, app, [camera = "", id = "", first = ""]) {
  let archived = null, error = "", loading = Boolean(app.info.archive && camera && id);
  let at = -1, playing = 0, speed = 1, boxes = true, wanted = first, centred = "", pics = [];
  let touched = first !== ""; // until then the event's best picture is shown, and the newest of one that goes on

  const back = h("a", { class: "back", href: "#events" }, icon("back"), "Events");
  const title = h("h1", { tabindex: "-1" });
  const where = h("p", { class: "soft" });
  const img = h("img", { class: "shot", decoding: "sync" });
  const box = h("div", { class: "box", hidden: true });
  const blank = h("p", { class: "blank" });
  const caption = h("figcaption", { "aria-live": "off" });
  const frame = h("div", { class: "frame" }, img, box, blank);
  const word = h("span");
  const toggle = h("button", { type: "button", class: "primary", onclick: () => (playing ? pause() : play()) }, icon("play"), icon("pause"), word);
  const prev = h("button", { type: "button", class: "quiet", "aria-label": "Picture before", onclick: () => step(-1) }, icon("back"));
  const next = h("button", { type: "button", class: "quiet", "aria-label": "Picture after", onclick: () => step(1) }, icon("next"));
  const slide = h("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Picture", oninput: () => { pause(); move(Number(slide.value)); } });
  const rate = h("button", { type: "button", class: "quiet", onclick: () => { speed = { 1: 2, 2: 4, 4: 0.5, 0.5: 1 }[speed]; app.redraw(); } });
  const boxed = h("button", { type: "button", class: "quiet", text: "Box", "aria-label": "Show the detector's box", onclick: () => { boxes = !boxes; app.redraw(); } });
  const strip = h("ol", { class: "strip", "aria-label": "Pictures of the event" });
  const facts = h("dl", { class: "facts" });
  const zip = h("a", { class: "quiet", href: zipURL(camera, { event: id }), download: "" }, icon("down"), "Event as ZIP");
  const size = h("span", { class: "soft" });
  const save = h("a", { class: "quiet" }, icon("down"), "This picture", size);
  const note = h("p", { class: "trouble", role: "alert", hidden: true });
  root.append(h("div", { class: "head" }, h("div", null, back, title, where)), note,
    h("div", { class: "player" },
      h("div", { class: "stage" }, h("figure", { class: "screen" }, frame, caption),
        h("div", { class: "controls" }, toggle, prev, slide, next, rate, boxed), strip),
      h("aside", { "aria-label": "About the event" }, facts, h("div", { class: "controls" }, zip, save))));

  const live = () => app.store.cameras.get(camera)?.events.get(id);

  async function load() {
    if (!app.info.archive || !camera || !id) return;
    try {
      const { events } = await get("events", { camera, event: id });
      archived = events.length ? fromArchive(events[0]) : null;
      error = "";
    } catch (err) {
      error = err.message;
    }
    loading = false;
    app.redraw();
  }

  /** The event's pictures: those in memory, and the archive's for the rest. */
  function collect() {
    const all = new Map();
    for (const p of archived?.pictures ?? []) all.set(p.id, { ...p, url: pictureURL(camera, p.id) });
    for (const p of live()?.pics.values() ?? []) if (p.url) all.set(p.id, { ...all.get(p.id), ...p });
    const order = (p) => p.taken?.getTime() ?? 0;
    return [...all.values()].sort((a, b) => order(a) - order(b) || (a.id < b.id ? -1 : 1));
  }

  function move(i) {
    touched = true;
    at = Math.min(Math.max(i, 0), pics.length - 1);
    wanted = pics[at]?.id ?? "";
    app.redraw();
  }

  /** Brings the current picture into the strip's middle. */
  function centre() {
    const node = strip.querySelector("[aria-current]");
    if (!node) return;
    strip.scrollTo({ left: node.offsetLeft + node.offsetWidth / 2 - strip.clientWidth / 2, behavior: "instant" });
  }

  function step(by) {
    pause();
    move(at + by);
  }

  function play() {
    if (!touched || at >= pics.length - 1) move(0);
    const tick = () => {
      if (at >= pics.length - 1) return pause();
      const gap = pics[at + 1].taken - pics[at].taken;
      playing = setTimeout(() => { move(at + 1); tick(); }, Math.min(LONGEST_STEP, Math.max(SHORTEST_STEP, gap || 500)) / speed);
    };
    tick();
    app.redraw();
  }

  function pause() {
    clearTimeout(playing);
    playing = 0;
    app.redraw();
  }

  const keys = (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select, dialog")) return;
    if (e.key === " " && e.target.closest("button, a")) return;
    const act = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => { pause(); move(0); }, End: () => { pause(); move(pics.length - 1); }, " ": () => (playing ? pause() : play()) }[e.key];
    if (!act) return;
    e.preventDefault();
    act();
  };
  document.addEventListener("keydown", keys);
  img.addEventListener("error", () => { if (img.getAttribute("src")) text(blank, "This picture is gone"); show(blank, true); });
  img.addEventListener("load", () => show(blank, false));
  let soon = 0;
  app.store.onHistory = (c, e) => {
    if (c.name !== camera || e.id !== id) return;
    clearTimeout(soon);
    soon = setTimeout(load, 1500);
  };
  load();

  return {
    leave() {
      pause();
      clearTimeout(soon);
      document.removeEventListener("keydown", keys);
      app.store.onHistory = () => {};
    },
    update() {
      const e = live();
      const m = e?.summary ?? archived?.summary ?? {};
      const started = e?.started ?? archived?.started ?? null;
      pics = collect();
      if (!touched) wanted = goesOn(app.store.cameras.get(camera), m) ? pics.at(-1)?.id ?? "" : pics.some((p) => p.id === m.cover) ? m.cover : "";
      const found = pics.findIndex((p) => p.id === wanted);
      at = found >= 0 ? found : touched ? Math.min(Math.max(at, 0), pics.length - 1) : Math.min(0, pics.length - 1);
      const p = pics[at];
      if (!wanted && p) wanted = p.id;

      text(title, started ? time(started) : "Event");
      text(where, dotted([camera, started ? day(started) : "", started ? ago(started) : ""]));
      show(note, error);
      text(note, error);
      picture(img, p?.url ?? "", p ? `Picture ${at + 1} of ${pics.length}` : "");
      attr(img, "data-sha256", p?.sha256 || null);
      attr(img, "data-pic", p?.id ?? null);
      placeBox(box, boxes ? p?.box : null);
      if (!p) {
        show(blank, true);
        text(blank, loading ? "Loading…" : "No pictures of this event are here");
      }
      text(caption, p ? dotted([`${at + 1} of ${pics.length}`, time(p.taken), started && p.taken ? offset((p.taken - started) / 1000) : "", p.id === m.cover ? "the best one" : ""]) : "");
      text(word, playing ? "Pause" : "Play");
      attr(toggle, "data-playing", playing ? "yes" : null);
      for (const b of [toggle, prev, next, slide]) attr(b, "disabled", pics.length < 2 ? "" : null);
      attr(slide, "max", Math.max(0, pics.length - 1));
      if (Number(slide.value) !== at) slide.value = Math.max(at, 0);
      attr(slide, "aria-valuetext", `${at + 1} of ${pics.length}`);
      text(rate, `${speed}×`);
      attr(rate, "aria-label", `Speed ${speed} times`);
      attr(boxed, "aria-pressed", boxes);
      show(boxed, pics.some((x) => x.box));
      show(zip, archived);
      show(save, p);
      if (p) {
        text(size, Number.isFinite(p.bytes) ? bytes(p.bytes) : "");
        attr(save, "href", p.url);
        attr(save, "download", `${p.id.replace(/[^A-Za-z0-9-]/g, "_")}.jpg`);
      }
      keyed(strip, pics, (x) => x.id, () => thumb((picID) => { pause(); move(pics.findIndex((x) => x.id === picID)); }), (t, x) => t.update(x, x === p, pics.indexOf(x)));
      const place = `${at} of ${pics.length}`;
      if (place !== centred) centre();
      centred = place;
      drawFacts(facts, m, e, archived, pics, goesOn(app.store.cameras.get(camera), m));
    },
  };
}

const offset = (s) => `${s < 0 ? "−" : "+"}${Math.abs(s).toFixed(1)}\u00a0s`;

function thumb(choose) {
  const img = h("img", { loading: "lazy", decoding: "async", alt: "" });
  let id = "";
  const button = h("button", { type: "button", class: "thumb", onclick: () => choose(id) }, img);
  const node = h("li", null, button);
  return {
    node,
    update(p, current, i) {
      id = p.id;
      picture(img, p.url, "");
      attr(button, "aria-label", `Picture ${i + 1}, ${time(p.taken)}`);
      attr(button, "aria-current", current ? "true" : null);
    },
  };
}

function drawFacts(list, m, e, archived, pics, open) {
  const rows = [
    ["Trigger", trigger(e?.trigger || archived?.trigger)],
    ["Lasted", open ? "still going on" : span(m.duration_s)],
    ["Changed", percent(m.score ?? e?.score)],
    ["Pictures", Number.isFinite(m.frames) && m.frames !== pics.length ? `${pics.length} of ${m.frames}` : plural(pics.length, "picture", "pictures")],
    ["Still to come", m.queued > 0 ? String(m.queued) : ""],
    ["Given up", m.dropped > 0 ? plural(m.dropped, "picture", "pictures") : ""],
    ["Held back before", m.suppressed > 0 ? plural(m.suppressed, "trigger", "triggers") : ""],
    ["Best picture", typeof m.cover_why === "string" ? m.cover_why.slice(0, 200) : ""],
    ["Clock", m.clock === "unsynced" ? "the camera was not told the time" : ""],
  ].filter(([, v]) => v && v !== "–");
  keyed(list, rows, ([k]) => k, ([k]) => {
    const value = h("dd", { id: freshID() });
    return { node: h("div", null, h("dt", { text: k }), value), value };
  }, (part, [, v]) => text(part.value, v));
}
