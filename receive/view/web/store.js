// What the page knows of the cameras. Everything that strangers can make grow
// has a limit; what comes from the wire is kept as data, never as markup.

import { Assembler, Refused } from "./chunk.js";
import { when } from "./format.js";

const MAX_CAMERAS = 64;
const MAX_EVENTS = 40; // a camera, in memory
const MAX_TILES = 100; // pictures of one event
const MAX_KEPT = 64 << 20; // bytes of finished pictures
const MAX_OPEN = 64 << 20; // bytes of unfinished ones, over all cameras
const MAX_PICTURE = 16 << 20;
const MAX_STATE = 64 << 10;
const MAX_SCORES = 240; // two minutes
const MAX_HEALTH = 480; // eight hours
const LONG_SILENCE = 8000; // ms without an echo before a command counts as unanswered
const NO_RESEND = 60_000; // ms without a piece before a picture that was asked for counts as lost
const MAX_WHOLE = 64 << 20; // bytes of covers and live pictures, over all cameras

/** The topics below <base>/<camera>/ that the page reads, with their QoS. */
export const TOPICS = {
  status: 1, motion: 1, event: 1, last_event: 1, history: 1, image: 1, live: 0, chunk: 1, health: 0, score: 0,
  armed: 1, trigger: 1, cooldown: 1, sensitivity: 1, masks: 1, "resend/result": 1,
};

const text = new TextDecoder();
const decode = (payload, limit = MAX_STATE) => (payload.length > limit ? null : text.decode(payload));

function parse(payload) {
  try {
    const v = JSON.parse(decode(payload));
    return typeof v === "object" && v !== null && !Array.isArray(v) ? v : null;
  } catch {
    return null;
  }
}

/** The event a picture belongs to: pic_id up to its last "-" where digits follow. */
export function eventOf(picID) {
  const m = /^(.+)-\d+$/.exec(picID);
  return m ? m[1] : picID;
}

/** Whether an event still goes on, as far as its camera can be heard. */
export const goesOn = (c, m) => m?.phase === "open" && c?.status === "online";

/** One camera's state. */
class Camera {
  status = ""; statusAt = 0; motion = ""; motionAt = 0; armed = ""; trigger = ""; cooldown = null; sensitivity = null;
  masks = null; health = null; healthAt = 0; lastEvent = null;
  cover = null; live = null; // {url, at}
  newest = null; // the picture finished last
  current = ""; // id of the event now
  events = new Map(); // id → event, oldest first
  scores = []; scoreBox = null; tuned = 0;
  log = []; // health over time
  pending = new Map(); // setting → {value, at}
  awaited = new Set(); // pictures asked for again
  unanswered = "";
  refused = 0; incomplete = 0;
  asked = 0; // when a capture was asked for

  constructor(name) {
    this.name = name;
    this.pieces = new Assembler({ open: 24, bytes: 24 << 20, picture: MAX_PICTURE, timeout: 60_000, done: 512 });
  }

  event(id) {
    let e = this.events.get(id);
    if (!e) {
      e = { id, camera: this.name, started: null, ended: null, trigger: "", score: null, summary: null, pics: new Map(), seen: Date.now() };
      this.events.set(id, e);
    }
    return e;
  }
}

export class Store {
  cameras = new Map();
  kept = 0; // bytes of finished pictures
  held = 0; // bytes of covers and live pictures
  refusedCameras = 0;
  changed = () => {};
  onEvent = () => {};
  onHistory = () => {};
  #pictures = new Set(); // finished ones, oldest first
  #wholes = new Set(); // covers and live pictures, oldest first

  constructor(base) {
    this.base = base;
  }

  camera(name) {
    let c = this.cameras.get(name);
    if (!c) {
      if (this.cameras.size >= MAX_CAMERAS || name.length > 200) {
        this.refusedCameras++;
        return null;
      }
      c = new Camera(name);
      c.log = loadLog(name);
      this.cameras.set(name, c);
      this.cameras = new Map([...this.cameras].sort(([a], [b]) => (a < b ? -1 : 1)));
    }
    return c;
  }

