// The reassembler: pieces in, pictures out. It is the twin of publish/chunk's
// Assembler in Go and passes the same vectors; protocol.md, "A picture in
// pieces", is the specification of both. No DOM, no clock of its own.

import { sha256 } from "./sha256.js";

const PIECE_COST = 64; // bytes that keeping a piece costs beside its characters
const MAX_ID = 128;
const MAX_INT = 2 ** 31 - 1;

/** Why a piece or a picture was refused; reason is one of format, base64, range, size, mismatch, limit. */
export class Refused extends Error {
  constructor(reason, message) {
    super(message);
    this.reason = reason;
  }
}

const refuse = (reason, message) => { throw new Refused(reason, message); };

/** Takes one message apart: bare or inside d, as an object or as a string that holds JSON. */
export function parse(text) {
  let m = json(text, "");
  if (isObject(m) && m.d !== undefined && m.d !== null) m = typeof m.d === "string" ? json(m.d, "inside d: ") : m.d;
  if (!isObject(m)) refuse("format", "not a JSON object");
  const get = (key, type) => {
    const v = m[key];
    if (v === undefined || v === null) return undefined;
    if (typeof v !== type) refuse("format", `${key} is not a ${type}`);
    return v;
  };
  const p = {
    data: get("data", "string"), picID: get("pic_id", "string"), pos: get("pos", "number"), size: get("size", "number"),
  };
  const h = {
    eventID: get("event_id", "string") ?? "", seq: get("seq", "number") ?? 0, bytes: get("bytes", "number") ?? 0,
    sha256: get("sha256", "string") ?? "", ts: get("ts", "string") ?? "", box: null,
  };
  if (p.data === undefined || !p.picID || p.pos === undefined || p.size === undefined) {
    refuse("format", "data, pic_id, pos or size is missing");
  }
  if ([p.picID, h.eventID, h.sha256].some((s) => byteLength(s) > MAX_ID)) refuse("format", `an id of more than ${MAX_ID} bytes`);
  if (![p.pos, p.size, h.seq, h.bytes].every((v) => Number.isInteger(v) && Math.abs(v) <= MAX_INT) || p.size < 0 || h.seq < 0 || h.bytes < 0) {
    refuse("format", "pos, size, seq or bytes is not a whole number");
  }
  const box = m.box;
  if (box !== undefined && box !== null) {
    if (!Array.isArray(box) || !box.every((v) => typeof v === "number")) refuse("format", "box is not a list of numbers");
    h.box = [0, 1, 2, 3].map((i) => box[i] ?? 0);
  }
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(p.data)) refuse("base64", `bad base64 in piece ${p.pos}`);
  p.head = h.eventID || h.sha256 || h.bytes > 0 || h.ts ? h : null;
  return p;
}

function json(text, where) {
  try {
    return JSON.parse(text);
  } catch (err) {
    return refuse("format", where + err.message);
  }
}

const isObject = (v) => typeof v === "object" && v !== null && !Array.isArray(v);

function byteLength(s) {
  let n = 0;
  for (const c of s) n += c.codePointAt(0) < 0x80 ? 1 : c.codePointAt(0) < 0x800 ? 2 : c.codePointAt(0) < 0x10000 ? 3 : 4;
  return n;
}

/** Puts pieces together, within limits; times are milliseconds of a clock that only goes forward. */
export class Assembler {
  #open = new Map();
  #done = new Set();
  #limits;
  bytes = 0;

  constructor(limits = {}) {
    this.#limits = { open: 64, bytes: 64 << 20, picture: 16 << 20, pieces: 65536, payload: 1 << 20, timeout: 120_000, done: 1024, ...limits };
  }

