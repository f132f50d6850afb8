// The timeline: events by day, from the server's archive and from what this
// page has heard itself.

import { get, pictureURL, zipURL } from "./api.js";
import { attr, h, icon, keyed, picture, show, text } from "./dom.js";
import { goesOn } from "./store.js";
import { bytes, day, dayKey, dotted, percent, plural, shortDay, span, time, trigger, when } from "./format.js";

const PAGE = 40;
const MOST = 1000; // events listed

/** An event as the archive lists it, in the form the page uses. */
export function fromArchive(a) {
  const m = a.summary ?? {};
  return {
    id: a.event_id, camera: a.camera, date: a.date, started: when(m.started_at) ?? when(a.started_at), summary: a.summary,
    trigger: typeof m.trigger === "string" ? m.trigger : "", score: m.score, archived: true,
    pictures: a.pictures.map((p) => ({ id: p.pic_id, bytes: p.bytes, taken: when(p.taken), box: m.boxes?.[p.pic_id] ?? null })),
  };
}

/** The picture that stands for an event: its cover, else the middle one. */
export function coverOf(app, e) {
  const inMemory = (id) => app.store.url(e.camera, id);
  const cover = typeof e.summary?.cover === "string" ? e.summary.cover : "";
  if (cover && inMemory(cover)) return inMemory(cover);
  if (e.archived) {
    const p = e.pictures.find((x) => x.id === cover) ?? e.pictures[Math.floor(e.pictures.length / 2)];
    return p ? pictureURL(e.camera, p.id) : "";
  }
  const pics = [...(e.pics?.values() ?? [])].filter((p) => p.url);
  return pics[Math.floor(pics.length / 2)]?.url ?? "";
}

export function eventsView(root, app, [camera = "", from = ""]) {
  let archived = new Map(); // camera + id → event
  let loading = false, more = app.info.archive, error = "";
  let until = null; // the archive is known back to here

  const pick = h("select", { id: "which" });
  const jump = h("input", { id: "day", type: "date", max: dayKey(new Date()), value: /^\d{4}-\d\d-\d\d$/.test(from) ? from : "" });
  const go = () => app.go(["events", encodeURIComponent(pick.value), jump.value].join("/").replace(/\/+$/, ""));
  pick.addEventListener("change", go);
  jump.addEventListener("change", go);
  const list = h("div", { class: "days" });
  const older = h("button", { type: "button", class: "quiet wide", text: "Older events", onclick: () => load() });
  const note = h("div", { class: "empty", role: "status" });
  const retry = h("button", { type: "button", class: "primary", text: "Try again", onclick: () => load() });
  const whichRow = h("div", { class: "field" }, h("label", { for: "which", text: "Camera" }), pick);
  const extent = h("p", { class: "soft" });
  root.append(h("div", { class: "head" }, h("div", null, h("h1", { text: "Events" }), extent),
    h("div", { class: "fields" }, whichRow, h("div", { class: "field" }, h("label", { for: "day", text: "Up to" }), jump))),
  list, note, retry, older);

  const end = jump.value ? new Date(`${jump.value}T23:59:59.999`) : null;

  async function load(to = until ?? end, quiet = false) {
    if (!app.info.archive || loading) return;
    loading = true;
    error = "";
    app.redraw();
    try {
      // To the end of the millisecond: the archive's clock is finer than ours, and
      // what began together with the last one listed may not have been. Those come again.
      const { events } = await get("events", { camera, to: to ? new Date(to.getTime() + 1).toISOString() : "", limit: PAGE });
      const before = archived.size;
      for (const a of events) archived.set(`${a.camera}/${a.event_id}`, fromArchive(a));
      if (!quiet) {
        more = events.length === PAGE && archived.size > before && archived.size < MOST;
        if (events.length) until = when(events.at(-1).started_at);
      }
      if (archived.size > MOST) archived = new Map([...archived].sort(([, a], [, b]) => b.started - a.started).slice(0, MOST));
    } catch (err) {
      error = err.message;
    }
    loading = false;
    app.redraw();
  }

  /** Tells how far back the archive goes, and bounds the picker to it. */
  async function reach() {
    if (!app.info.archive) return;
    const { days } = await get("days", { camera }).catch(() => ({ days: [] })); // load tells what is wrong
    if (!days.length) return;
    jump.min = days.at(-1).date;
    text(extent, `The archive goes back to ${day(new Date(`${jump.min}T12:00:00`))}: ${bytes(days.reduce((sum, d) => sum + d.bytes, 0))}.`);
  }
  reach();

  // A closed event: the archive has it, or will in a moment.
  let soon = 0;
  app.store.onHistory = () => {
    clearTimeout(soon);
    if (!end) soon = setTimeout(() => load(null, true), 1500);
  };
  load();

  return {
    leave() {
      clearTimeout(soon);
      app.store.onHistory = () => {};
    },
    update() {
      const names = [...new Set([...app.store.cameras.keys(), ...app.info.cameras, ...(camera ? [camera] : [])])].sort();
      keyed(pick, ["", ...names], (n) => n, (n) => h("option", { value: n, text: n || "All cameras" }));
      if (document.activeElement !== pick) pick.value = camera;
      show(whichRow, names.length > 1 || camera);

      const events = new Map(archived);
      for (const c of app.store.cameras.values()) {
        if (camera && c.name !== camera) continue;
        for (const e of c.events.values()) {
          const key = `${c.name}/${e.id}`;
          if (e.started && (!end || e.started <= end) && (e.pics.size || e.summary)) {
            const a = archived.get(key);
            if (!a) events.set(key, e);
            else if (!a.summary && e.summary) events.set(key, { ...a, summary: e.summary, trigger: e.trigger, score: e.score });
          }
        }
      }
      const days = new Map();
      for (const e of [...events.values()].filter((e) => e.started).sort((a, b) => b.started - a.started).slice(0, MOST)) {
        const k = dayKey(e.started);
        if (!days.has(k)) days.set(k, { key: k, events: [] });
        days.get(k).events.push(e);
      }
      const shown = [...days.values()];
      if (more && shown.length) shown.at(-1).rest = true; // the archive has more of that day, or may
      keyed(list, shown, (d) => d.key, (d) => daySection(app, d, camera), (s, d) => s.update(d));
      show(older, app.info.archive && more && !loading && !error && events.size > 0);
      show(retry, error !== "");
      const nothing = events.size === 0;
      const full = archived.size >= MOST;
      show(note, loading || error || nothing || full || !app.info.archive);
      text(note, error ? error : loading ? "Loading…"
        : nothing ? (end ? "No events up to that day." : "No events yet. When something moves, it appears here.")
          : full ? "For older events choose a day above."
            : !app.info.archive ? "This server keeps no archive: only what this page has heard since it was opened is listed." : "");
    },
  };
}