  /** A new connection: what the broker retains comes again; what it has forgotten is not known any more. */
  connected() {
    for (const c of this.cameras.values()) {
      c.status = "";
      c.motion = "";
      c.motionAt = 0;
    }
  }

  /** Takes one message of the broker's. */
  message(topic, payload, retained) {
    if (!topic.startsWith(this.base + "/")) return;
    const rest = topic.slice(this.base.length + 1);
    const cut = rest.indexOf("/");
    if (cut <= 0) return;
    const name = rest.slice(cut + 1);
    if (!Object.hasOwn(TOPICS, name)) return;
    const c = this.camera(rest.slice(0, cut));
    if (!c) return;
    switch (name) {
      case "chunk": this.#chunk(c, payload); break;
      case "image": this.#whole(c, "cover", payload); break;
      case "live": this.#whole(c, "live", payload); break;
      case "status": {
        const now = decode(payload, 100) ?? "";
        if (now !== c.status) {
          c.status = now;
          c.statusAt = retained ? 0 : Date.now();
          this.#note(c);
        }
        break;
      }
      case "motion": {
        const now = decode(payload, 100) ?? "";
        if (now !== c.motion) {
          c.motion = now;
          c.motionAt = retained ? 0 : Date.now(); // 0: since when is not known
        }
        break;
      }
      case "armed": case "trigger": c[name] = decode(payload, 100) ?? ""; this.#echo(c, name); break;
      case "cooldown": case "sensitivity": {
        const v = Number(decode(payload, 100));
        c[name] = Number.isFinite(v) ? v : null;
        this.#echo(c, name);
        break;
      }
      case "masks": c.masks = payload.length ? masksOf(parse(payload)) : null; this.#echo(c, name); break;
      case "health":
        c.health = parse(payload);
        c.healthAt = retained ? 0 : Date.now();
        this.#note(c);
        break;
      case "score": this.#score(c, parse(payload)); break;
      case "event": this.#event(c, parse(payload)); break;
      case "last_event": this.#summary(c, parse(payload), true); break;
      case "history": this.#summary(c, parse(payload), false); break;
      case "resend/result": this.#resent(c, parse(payload)); break;
    }
    this.changed();
  }

