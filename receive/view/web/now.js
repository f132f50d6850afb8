// The view of now: each camera with its newest picture, its switch and button,
// and the event as its pictures fill in piece by piece.

import { get, pictureURL } from "./api.js";
import { attr, freshID, h, icon, keyed, picture, placeBox, show, text } from "./dom.js";
import { fromArchive } from "./events.js";
import { age, ago, dotted, moment, percent, plural, span, time, trigger, when } from "./format.js";
import { goesOn } from "./store.js";
import { troubles } from "./trouble.js";

const NEWS = 4000; // ms that the news of an event may take after its motion
const OLD = 15_000; // ms from which a live picture is not called live

export function nowView(root, app) {
  const title = h("h1", { class: "unseen", text: "Now" });
  const grid = h("div", { class: "cameras" });
  const empty = h("div", { class: "empty" });
  root.append(title, grid, empty);
  return {
    update() {
      const cameras = [...app.store.cameras.values()];
      attr(grid, "data-count", Math.min(cameras.length, 2));
      keyed(grid, cameras, (c) => c.name, (c) => cameraCard(app, c.name), (card, c) => card.update(c));
      show(empty, cameras.length === 0);
      if (cameras.length) return;
      text(empty, {
        connecting: "Connecting to the broker…",
        online: `Connected. No camera has spoken under “${app.info.base}/” yet: as soon as one does, it appears here.`,
        lost: "No link, so no cameras are known yet.", denied: "The broker's login is needed.",
      }[app.link.state]);
    },
  };
}