  /** How many pictures are unfinished. */
  get open() { return this.#open.size; }

  /**
   * Takes one message (a string). Returns {picID, pos, have, size, duplicate, done};
   * done is null or {picID, eventID, seq, taken, box, jpeg: Uint8Array, sha256}.
   * Throws Refused; nothing of the message is kept then, with "mismatch" nothing of the picture.
   */
  add(now, text) {
    const limits = this.#limits;
    if (text.length > limits.payload) refuse("limit", `piece of ${text.length} characters`);
    const p = parse(text);
    const r = { picID: p.picID, pos: p.pos, have: 0, size: p.size, duplicate: false, done: null, head: p.head };
    if (p.size > limits.pieces) refuse("limit", `picture of ${p.size} pieces`);
    if (p.pos < 0 || p.pos > p.size) refuse("range", `pos ${p.pos} with size ${p.size}`);
    if (this.#done.has(p.picID)) return { ...r, duplicate: true };
    let d = this.#open.get(p.picID);
    if (!d) {
      if (this.#open.size >= limits.open) refuse("limit", `${this.#open.size} pictures are open already`);
      d = { size: p.size, pieces: new Map(), low: 0, chars: 0, updated: now, head: null };
    }
    if (d.size !== p.size) refuse("size", `size ${p.size}, was ${d.size}`);
    if (d.pieces.has(p.pos)) return { ...r, have: d.pieces.size, duplicate: true };
    if (Math.floor((d.chars + p.data.length) / 4) * 3 > limits.picture + 2 || (p.head && p.head.bytes > limits.picture)) {
      refuse("limit", `picture larger than ${limits.picture} bytes`);
    }
    if (this.bytes + p.data.length + PIECE_COST > limits.bytes) refuse("limit", `unfinished pictures hold ${this.bytes} bytes already`);
    if (p.pos === 0) d.head = p.head;
    this.#open.set(p.picID, d);
    d.pieces.set(p.pos, p.data);
    d.chars += p.data.length;
    this.bytes += p.data.length + PIECE_COST;
    d.updated = now;
    while (d.pieces.has(d.low)) d.low++;
    r.have = d.pieces.size;
    let jpeg;
    try {
      jpeg = finish(d, limits.picture);
    } catch (err) {
      this.#drop(p.picID);
      throw err;
    }
    if (!jpeg) return r;
    this.#drop(p.picID);
    this.#done.add(p.picID);
    if (this.#done.size > limits.done) this.#done.delete(this.#done.values().next().value);
    const h = d.head;
    r.done = {
      picID: p.picID, eventID: h?.eventID ?? "", seq: h?.seq ?? 0, taken: h?.ts ?? "", box: h?.box ?? null,
      jpeg: jpeg.bytes, sha256: jpeg.sum,
    };
    return r;
  }

  /** Gives up the pictures without a new piece for the time-out; returns [{picID, eventID, have, size, missing}]. */
  expire(now) {
    const out = [];
    for (const [picID, d] of this.#open) {
      if (now - d.updated < this.#limits.timeout) continue;
      const missing = [];
      for (let pos = 0; pos < Math.max(1, d.size) && missing.length < 1000; pos++) if (!d.pieces.has(pos)) missing.push(pos);
      out.push({ picID, eventID: d.head?.eventID ?? "", have: d.pieces.size, size: d.size, missing });
      this.#drop(picID);
    }
    return out.sort((a, b) => (a.picID < b.picID ? -1 : 1));
  }

  #drop(picID) {
    const d = this.#open.get(picID);
    if (!d) return;
    this.bytes -= d.chars + PIECE_COST * d.pieces.size;
    this.#open.delete(picID);
  }
}

/**
 * Returns {bytes, sum} where the picture is whole, else null. size may be the
 * number of pieces or the index of the last one: a piece at pos = size proves
 * the latter; else the pieces 0 … size−1 are the picture if they look like an end.
 */
function finish(d, maxBytes) {
  const lastIndex = d.pieces.has(d.size);
  if ((lastIndex && d.low <= d.size) || d.low < d.size || d.low === 0) return null;
  const n = d.low;
  const want = d.head && d.head.bytes > 0 ? Math.ceil(d.head.bytes / 3) * 4 : -1;
  const last = d.pieces.get(n - 1);
  const short = d.chars % 4 === 0 && ((n > 1 && last.length < d.pieces.get(0).length) || last.endsWith("="));
  if (!lastIndex && want >= 0 && d.chars < want && !short) return null; // size may be the last index: one more may come
  if (want >= 0 && d.chars !== want) refuse("mismatch", `${d.chars} base64 characters, ${d.head.bytes} bytes announced`);
  let text = "";
  for (let i = 0; i < n; i++) text += d.pieces.get(i);
  const bytes = decode(text);
  if (!lastIndex && want < 0 && !short && (!bytes || !endsLikeJPEG(bytes))) {
    return null; // nothing but the bytes can tell whether a piece is still to come
  }
  if (!bytes) refuse("base64", "the pieces are no base64 together");
  if (bytes.length > maxBytes) refuse("limit", `${bytes.length} bytes`);
  if (d.head?.bytes > 0 && d.head.bytes !== bytes.length) refuse("mismatch", `${bytes.length} bytes, ${d.head.bytes} announced`);
  const sum = sha256(bytes);
  if (d.head?.sha256 && d.head.sha256.toLowerCase() !== sum) refuse("mismatch", "the hash differs");
  return { bytes, sum };
}

function endsLikeJPEG(bytes) {
  let n = bytes.length;
  while (n > 0 && bytes[n - 1] === 0) n--;
  return n >= 2 && bytes[n - 2] === 0xff && bytes[n - 1] === 0xd9;
}

/** Strict base64, as RFC 4648 asks: padded, no spaces, no stray bits. Returns null where it is not. */
function decode(text) {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  let binary;
  try {
    binary = atob(text);
  } catch {
    return null;
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  if (text.endsWith("=") && btoa(binary.slice(-(binary.length % 3))) !== text.slice(-4)) return null;
  return bytes;
}