  #echo(c, name) {
    c.pending.delete(name);
    if (c.unanswered === name) c.unanswered = "";
  }

  #chunk(c, payload) {
    if (payload.length > 1 << 20) { c.refused++; return; }
    let open = 0;
    for (const other of this.cameras.values()) open += other.pieces.bytes;
    if (open > MAX_OPEN) { c.refused++; return; }
    let r;
    try {
      r = c.pieces.add(performance.now(), text.decode(payload));
    } catch (err) {
      if (!(err instanceof Refused)) throw err;
      c.refused++;
      c.lastRefusal = err.message.slice(0, 200);
      return;
    }
    if (r.duplicate) return;
    const e = this.#eventFor(c, r.head?.eventID || eventOf(r.picID));
    let p = e.pics.get(r.picID);
    if (!p) {
      if (e.pics.size >= MAX_TILES) this.#drop(e, e.pics.values().next().value);
      const seq = Number(/-(\d+)$/.exec(r.picID)?.[1] ?? e.pics.size);
      p = { id: r.picID, seq, have: 0, size: r.size, state: "coming", url: "", bytes: 0, sha256: "", box: null, taken: null };
      e.pics.set(r.picID, p);
    }
    p.state = "coming";
    c.awaited.delete(p);
    p.have = r.have;
    p.size = r.size;
    if (!r.done) return;
    const d = r.done;
    Object.assign(p, {
      state: "done", size: r.have, url: URL.createObjectURL(new Blob([d.jpeg], { type: "image/jpeg" })),
      bytes: d.jpeg.length, sha256: d.sha256, box: d.box, taken: when(d.taken), event: e,
    });
    this.#pictures.add(p);
    this.kept += p.bytes;
    if (!e.started && p.taken) e.started = p.taken;
    if (!c.newest || c.newest.state !== "done" || !(p.taken < c.newest.taken)) c.newest = p;
    for (const old of this.#pictures) {
      if (this.kept <= MAX_KEPT) break;
      if (old !== p) this.#drop(old.event, old);
    }
  }

  /** Forgets a picture; its bytes go with its URL. */
  #drop(e, p) {
    e.pics.delete(p.id);
    if (!this.#pictures.delete(p)) return;
    this.kept -= p.bytes;
    URL.revokeObjectURL(p.url);
    p.url = "";
  }

  /** The event for what just came, which is the one now unless it is an older one's. */
  #eventFor(c, id) {
    const known = c.events.has(id);
    const e = c.event(id);
    if (!known) {
      if (!c.current || !(id.length === c.current.length && id < c.current)) c.current = id;
      for (const [old, o] of c.events) {
        if (c.events.size <= MAX_EVENTS) break;
        if (old === id || old === c.current) continue;
        for (const p of [...o.pics.values()]) this.#drop(o, p);
        c.events.delete(old);
      }
    }
    return e;
  }

  #event(c, m) {
    if (typeof m?.event_id !== "string" || m.event_id.length > 128) return;
    if (m.event_type === "suppressed") return;
    const e = this.#eventFor(c, m.event_id);
    if (m.event_type === "motion_start" || m.event_type === "manual") {
      e.witnessed = true;
      e.started ??= when(m.at);
      e.trigger = m.event_type === "manual" ? "manual" : String(m.trigger ?? "");
      if (m.event_type === "manual") {
        c.asked = 0;
        this.#echo(c, "capture");
      }
      c.current = m.event_id;
      this.onEvent(c, e, m.event_type);
    } else if (m.event_type === "motion_end") {
      e.ended = when(m.at);
    }
    if (Number.isFinite(m.score)) e.score = m.score;
  }

  #summary(c, m, last) {
    if (typeof m?.event_id !== "string" || m.event_id.length > 128) return;
    const e = this.#eventFor(c, m.event_id);
    e.summary = m;
    e.started = when(m.started_at) ?? e.started;
    e.ended = when(m.ended_at) ?? e.ended;
    if (typeof m.trigger === "string") e.trigger = m.trigger;
    if (Number.isFinite(m.score)) e.score = m.score;
    if (last) {
      c.lastEvent = m;
      c.current = m.event_id;
    } else this.onHistory(c, e);
  }

  #resent(c, m) {
    if (typeof m?.pic_id !== "string" || m.ok) return;
    const p = c.events.get(eventOf(m.pic_id))?.pics.get(m.pic_id);
    if (p && p.state !== "done") {
      p.state = "lost";
      p.reason = String(m.reason ?? "").slice(0, 60);
    }
  }

  #whole(c, what, payload) {
    const jpeg = payload.length > 2 && payload.length <= MAX_PICTURE && payload[0] === 0xff && payload[1] === 0xd8;
    if (!jpeg) {
      if (payload.length) c.refused++;
      return;
    }
    this.#release(c[what]);
    c[what] = { url: URL.createObjectURL(new Blob([payload], { type: "image/jpeg" })), at: Date.now(), bytes: payload.length, of: c, what };
    this.#wholes.add(c[what]);
    this.held += payload.length;
    for (const old of this.#wholes) {
      if (this.held <= MAX_WHOLE) break;
      if (old !== c[what]) this.#release(old);
    }
  }

  /** Forgets a cover or live picture. */
  #release(w) {
    if (!this.#wholes.delete(w)) return;
    this.held -= w.bytes;
    URL.revokeObjectURL(w.url);
    w.of[w.what] = null;
  }

  #score(c, m) {
    if (!m || !Number.isFinite(m.score)) return;
    c.scores.push({ t: Date.now(), score: m.score, threshold: Number.isFinite(m.threshold) ? m.threshold : null });
    if (c.scores.length > MAX_SCORES) c.scores.shift();
    c.scoreBox = m.box;
  }

  /** Adds a point to the log behind the health charts: one a minute, and one at each change of status. */
  #note(c) {
    const f = c.health ?? {};
    const n = (v) => (Number.isFinite(v) && Math.abs(v) < 1e12 ? v : null);
    const point = { t: Date.now(), on: c.status === "online" ? 1 : 0, q: n(f.queue_pictures), d: n(f.dropped), s: n(f.suppressed), c: n(f.cpu_c), f: n(f.fps) };
    const last = c.log.at(-1);
    if (last && point.t - last.t < 20_000 && last.on === point.on) c.log[c.log.length - 1] = { ...point, t: last.t };
    else c.log.push(point);
    if (c.log.length > MAX_HEALTH) c.log.splice(0, c.log.length - MAX_HEALTH);
    saveLog(c);
  }

  /** Notes that a setting was asked for; its echo on the wire answers. */
  asked(c, name, value) {
    c.pending.set(name, { value, at: Date.now() });
    c.unanswered = "";
    this.changed();
  }

  /** Notes that a lost picture was asked for again. */
  again(c, p) {
    Object.assign(p, { state: "coming", asked: performance.now() });
    c.awaited.add(p);
    if (c.awaited.size > MAX_TILES) c.awaited.delete(c.awaited.values().next().value);
    this.changed();
  }

  /** Gives up what did not come in time; call it every second. */
  expire() {
    let any = false;
    for (const c of this.cameras.values()) {
      for (const gone of c.pieces.expire(performance.now())) {
        any = true;
        c.incomplete++;
        const p = c.events.get(gone.eventID || eventOf(gone.picID))?.pics.get(gone.picID);
        if (p && p.state === "coming") Object.assign(p, { state: "lost", reason: "", have: gone.have });
      }
      for (const p of c.awaited) {
        if (p.state === "coming" && performance.now() - p.asked < NO_RESEND) continue;
        c.awaited.delete(p);
        if (p.state !== "coming") continue;
        any = true;
        Object.assign(p, { state: "lost", reason: "no answer" });
      }
      for (const [name, p] of c.pending) {
        if (Date.now() - p.at < LONG_SILENCE) continue;
        any = true;
        c.pending.delete(name);
        c.unanswered = name;
      }
      if (c.asked && Date.now() - c.asked > 2 * LONG_SILENCE) {
        any = true;
        c.asked = 0;
        c.unanswered = "capture";
      }
    }
    if (any) this.changed();
  }

  /** A picture's URL in this page's memory, or "". */
  url(camera, picID) {
    return this.cameras.get(camera)?.events.get(eventOf(picID))?.pics.get(picID)?.url ?? "";
  }
}