function cameraCard(app, name) {
  const id = freshID();
  const state = h("span", { class: "state" });
  const motion = h("p", { class: "motion" });
  const still = h("p", { class: "still soft" });
  const img = h("img", { class: "shot", decoding: "sync" });
  const box = h("div", { class: "box", hidden: true });
  const blank = h("p", { class: "blank" });
  const caption = h("figcaption");
  const screen = h("figure", { class: "screen" }, h("div", { class: "frame" }, img, box, blank), caption);
  const armed = h("button", { type: "button", role: "switch", class: "switch", "aria-checked": "false" }, h("span", { class: "knob" }), h("span", { class: "unseen", text: `${name}: ` }), h("span", { class: "word" }));
  const shoot = h("button", { type: "button", class: "primary" }, icon("camera"), h("span", { text: "Take pictures" }));
  const live = h("button", { type: "button", class: "quiet", "aria-pressed": "false", text: "Live" });
  const trouble = h("p", { class: "trouble", role: "alert", hidden: true });
  const eventTitle = h("h3");
  const eventMeta = h("p", { class: "soft" });
  const eventLink = h("a", { class: "more", text: "Play" });
  const tiles = h("ol", { class: "tiles" });
  const burst = h("section", { class: "burst", "aria-labelledby": `${id}e` }, h("div", { class: "row" }, h("div", null, eventTitle, eventMeta), eventLink), tiles);
  eventTitle.id = `${id}e`;
  const node = h("article", { class: "camera", "aria-labelledby": id },
    h("header", null, h("h2", { id, text: name }), state, h("div", { class: "answer" }, motion, still)), screen,
    h("div", { class: "controls" }, armed, live, shoot), trouble, burst);

  const camera = () => app.store.cameras.get(name);
  let showLive = false, paused = false; // paused: it moves, and no event tells of it
  let follow = true; // the newest tile, unless a hand looks elsewhere
  tiles.addEventListener("scroll", () => { follow = tiles.scrollLeft + tiles.clientWidth >= tiles.scrollWidth - 40; });
  let past = { id: "", pics: [] }; // of an event before this page was opened
  const no = (what) => { camera().unanswered = what; app.redraw(); };
  armed.addEventListener("click", () => {
    const to = (camera().pending.get("armed")?.value ?? camera().armed) === "ON" ? "OFF" : "ON";
    if (!app.set(camera(), "armed", to)) no("armed");
  });
  shoot.addEventListener("click", () => {
    if (!app.command(camera(), "capture", "PRESS")) return no("capture");
    camera().asked = Date.now();
    camera().unanswered = "";
    app.redraw();
  });
  live.addEventListener("click", () => { showLive = !showLive; app.redraw(); });

  return {
    node,
    update(c) {
      const offline = c.status === "offline";
      const since = c.statusAt ? ` since ${moment(new Date(c.statusAt))}` : "";
      text(state, c.status === "online" ? "Online" : offline ? `Offline${since}` : "Not heard of yet");
      attr(state, "data-state", c.status === "online" ? "online" : "offline");
      const moves = c.motion === "ON" && !offline && app.link.state === "online";
      text(motion, movingFor(c));
      show(motion, moves);
      attr(node, "data-motion", moves ? "on" : null);
      paused = moves && c.lastEvent !== null && !goesOn(c, c.lastEvent) && Date.now() - c.motionAt > NEWS;
      text(still, paused ? "No pictures of this: the camera pauses after an event." : moves ? "" : stillThere(app, c));
      show(still, still.textContent !== "");

      drawEvent(app, c);
      drawPicture(c);
      text(blank, offline ? "Offline, and no picture yet" : "No picture yet");
      show(live, c.live);
      attr(live, "aria-pressed", showLive);

      const pending = c.pending.get("armed");
      const on = (pending?.value ?? c.armed) === "ON";
      attr(armed, "aria-checked", on);
      attr(armed, "aria-busy", pending ? "true" : null);
      attr(armed, "disabled", c.armed === "" ? "" : null);
      text(armed.querySelector(".word"), pending ? (on ? "Arming…" : "Disarming…") : c.armed === "" ? "Armed: unknown" : on ? "Armed" : "Disarmed");
      attr(shoot, "aria-busy", c.asked ? "true" : null);
      text(shoot.querySelector("span"), c.asked ? "Asked…" : "Take pictures");

      const faults = troubles(app, c);
      show(trouble, faults !== "");
      text(trouble, faults);
    },
  };

  /** While it moves the newest picture; when it is over the one that shows best what it was. */
  function drawPicture(c) {
    const over = c.lastEvent?.phase === "closed" && c.lastEvent.event_id === c.current;
    const pics = c.events.get(c.current)?.pics;
    const best = over ? pics?.get(c.lastEvent.cover) : null;
    const newest = [...(pics?.values() ?? [])].filter((x) => x.url).reduce((a, b) => (a && a.seq > b.seq ? a : b), null) ?? c.newest;
    const p = best?.url ? best : newest?.url ? newest : null;
    const isLive = (showLive || paused) && c.live;
    const whole = isLive ? c.live : p ? null : c.cover ?? c.live;
    picture(img, whole?.url ?? p?.url ?? "", isLive ? `Live picture of ${name}` : `${p && p !== best ? "Newest" : "Best"} picture of ${name}`);
    attr(img, "data-sha256", whole ? null : p?.sha256);
    attr(img, "data-pic", whole ? null : p?.id);
    placeBox(box, whole ? (whole === c.cover && over ? past.pics.find((x) => x.id === c.lastEvent.cover)?.box : null) : p?.box);
    show(blank, !whole && !p);
    const taken = (what, t) => dotted([what, t ? `${moment(t)}, ${ago(t)}` : ""]);
    text(caption, !whole && !p ? "" : isLive || (whole && whole === c.live) ? (Date.now() - whole.at < OLD ? `Live, ${time(new Date(whole.at))}` : taken("Last live picture", new Date(whole.at)))
      : p && p !== best ? taken("Newest picture", p.taken)
        : taken(over ? "Best picture of the event" : "Picture of the event", p?.taken ?? when(c.lastEvent?.started_at)));
    show(caption, caption.textContent !== "");
  }

  function drawEvent(app, c) {
    const e = c.events.get(c.current);
    show(burst, e);
    if (!e) return;
    if (e.id !== past.id && app.info.archive) { // begun before this page was opened
      past = { id: e.id, pics: [] };
      if (!e.witnessed) recall(app, name, past);
    }
    const known = new Map(e.id === past.id ? past.pics.map((p) => [p.id, p]) : []);
    for (const p of e.pics.values()) known.set(p.id, p);
    const pics = [...known.values()].sort((a, b) => a.seq - b.seq);
    const done = pics.filter((p) => p.state === "done").length;
    const lost = pics.filter((p) => p.state === "lost").length;
    const m = e.summary;
    const open = m ? goesOn(c, m) : c.motion === "ON" && c.status === "online";
    text(eventTitle, `${open ? "Event now" : "Last event"}, ${moment(e.started ?? new Date(e.seen))}`);
    const parts = [trigger(e.trigger)];
    if (Number.isFinite(m?.duration_s) && !open) parts.push(span(m.duration_s));
    if (Number.isFinite(e.score)) parts.push(percent(e.score) + " changed");
    const total = Math.max(pics.length, Number.isFinite(m?.frames) ? m.frames : 0);
    if (pics.length) parts.push(`${done} of ${plural(total, "picture", "pictures")}`);
    if (lost) parts.push(`${lost} incomplete`);
    if (m?.queued > 0) parts.push(`${m.queued} still to come`);
    if (m?.dropped > 0) parts.push(`${m.dropped} given up`);
    if (m?.suppressed > 0) parts.push(`${plural(m.suppressed, "trigger", "triggers")} held back`);
    text(eventMeta, dotted(parts));
    attr(eventLink, "href", `./#event/${encodeURIComponent(name)}/${encodeURIComponent(e.id)}`);
    attr(eventLink, "aria-label", `Play this event of ${name}`);
    show(eventLink, pics.length);
    keyed(tiles, pics, (p) => p.id, () => tile(app, camera, e.id), (t, p) => t.update(p));
    if (open && follow) tiles.scrollLeft = tiles.scrollWidth;
  }
}