function daySection(app, first, camera) {
  const title = h("h2", { text: day(first.events[0].started) });
  const count = h("span", { class: "soft" });
  const downloads = h("span", { class: "downloads" });
  const list = h("ol", { class: "events" });
  const node = h("section", { class: "day" }, h("div", { class: "row" }, h("div", null, title, count), downloads), list);
  return {
    node,
    update(d) {
      text(count, d.rest ? `${plural(d.events.length, "event", "events")} shown` : plural(d.events.length, "event", "events"));
      const zips = [...new Set(d.events.filter((e) => e.archived).map((e) => e.date))].sort(); // in UTC: one of our days can touch two
      keyed(downloads, zips, (date) => date, (date) => {
        const word = h("span");
        return { word, node: h("a", { class: "quiet", href: zipURL(camera, { day: date }), download: "" }, icon("down"), word) };
      }, (part, date) => text(part.word, zips.length > 1 ? `ZIP of ${shortDay(date)}, UTC` : "ZIP"));
      keyed(list, d.events, (e) => `${e.camera}/${e.id}`, () => eventCard(app), (card, e) => card.update(e));
    },
  };
}

function eventCard(app) {
  const img = h("img", { loading: "lazy", decoding: "async" });
  const blank = h("span", { class: "blank", text: "No picture" });
  const start = h("strong");
  const name = h("span", { class: "soft" });
  const facts = h("span", { class: "facts" });
  const link = h("a", null, h("span", { class: "cover" }, img, blank), h("span", { class: "about" }, h("span", { class: "row" }, start, name), facts));
  const node = h("li", { class: "event" }, link);
  img.addEventListener("error", () => { img.hidden = true; blank.hidden = false; });
  return {
    node,
    update(e) {
      const m = e.summary ?? {};
      const url = coverOf(app, e);
      if (url !== img.getAttribute("src")) {
        picture(img, url, "");
        show(blank, !url);
      }
      text(start, time(e.started));
      text(name, e.camera);
      const n = e.archived ? e.pictures.length : Math.max(e.pics.size, Number.isFinite(m.frames) ? m.frames : 0);
      const parts = [trigger(e.trigger), goesOn(app.store.cameras.get(e.camera), m) ? "now" : Number.isFinite(m.duration_s) ? span(m.duration_s) : "", Number.isFinite(e.score) ? percent(e.score) : "", plural(n, "picture", "pictures")];
      if (m.dropped > 0) parts.push(`${m.dropped} given up`);
      text(facts, dotted(parts));
      attr(link, "href", `./#event/${encodeURIComponent(e.camera)}/${encodeURIComponent(e.id)}`);
    },
  };
}