const KINDS = ["ignore", "watch", "privacy"];

/** Reads masks, and only what has their form. */
export function masksOf(m) {
  const out = { ignore: [], watch: [], privacy: [] };
  const fraction = (v) => Number.isFinite(v) && v >= 0 && v <= 1;
  for (const kind of KINDS) {
    for (const polygon of Array.isArray(m?.[kind]) ? m[kind].slice(0, 64) : []) {
      if (!Array.isArray(polygon) || polygon.length < 3 || polygon.length > 256) continue;
      if (polygon.every((p) => Array.isArray(p) && p.length === 2 && p.every(fraction))) out[kind].push(polygon.map((p) => [...p]));
    }
  }
  return out;
}

const logKey = (name) => `pirwatch.health.${name}`;
let unsaved = 0;

function loadLog(name) {
  try {
    const log = JSON.parse(localStorage.getItem(logKey(name)));
    const from = Date.now() - 8 * 3600e3;
    return Array.isArray(log) ? log.filter((p) => p && Number.isFinite(p.t) && p.t > from && p.t <= Date.now()).slice(-MAX_HEALTH) : [];
  } catch {
    return [];
  }
}

/** Keeps the log over a reload; the browser may refuse, and then the charts begin anew. */
function saveLog(c) {
  if (Date.now() - (c.saved ?? 0) < 20_000) return;
  c.saved = Date.now();
  try {
    if (unsaved > 3) return;
    const others = Object.keys(localStorage).filter((k) => k.startsWith(logKey("")) && k !== logKey(c.name));
    if (others.length > 8) localStorage.removeItem(others[0]);
    localStorage.setItem(logKey(c.name), JSON.stringify(c.log));
  } catch {
    unsaved++;
  }
}