/** Fills in an event's pictures from the archive. */
async function recall(app, camera, into) {
  const found = await get("events", { camera, event: into.id }).catch(() => null); // the event's own page tells why
  if (!found?.events.length) return;
  into.pics = fromArchive(found.events[0]).pictures.map((p, i) => ({
    id: p.id, seq: Number(/-(\d+)$/.exec(p.id)?.[1] ?? i), state: "done", url: pictureURL(camera, p.id), taken: p.taken, box: p.box, size: 1, have: 1, sha256: "",
  }));
  app.redraw();
}

/** Is it still there? Empty where nothing is known of it. */
function stillThere(app, c) {
  if (app.link.state !== "online") return c.motion === "ON" ? "It moved when it was last heard of." : "";
  if (!c.status) return "";
  if (c.status === "offline") return "What moves there now is not known.";
  if (c.armed === "OFF") return "Not watching: disarmed.";
  if (c.motion !== "OFF") return "";
  if (c.motionAt) return `Quiet for ${age((Date.now() - c.motionAt) / 1000)}.`;
  const ended = when(c.lastEvent?.ended_at);
  return ended ? `Quiet. The last event ended ${ago(ended)}.` : "Quiet.";
}

/** Since when it moves. */
function movingFor(c) {
  const since = c.motionAt || (goesOn(c, c.lastEvent) ? when(c.lastEvent.started_at)?.getTime() : 0);
  return since ? `Moving for ${age((Date.now() - since) / 1000)}` : "Moving";
}

/** One picture of the event: its pieces as a bar until it is whole. */
function tile(app, camera, eventID) {
  const img = h("img", { decoding: "async" });
  const bar = h("progress", { max: 1, value: 0 });
  const label = h("span", { class: "unseen" });
  const word = h("span", { class: "word" });
  const link = h("a", { class: "thumb" }, img, bar, label, word);
  const again = h("button", { type: "button", class: "quiet", text: "Ask again", hidden: true });
  const node = h("li", null, link, again);
  let pic = null;
  again.addEventListener("click", () => {
    if (app.command(camera(), "resend", JSON.stringify({ pic_id: pic.id }))) app.store.again(camera(), pic);
  });
  return {
    node,
    update(p) {
      pic = p;
      attr(node, "data-state", p.state);
      attr(node, "data-pic", p.id);
      attr(node, "data-sha256", p.sha256 || null);
      picture(img, p.url, "");
      show(bar, p.state === "coming");
      attr(bar, "max", Math.max(p.size, 1));
      bar.value = Math.min(p.have, p.size);
      attr(bar, "aria-label", `Pieces of picture ${p.seq + 1}`);
      text(word, p.state === "done" ? time(p.taken) : p.state === "lost" ? (p.reason || `${p.have} of ${p.size}`) : `${p.have} of ${p.size}`);
      text(label, `Picture ${p.seq + 1}${{ lost: " incomplete, pieces:", coming: ", pieces:" }[p.state] ?? ""} `);
      if (p.state === "done") attr(link, "href", `./#event/${encodeURIComponent(camera().name)}/${encodeURIComponent(eventID)}/${encodeURIComponent(p.id)}`);
      show(again, p.state === "lost");
    },
  };
}
