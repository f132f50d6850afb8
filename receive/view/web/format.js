// How times, sizes and words are told.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const past = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** Reads a time from the wire; null where it is none. */
export function when(value) {
  const t = typeof value === "string" && value.length < 40 ? new Date(value) : value;
  return t instanceof Date && !Number.isNaN(t.getTime()) ? t : null;
}

/** A day of the calendar as YYYY-MM-DD, in short. */
export const shortDay = (key) => short.format(new Date(`${key}T12:00:00`));
export const time = (t) => (t ? clock.format(t) : "–");
/** A day; its year where it is not this one. */
export const day = (t) => (t.getFullYear() === new Date().getFullYear() ? date : past).format(t);
/** The local day as YYYY-MM-DD. */
export const dayKey = (t) => `${t.getFullYear()}-${String(t.getMonth() + 1).padStart(2, "0")}-${String(t.getDate()).padStart(2, "0")}`;

/** A time of today as clock, of another day with its date. */
export function moment(t) {
  if (!t) return "–";
  return dayKey(t) === dayKey(new Date()) ? clock.format(t) : `${short.format(t)}, ${clock.format(t)}`;
}

const NB = "\u00a0"; // a number stays with its unit
const whole = (n, unit) => `${Math.floor(n)}${NB}${unit}`;

/** Seconds in words. */
export function span(s) {
  if (!Number.isFinite(s)) return "–";
  if (s < 10) return `${Math.max(0, Math.round(s * 10) / 10)}${NB}s`;
  s = Math.round(s);
  if (s < 60) return whole(s, "s");
  if (s < 3600) return `${whole(s / 60, "min")} ${whole(s % 60, "s")}`;
  return age(s);
}

/** The same, as precise as it matters for how long ago something was. */
export function age(s) {
  if (!Number.isFinite(s)) return "–";
  if (s < 60) return whole(Math.max(0, s), "s");
  if (s < 3600) return whole(s / 60, "min");
  if (s < 86400) return `${whole(s / 3600, "h")} ${whole((s % 3600) / 60, "min")}`;
  return `${whole(s / 86400, "d")} ${whole((s % 86400) / 3600, "h")}`;
}

/** How long ago a time was by this machine's clock, which may not be the camera's: never in the future. */
export const ago = (t) => (Date.now() - t < 1000 ? "now" : `${age((Date.now() - t) / 1000)} ago`);

export function bytes(n) {
  if (!Number.isFinite(n)) return "–";
  if (n < 1000) return `${n}${NB}B`;
  if (n < 1e6) return `${(n / 1e3).toFixed(n < 1e4 ? 1 : 0)}${NB}kB`;
  if (n < 1e9) return `${(n / 1e6).toFixed(1)}${NB}MB`;
  return `${(n / 1e9).toFixed(1)}${NB}GB`;
}

export const percent = (v) => (Number.isFinite(v) ? `${(v * 100).toFixed(v < 0.1 ? 1 : 0)}${NB}%` : "–");

const TRIGGERS = { pir: "Motion sensor", frames: "Picture change", "pir+frames": "Sensor and picture", manual: "By hand" };
export const trigger = (t) => TRIGGERS[t] ?? (t ? String(t).slice(0, 40) : "–");

export const plural = (n, one, many) => `${n}${NB}${n === 1 ? one : many}`;

/** Facts in a row, without the unknown ones. */
export const dotted = (parts) => parts.filter((x) => x && x !== "–").join(`${NB}· `);
