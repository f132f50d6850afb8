// How times, sizes and words are told.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** Reads a time from the wire; null where it is none. */
export function when(value) {
  const t = typeof value === "string" && value.length < 40 ? new Date(value) : value;
  return t instanceof Date && !Number.isNaN(t.getTime()) ? t : null;
}

export const time = (t) => (t ? clock.format(t) : "–");
export const day = (t) => date.format(t);
/** The local day as YYYY-MM-DD. */
export const dayKey = (t) => `${t.getFullYear()}-${String(t.getMonth() + 1).padStart(2, "0")}-${String(t.getDate()).padStart(2, "0")}`;

/** A time of today as clock, of another day with its date. */
export function moment(t) {
  if (!t) return "–";
  return dayKey(t) === dayKey(new Date()) ? clock.format(t) : `${short.format(t)}, ${clock.format(t)}`;
}

/** Seconds in words. */
export function span(s) {
  if (!Number.isFinite(s)) return "–";
  if (s < 10) return `${Math.max(0, Math.round(s * 10) / 10)} s`;
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function bytes(n) {
  if (!Number.isFinite(n)) return "–";
  if (n < 1000) return `${n} B`;
  if (n < 1e6) return `${(n / 1e3).toFixed(n < 1e4 ? 1 : 0)} kB`;
  return `${(n / 1e6).toFixed(1)} MB`;
}

export const percent = (v) => (Number.isFinite(v) ? `${(v * 100).toFixed(v < 0.1 ? 1 : 0)} %` : "–");

const TRIGGERS = { pir: "Motion sensor", frames: "Picture change", "pir+frames": "Sensor and picture", manual: "By hand" };
export const trigger = (t) => TRIGGERS[t] ?? (t ? String(t).slice(0, 40) : "–");

export const plural = (n, one, many) => `${n} ${n === 1 ? one : many}`;
